//! `POST /{username}/impersonate`, over HTTP: who gets a token for whom, and what stands behind it.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::time::Duration;

use desk_api::{Api, OTHER_API, issued};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{Filter, GrantLimits, Page};
use tower_impersonate::policy::{self, Right, right};
use tower_impersonate::testing::TestIssuer;

fn order(extra: &Value) -> Value {
    let mut order = json!({ "audience": AUDIENCE });
    order
        .as_object_mut()
        .unwrap()
        .extend(extra.as_object().cloned().unwrap_or_default());
    order
}

#[tokio::test]
async fn the_token_acts_as_the_user_and_names_who_is_there() {
    let api = Api::start().await;
    let body = order(&json!({ "reason": " ticket 7 ", "ticket": "T-7" }));
    let seen = api.post("/Alice/impersonate", &api.carol(), body).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(seen.header("content-type"), Some("application/json"));
    let data = &seen.body["data"];
    assert_eq!(
        (&data["id"], &data["type"]),
        (&json!("Alice"), &json!("access-token"))
    );
    // Carol's own token counts for 300 s, and no token outlives it.
    assert_eq!(data["attributes"]["expires_in"], 300);

    let (token, grant) = issued(&seen);
    let me = api.get("/me", &token).await;
    assert_eq!(
        (&me.body["sub"], &me.body["actor"]),
        (&json!("alice"), &json!("carol"))
    );

    let started = api.desk.events(EventName::Started);
    assert_eq!(started.len(), 1);
    assert_eq!(started[0]["impersonation.grant.id"], json!(grant));
    assert_eq!(started[0]["impersonation.reason"], "ticket 7");
    assert_eq!(started[0]["impersonation.actor.sub"], "carol");
    assert_eq!(started[0]["impersonation.target.sub"], "alice");
    let request = &api.desk.events(EventName::Request)[0];
    assert_eq!(request["impersonation.grant.id"], json!(grant));
    assert_eq!(request["impersonation.ticket"], "T-7");
}

#[tokio::test]
async fn the_other_path_is_the_same_route() {
    let api = Api::start().await;
    let seen = api
        .post("/users/Alice/impersonate", &api.carol(), order(&json!({})))
        .await;
    assert_eq!(seen.status, 200, "{seen:?}");
}

#[tokio::test]
async fn whom_nobody_may_have_is_refused_alike() {
    let api = Api::start().await;
    let mut bodies = Vec::new();
    for (who, name) in [
        ("carol", "Nobody"),
        ("carol", "Dave"),
        ("carol", "Sam"),
        ("carol", "Root"),
        ("mallory", "Alice"),
        ("mallory", "Nobody"),
    ] {
        let groups: &[&str] = if who == "carol" {
            &["support"]
        } else {
            &["customers"]
        };
        let token = api.desk.token(who, groups).sign();
        let path = format!("/{name}/impersonate");
        let seen = api.post(&path, &token, order(&json!({}))).await;
        assert_eq!(seen.status, 403, "{who} {name}: {seen:?}");
        bodies.push(seen.body);
    }
    assert!(
        bodies.windows(2).all(|pair| pair[0] == pair[1]),
        "{bodies:?}"
    );
    assert_eq!(api.desk.events(EventName::Denied).len(), 6);
    assert!(api.desk.events(EventName::Started).is_empty());
}

#[tokio::test]
async fn malformed_orders_are_400_and_name_what_is_wrong() {
    let api = Api::with(
        |layer| layer,
        |manage| manage.starts_per_minute(100),
        GrantLimits::default(),
    )
    .await;
    let long = "x".repeat(501);
    for (body, field) in [
        (json!({ "ttl_seconds": 0 }), "ttl_seconds"),
        (json!({ "ttl_seconds": -1 }), "ttl_seconds"),
        (json!({ "ttl_seconds": 1.5 }), "ttl_seconds"),
        (json!({ "ttl_seconds": "60" }), "ttl_seconds"),
        (json!({ "ttl_seconds": null }), "ttl_seconds"),
        (json!({ "reason": "  " }), "reason"),
        (json!({ "reason": long }), "reason"),
        (json!({ "reason": 5 }), "reason"),
        (json!({ "ticket": "a\nb" }), "ticket"),
        (json!({ "mode": "root" }), "mode"),
        (json!({ "mode": "scoped" }), "scopes"),
        (json!({ "mode": "full", "scopes": ["a"] }), "scopes"),
        (json!({ "scopes": [] }), "scopes"),
        (json!({ "scopes": ["a b"] }), "scopes"),
        (json!({ "scopes": "a" }), "scopes"),
        (json!({ "replace": "yes" }), "replace"),
        (json!({ "actor": "root" }), "actor"),
        (json!({ "audience": "" }), "audience"),
        (json!({ "audience": "elsewhere" }), "audience"),
        (json!({ "unknown": 1 }), "unknown"),
    ] {
        let seen = api
            .post("/Alice/impersonate", &api.carol(), order(&body))
            .await;
        assert_eq!(seen.status, 400, "{body}: {seen:?}");
        assert_eq!(seen.body["field"], field, "{body}");
        assert_eq!(
            seen.header("content-type"),
            Some("application/problem+json")
        );
    }
    let none = api
        .post("/Alice/impersonate", &api.carol(), Value::Null)
        .await;
    assert_eq!(
        (none.status.as_u16(), &none.body["field"]),
        (400, &json!("audience"))
    );
    let unknown = order(&json!({ "audience": "elsewhere" }));
    let unknown = api.post("/Alice/impersonate", &api.carol(), unknown).await;
    assert_eq!(unknown.body["error"], "invalid_target");
    let query = api
        .post(
            "/Alice/impersonate?actor=root",
            &api.carol(),
            order(&json!({})),
        )
        .await;
    assert_eq!(
        (query.status.as_u16(), &query.body["field"]),
        (400, &json!("actor"))
    );
    assert!(api.desk.events(EventName::Started).is_empty());

    for (kind, body, status) in [
        (
            "application/json",
            r#"{"mode":"full","mode":"read_only"}"#.to_owned(),
            400,
        ),
        ("application/json", "[]".to_owned(), 400),
        ("application/json", "{".to_owned(), 400),
        (
            "application/json",
            format!("{}1{}", "[".repeat(40), "]".repeat(40)),
            400,
        ),
        ("text/plain", "{}".to_owned(), 415),
        ("application/x-www-form-urlencoded", "a=b".to_owned(), 415),
        (
            "application/json",
            format!("{{\"reason\":\"{}\"}}", "x".repeat(17_000)),
            413,
        ),
        (
            "application/json; charset=utf-8",
            format!("{{\"audience\":\"{AUDIENCE}\"}}"),
            200,
        ),
    ] {
        let request = Request::post(format!("{}/Alice/impersonate", api.url))
            .header("authorization", format!("Bearer {}", api.carol()))
            .header("content-type", kind)
            .body(Full::from(body.clone()))
            .unwrap();
        assert_eq!(api.send(request).await.status, status, "{kind} {body}");
    }
}

#[tokio::test]
async fn usernames_of_any_spelling_stay_one_name() {
    let api = Api::start().await;
    for (path, status) in [
        ("/%41lice/impersonate", 200),
        ("/alice%2Fimpersonate/impersonate", 403),
        ("/%00/impersonate", 400),
        ("/%ff/impersonate", 400),
        ("/Alice%20/impersonate", 403),
        ("/ALICE/impersonate", 403),
        ("/Alice/impersonate/", 404),
        ("//impersonate", 400),
        ("/Alice/Impersonate", 404),
    ] {
        let seen = api.post(path, &api.carol(), order(&json!({}))).await;
        assert_eq!(seen.status, status, "{path}: {seen:?}");
    }
    let long = format!("/{}/impersonate", "a".repeat(257));
    assert_eq!(
        api.post(&long, &api.carol(), order(&json!({})))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_answers_of_the_layer_are_those_of_the_route() {
    let api = Api::with(
        |builder| {
            builder.replacing().policy(
                policy::in_group("support")
                    .and(policy::reason_required())
                    .and(policy::fresh_login(Duration::from_secs(600))),
            )
        },
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let now = 1_700_000_000;
    let fresh = api
        .desk
        .token("carol", &["support"])
        .claim("auth_time", now)
        .sign();
    let stale = api
        .desk
        .token("carol", &["support"])
        .claim("auth_time", now - 601)
        .sign();
    let reason = json!({ "reason": "r" });
    for (token, path, extra, status, challenge) in [
        (
            "",
            "/Alice/impersonate",
            &reason,
            401,
            Some("Bearer realm=\"api\""),
        ),
        ("garbage", "/Alice/impersonate", &reason, 401, None),
        (&*fresh, "/Alice/impersonate", &json!({}), 400, None),
        (&*stale, "/Alice/impersonate", &reason, 401, None),
        (&*fresh, "/Carol/impersonate", &reason, 400, None),
        (&*fresh, "/Alice/impersonate", &reason, 200, None),
    ] {
        let seen = api.post(path, token, order(extra)).await;
        assert_eq!(seen.status, status, "{path} {extra}: {seen:?}");
        if let Some(challenge) = challenge {
            assert_eq!(seen.header("www-authenticate"), Some(challenge));
        }
    }
    let stale = api.post("/Alice/impersonate", &stale, order(&reason)).await;
    assert_eq!(stale.body["error"], "insufficient_user_authentication");
}

#[tokio::test]
async fn nobody_impersonates_out_of_an_impersonation() {
    let api = Api::start().await;
    for mode in ["full", "read_only"] {
        let body = json!({ "mode": mode, "replace": true });
        let (token, _) = api.begin(&api.carol(), body).await;
        let seen = api
            .post("/Bob/impersonate", &token, order(&json!({})))
            .await;
        assert_eq!(seen.status, 409, "{mode}: {seen:?}");
    }
    let request = Request::post(format!("{}/Bob/impersonate", api.url))
        .header("authorization", format!("Bearer {}", api.carol()))
        .header("impersonate-user", "alice")
        .body(Full::default())
        .unwrap();
    assert_eq!(api.send(request).await.status, 409);
    let denied = api.desk.events(EventName::Denied);
    assert!(
        denied
            .iter()
            .all(|event| event["impersonation.deny.rule"] == "nested"),
        "{denied:?}"
    );
    assert_eq!(denied.len(), 3);
}

#[tokio::test]
async fn the_same_target_goes_on_under_the_same_grant() {
    let api = Api::start().await;
    let (_, grant) = api
        .begin(
            &api.carol(),
            json!({ "mode": "read_only", "reason": "one" }),
        )
        .await;
    let deadline = deadline(&api).await;
    api.advance(30);
    for (extra, status) in [
        (json!({}), 200),
        (json!({ "mode": "read_only" }), 200),
        (json!({ "reason": "two" }), 200),
        (json!({ "mode": "full" }), 409),
        (json!({ "scopes": ["a"] }), 409),
    ] {
        let seen = api
            .post("/Alice/impersonate", &api.carol(), order(&extra))
            .await;
        assert_eq!(seen.status, status, "{extra}: {seen:?}");
        let named = match status {
            200 => &seen.body["data"]["attributes"]["grant"],
            _ => &seen.body["grant"],
        };
        assert_eq!(*named, json!(grant), "{extra}");
    }
    assert_eq!(self::deadline(&api).await, deadline);
    assert_eq!(api.desk.events(EventName::Started).len(), 1);
    let issued = api.desk.events(EventName::Issued);
    assert_eq!(issued.len(), 3);
    assert!(
        issued
            .iter()
            .all(|event| event["impersonation.reason"] == "one"),
        "{issued:?}"
    );

    let wider = api
        .post(
            "/Alice/impersonate",
            &api.carol(),
            order(&json!({ "mode": "full", "replace": true })),
        )
        .await;
    assert_ne!(self::issued(&wider).1, grant);
    let ended = api.desk.events(EventName::Ended);
    assert_eq!(ended[0]["impersonation.end.reason"], "replaced");
}

async fn deadline(api: &Api) -> String {
    let grants = api
        .grants
        .list(&Filter::default(), &Page::first())
        .await
        .unwrap();
    assert_eq!(grants.len(), 1);
    grants[0].deadline().to_string()
}

#[tokio::test]
async fn another_target_waits_for_the_first_unless_it_replaces_it() {
    let api = Api::start().await;
    let (token, grant) = api.begin(&api.carol(), json!({})).await;
    let seen = api
        .post("/Bob/impersonate", &api.carol(), order(&json!({})))
        .await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["grant"]),
        (409, &json!(grant))
    );
    assert_eq!(api.desk.denial()["impersonation.deny.rule"], "conflict");
    let dora = api.desk.token("dora", &["support"]).sign();
    assert_eq!(
        api.post("/Bob/impersonate", &dora, order(&json!({})))
            .await
            .status,
        200
    );

    let replacing = order(&json!({ "replace": true }));
    assert_eq!(
        api.post("/Bob/impersonate", &api.carol(), replacing)
            .await
            .status,
        200
    );
    assert_eq!(api.get("/me", &token).await.status, 401);
}

#[tokio::test]
async fn a_deadline_is_what_is_asked_for_and_never_more_than_the_lifetime() {
    for (ttl, lives) in [
        (json!(60), 60),
        (json!(100_000), 3600),
        (json!(u64::MAX), 3600),
        (json!(60.0), 60),
        (json!(1e30), 3600),
    ] {
        let api = Api::start().await;
        let seen = api
            .post(
                "/Alice/impersonate",
                &api.carol(),
                order(&json!({ "ttl_seconds": ttl })),
            )
            .await;
        assert_eq!(
            seen.body["data"]["attributes"]["expires_in"],
            lives.min(300)
        );
        let grants = api
            .grants
            .list(&Filter::default(), &Page::first())
            .await
            .unwrap();
        let lived = grants[0]
            .deadline()
            .saturating_since(grants[0].started_at());
        assert_eq!(lived.as_secs(), lives);
    }
}

#[tokio::test]
async fn of_starts_at_once_one_begins() {
    let api = Api::start().await;
    let starts = (0..8).map(|n| {
        let name = if n % 2 == 0 { "Alice" } else { "Bob" };
        let (api, path) = (&api, format!("/{name}/impersonate"));
        async move { api.post(&path, &api.carol(), order(&json!({}))).await }
    });
    let seen = join(starts).await;
    let granted: Vec<_> = seen.iter().filter(|seen| seen.status == 200).collect();
    assert!(!granted.is_empty());
    assert!(
        seen.iter()
            .all(|seen| [200, 409].contains(&seen.status.as_u16())),
        "{seen:?}"
    );
    let first = issued(granted[0]).1;
    assert!(granted.iter().all(|seen| issued(seen).1 == first));
    let grants = api
        .grants
        .list(&Filter::default(), &Page::first())
        .await
        .unwrap();
    assert_eq!(grants.len(), 1);
}

async fn join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|cx| {
        let mut all = true;
        for (future, output) in &mut waiting {
            if output.is_none() {
                match future.as_mut().poll(cx) {
                    std::task::Poll::Ready(ready) => *output = Some(ready),
                    std::task::Poll::Pending => all = false,
                }
            }
        }
        if all {
            std::task::Poll::Ready(())
        } else {
            std::task::Poll::Pending
        }
    })
    .await;
    waiting
        .into_iter()
        .filter_map(|(_, output)| output)
        .collect()
}

#[tokio::test]
async fn one_actor_starts_only_so_often() {
    let api = Api::with(
        |builder| builder,
        |manage| manage.starts_per_minute(2),
        GrantLimits::default(),
    )
    .await;
    let start = |token: String| {
        let api = &api;
        async move {
            api.post("/Alice/impersonate", &token, order(&json!({})))
                .await
        }
    };
    assert_eq!(start(api.carol()).await.status, 200);
    assert_eq!(start(api.carol()).await.status, 200);
    let seen = start(api.carol()).await;
    assert_eq!(
        (seen.status.as_u16(), seen.header("retry-after")),
        (429, Some("60"))
    );
    assert_eq!(
        start(api.desk.token("dora", &["support"]).sign())
            .await
            .status,
        200
    );
    api.advance(60);
    assert_eq!(start(api.carol()).await.status, 200);
}

#[tokio::test]
async fn a_rule_for_the_endpoint_narrows_the_policy() {
    let narrowed = right(Right::Impersonate, policy::in_group("leads"));
    let api = Api::with(
        |builder| builder,
        |manage| manage.rights([narrowed]),
        GrantLimits::default(),
    )
    .await;
    let lead = api.desk.token("carol", &["support", "leads"]).sign();
    assert_eq!(
        api.post("/Alice/impersonate", &lead, order(&json!({})))
            .await
            .status,
        200
    );
    let seen = api
        .post(
            "/Alice/impersonate",
            &api.desk.token("dora", &["support"]).sign(),
            order(&json!({})),
        )
        .await;
    assert_eq!(seen.status, 403);
    assert_eq!(
        api.desk.denial()["impersonation.deny.rule"],
        "right:impersonate"
    );
}

#[tokio::test]
async fn staff_says_where_the_user_is() {
    let staff = TestIssuer::offline("https://staff.example.com");
    let accepted = staff
        .issuer()
        .audiences([AUDIENCE])
        .groups_claim("groups")
        .staff();
    let policy = policy::in_group("support").of("https://staff.example.com");
    let api = Api::with(
        |builder| builder.replacing().issuer(accepted).policy(policy),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let token = staff
        .with_clock(api.desk.clock.clone())
        .token("zoe")
        .audience(AUDIENCE)
        .groups(["support"])
        .sign();
    let to = |issuers: &[&str], token: &str| {
        let mut request = Request::post(format!("{}/Alice/impersonate", api.url))
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json");
        for issuer in issuers {
            request = request.header("impersonate-issuer", *issuer);
        }
        request
            .body(Full::from(order(&json!({})).to_string()))
            .unwrap()
    };
    for (issuers, status) in [
        (&[][..], 200),
        (&[ISSUER][..], 200),
        (&["https://elsewhere.example.com"][..], 403),
        (&[ISSUER, ISSUER][..], 400),
        (&[""][..], 400),
    ] {
        assert_eq!(
            api.send(to(issuers, &token)).await.status,
            status,
            "{issuers:?}"
        );
    }
    assert_eq!(api.send(to(&[ISSUER], &api.carol())).await.status, 400);
}

#[tokio::test]
async fn an_app_client_impersonates_where_the_policy_names_it() {
    let api = Api::start().await;
    let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let seen = api
        .form("/oauth2/token", "tickets", api.tickets.expose(), &form)
        .await;
    let token = seen.body["access_token"].as_str().unwrap().to_owned();
    let (minted, _) = api.begin(&token, json!({})).await;
    let me = api.get("/me", &minted).await;
    assert_eq!(
        (&me.body["sub"], &me.body["actor"]),
        (&json!("alice"), &json!("tickets"))
    );
    // It may have several at once.
    assert_eq!(
        api.post("/Bob/impersonate", &token, order(&json!({})))
            .await
            .status,
        200
    );

    let seen = api
        .form("/oauth2/token", "plain", api.plain.expose(), &form)
        .await;
    let token = seen.body["access_token"].as_str().unwrap().to_owned();
    assert_eq!(
        api.post("/Alice/impersonate", &token, order(&json!({})))
            .await
            .status,
        403
    );
    assert_eq!(api.desk.denial()["impersonation.deny.rule"], "machine");
}

#[tokio::test]
async fn an_app_client_has_no_more_than_its_limit() {
    let limits = GrantLimits::default().per_machine(1);
    let api = Api::with(|builder| builder, |manage| manage, limits).await;
    let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let seen = api
        .form("/oauth2/token", "tickets", api.tickets.expose(), &form)
        .await;
    let token = seen.body["access_token"].as_str().unwrap().to_owned();
    api.begin(&token, json!({})).await;
    assert_eq!(
        api.post("/Bob/impersonate", &token, order(&json!({})))
            .await
            .status,
        409
    );
}

#[tokio::test]
async fn what_fails_behind_the_route_is_503_and_starts_nothing() {
    let broken = Api::with(
        |builder| builder.replacing().audit(failing()),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let seen = broken
        .post("/Alice/impersonate", &broken.carol(), order(&json!({})))
        .await;
    assert_eq!(
        (seen.status.as_u16(), seen.header("retry-after")),
        (503, Some("1"))
    );
    let panics = Api::with(
        |builder| {
            builder
                .replacing()
                .policy(policy::custom(|_| panic!("a policy that panics")))
        },
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let seen = panics
        .post("/Alice/impersonate", &panics.carol(), order(&json!({})))
        .await;
    assert_eq!(
        (seen.status.as_u16(), seen.header("retry-after")),
        (503, Some("1"))
    );
    for api in [broken, panics] {
        let grants = api
            .grants
            .list(&Filter::default(), &Page::first())
            .await
            .unwrap();
        assert!(grants.is_empty());
    }
}

/// A fake for a fault: no audit takes anything.
fn failing() -> impl tower_impersonate::audit::AuditSink {
    struct Failing;
    impl tower_impersonate::audit::AuditSink for Failing {
        fn record(
            &self,
            _: &tower_impersonate::audit::Event<'_>,
        ) -> tower_impersonate::answer::Answer<Result<(), tower_impersonate::audit::AuditError>>
        {
            tower_impersonate::answer::Answer::now(Err(tower_impersonate::audit::AuditError::new(
                "the disk is full",
            )))
        }

        fn complete(&self, _: tower_impersonate::audit::Completion) {}
    }
    Failing
}

#[tokio::test]
async fn a_policy_may_narrow_what_is_asked_for() {
    let policy = policy::in_group("support").and(policy::read_only());
    let api = Api::with(
        |builder| builder.replacing().policy(policy),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    for _ in 0..2 {
        let (token, _) = api.begin(&api.carol(), json!({ "mode": "full" })).await;
        assert_eq!(api.get("/me", &token).await.status, 200);
        assert_eq!(
            api.call(Method::POST, "/write", &token, Value::Null)
                .await
                .status,
            403
        );
    }
}

#[tokio::test]
async fn scopes_stand_in_the_answer_and_bound_the_next_token() {
    let api = Api::start().await;
    let seen = api
        .post(
            "/Alice/impersonate",
            &api.carol(),
            order(&json!({ "scopes": ["a", "b"] })),
        )
        .await;
    assert_eq!(seen.body["data"]["attributes"]["scope"], "a b");
    for (scopes, status) in [
        (json!(["a"]), 200),
        (json!(["c"]), 409),
        (json!(["a", "c"]), 409),
    ] {
        let seen = api
            .post(
                "/Alice/impersonate",
                &api.carol(),
                order(&json!({ "scopes": scopes })),
            )
            .await;
        assert_eq!(seen.status, status, "{scopes}");
    }
    let other = order(&json!({ "audience": OTHER_API }));
    assert_eq!(
        api.post("/Alice/impersonate", &api.carol(), other)
            .await
            .body["data"]["attributes"]["scope"],
        "a b"
    );
}

/// An audit that is slow enough for two starts to pass each other.
struct Slow(
    tower_impersonate::testing::RecordingSink,
    std::sync::Arc<tokio::sync::Barrier>,
);

impl tower_impersonate::audit::AuditSink for Slow {
    fn record(
        &self,
        event: &tower_impersonate::audit::Event<'_>,
    ) -> tower_impersonate::answer::Answer<Result<(), tower_impersonate::audit::AuditError>> {
        let (taken, both) = (self.0.record(event), std::sync::Arc::clone(&self.1));
        if event.name != EventName::Started {
            return taken;
        }
        tower_impersonate::answer::Answer::later(async move {
            both.wait().await;
            taken.await
        })
    }

    fn complete(&self, done: tower_impersonate::audit::Completion) {
        self.0.complete(done);
    }
}

#[tokio::test]
async fn of_two_starts_that_pass_each_other_one_is_taken_back() {
    let sink = tower_impersonate::testing::RecordingSink::new();
    let both = std::sync::Arc::new(tokio::sync::Barrier::new(2));
    let slow = Slow(sink.clone(), both);
    let api = Api::with(
        |builder| builder.replacing().audit(slow),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let carol = api.carol();
    let (first, second) = tokio::join!(
        api.post("/Alice/impersonate", &carol, order(&json!({}))),
        api.post("/Bob/impersonate", &carol, order(&json!({}))),
    );
    let mut statuses = [first.status.as_u16(), second.status.as_u16()];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 409]);
    assert_eq!(sink.named(EventName::Started).len(), 2);
    let denied = sink.named(EventName::Denied);
    assert_eq!(denied.len(), 1);
    assert_eq!(denied[0]["impersonation.deny.rule"], "conflict");
    let grants = api
        .grants
        .list(&Filter::default(), &Page::first())
        .await
        .unwrap();
    assert_eq!(grants.len(), 1);
    assert_ne!(
        denied[0]["impersonation.grant.id"],
        json!(grants[0].id().to_string())
    );
}
