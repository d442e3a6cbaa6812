//! What becomes of grants over HTTP: who sees, extends and ends them.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use desk_api::Api;
use http::Method;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::{AUDIENCE, ISSUER};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::GrantLimits;
use tower_impersonate::policy;
use tower_impersonate::terms::GrantId;
use tower_impersonate::time::{Clock, Timestamp};

async fn end(api: &Api, id: &str, token: &str) -> u16 {
    let path = format!("/grants/{id}");
    api.call(Method::DELETE, &path, token, Value::Null)
        .await
        .status
        .as_u16()
}

async fn stop(api: &Api, token: &str) -> u16 {
    api.post("/grants/stop", token, Value::Null)
        .await
        .status
        .as_u16()
}

/// An id that no grant has.
fn unknown() -> String {
    "A".repeat(43)
}

#[tokio::test]
async fn who_reads_a_grant() {
    let api = Api::start().await;
    let (_, id) = api
        .begin(&api.carol(), json!({ "reason": "r", "ticket": "T-1" }))
        .await;
    let dora = api.desk.token("dora", &["support"]).sign();
    for (who, token, id, status) in [
        ("its actor", &api.carol(), &id, 200),
        ("its target", &api.desk.alice(), &id, 200),
        ("with the right", &api.security(), &id, 200),
        ("somebody else", &dora, &id, 403),
        ("with the right, unknown", &api.security(), &unknown(), 404),
        (
            "with the right, malformed",
            &api.security(),
            &"x".to_owned(),
            404,
        ),
        ("somebody else, unknown", &dora, &unknown(), 403),
        ("somebody else, malformed", &dora, &"x".to_owned(), 403),
    ] {
        let seen = api.get(&format!("/grants/{id}"), token).await;
        assert_eq!(seen.status, status, "{who}: {seen:?}");
    }
    let known = api.get(&format!("/grants/{id}"), &dora).await;
    let unknown = api.get(&format!("/grants/{}", unknown()), &dora).await;
    assert_eq!(known.body, unknown.body);

    let grant = api.get(&format!("/grants/{id}"), &api.carol()).await.body;
    assert_eq!(grant["actor"], json!({ "iss": ISSUER, "sub": "carol" }));
    assert_eq!(grant["target"], json!({ "iss": ISSUER, "sub": "alice" }));
    assert_eq!(
        (&grant["state"], &grant["mode"]),
        (&json!("active"), &json!("full"))
    );
    assert_eq!(
        (&grant["reason"], &grant["ticket"]),
        (&json!("r"), &json!("T-1"))
    );
    assert_eq!(grant["started_at"], "2023-11-14T22:13:20.000000000Z");
    assert_eq!(grant["deadline"], "2023-11-14T23:13:20.000000000Z");
    let rules: Vec<_> = api.desk.events(EventName::Denied);
    assert!(
        rules
            .iter()
            .all(|event| event["impersonation.deny.rule"] == "right:grants.read")
    );
    assert_eq!(rules.len(), 5);
}

#[tokio::test]
async fn who_ends_a_grant_and_why_it_ended() {
    let api = Api::start().await;
    let dora = api.desk.token("dora", &["support"]).sign();
    for (who, token, reason, by) in [
        ("its actor", api.carol(), "stopped", "carol"),
        ("its target", api.desk.alice(), "revoked", "alice"),
        ("with the right", api.security(), "revoked", "erin"),
    ] {
        let (minted, id) = api.begin(&api.carol(), json!({})).await;
        assert_eq!(end(&api, &id, &dora).await, 403, "{who}");
        assert_eq!(api.get("/me", &minted).await.status, 200, "{who}");
        assert_eq!(end(&api, &id, &token).await, 204, "{who}");
        assert_eq!(end(&api, &id, &token).await, 204, "{who}: twice");
        assert_eq!(
            end(&api, &id, &api.security()).await,
            204,
            "{who}: once more"
        );
        assert_eq!(api.get("/me", &minted).await.status, 401, "{who}");
        let grant = api.get(&format!("/grants/{id}"), &api.carol()).await.body;
        assert_eq!(grant["state"], "ended", "{who}");
        assert_eq!(
            (&grant["end"]["reason"], &grant["end"]["by"]["sub"]),
            (&json!(reason), &json!(by))
        );
    }
    assert_eq!(end(&api, &unknown(), &api.security()).await, 204);
    for malformed in ["x", &"A".repeat(42), &"A".repeat(44)] {
        assert_eq!(end(&api, malformed, &api.security()).await, 400);
        assert_eq!(end(&api, malformed, &dora).await, 403);
    }
    assert_eq!(end(&api, &unknown(), &dora).await, 403);
    let revoked = api.desk.events(EventName::Revoked);
    assert_eq!(revoked.len(), 2);
    assert_eq!(revoked[1]["impersonation.end.by.sub"], "erin");
}

#[tokio::test]
async fn stop_ends_its_own_grant_in_every_mode() {
    let api = Api::start().await;
    for body in [
        json!({}),
        json!({ "mode": "read_only" }),
        json!({ "scopes": ["a"] }),
    ] {
        let (minted, id) = api.begin(&api.carol(), body.clone()).await;
        assert_eq!(stop(&api, &minted).await, 204, "{body}");
        assert_eq!(api.get("/me", &minted).await.status, 401, "{body}");
        assert_eq!(stop(&api, &minted).await, 401, "{body}: twice");
        let grant = api.get(&format!("/grants/{id}"), &api.carol()).await.body;
        assert_eq!(grant["end"]["reason"], "stopped");
        assert_eq!(grant["end"]["by"]["sub"], "carol");
    }
    assert_eq!(stop(&api, &api.carol()).await, 409);
    assert_eq!(stop(&api, "").await, 401);
    assert_eq!(stop(&api, "garbage").await, 401);
    let request = http::Request::post(format!("{}/grants/stop", api.url))
        .header("authorization", format!("Bearer {}", api.carol()))
        .header("impersonate-user", "alice")
        .body(http_body_util::Full::default())
        .unwrap();
    assert_eq!(
        api.send(request).await.status,
        409,
        "no grant stands behind it"
    );
}

/// Faults that are switched on after a grant began.
#[derive(Clone, Default)]
struct Fault(Arc<AtomicBool>);

impl Fault {
    fn is_on(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    fn on(&self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn nothing_that_fails_keeps_an_impersonation_alive() {
    use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
    use tower_impersonate::directory::{Directory, LookupError};
    use tower_impersonate::terms::TargetRef;

    struct Audit(Fault);
    impl AuditSink for Audit {
        fn record(&self, _: &Event<'_>) -> Answer<Result<(), AuditError>> {
            let fails = self.0.is_on();
            Answer::now(if fails {
                Err(AuditError::new("full"))
            } else {
                Ok(())
            })
        }
        fn complete(&self, _: Completion) {}
    }

    for failing in [
        "policy denies",
        "policy panics",
        "directory",
        "audit",
        "nothing",
    ] {
        let fault = Fault::default();
        let is = |name: &str| {
            if failing == name {
                fault.clone()
            } else {
                Fault::default()
            }
        };
        let (denies, panics, directory, audit) = (
            is("policy denies"),
            is("policy panics"),
            is("directory"),
            is("audit"),
        );
        let api = Api::with(
            |builder| {
                let users = support::Desk::new().users;
                let judged = policy::custom(move |_| {
                    assert!(!panics.is_on(), "a policy that panics");
                    match denies.is_on() {
                        true => policy::Ruling::deny("switched off"),
                        false => policy::Ruling::allow(),
                    }
                });
                builder
                    .replacing()
                    .policy(judged)
                    .directory(move |wanted: &TargetRef| match directory.is_on() {
                        true => Answer::now(Err(LookupError::unavailable("down"))),
                        false => users.find(wanted),
                    })
                    .audit(Audit(audit))
            },
            |manage| manage,
            GrantLimits::default(),
        )
        .await;
        let (minted, id) = api.begin(&api.carol(), json!({})).await;
        fault.on();
        let before = api.get("/me", &minted).await.status;
        assert_eq!(before == 200, failing == "nothing", "{failing}");
        if failing == "policy denies" {
            // That request ended the grant already.
            assert_eq!(stop(&api, &minted).await, 401);
            continue;
        }
        assert_eq!(stop(&api, &minted).await, 204, "{failing}");
        let found = api
            .grants
            .find(&id.parse().unwrap())
            .await
            .unwrap()
            .unwrap();
        assert_eq!(
            found.state().end.as_ref().unwrap().reason.as_str(),
            "stopped",
            "{failing}"
        );
    }
}

#[tokio::test]
async fn the_right_to_revoke_does_not_wait_for_a_directory() {
    use tower_impersonate::directory::{Directory, LookupError};
    use tower_impersonate::terms::TargetRef;
    let fault = Fault::default();
    let (switch, users) = (fault.clone(), support::Desk::new().users);
    let directory = move |wanted: &TargetRef| match switch.is_on() {
        true => Answer::now(Err(LookupError::unavailable("down"))),
        false => users.find(wanted),
    };
    let api = Api::with(
        |builder| builder.directory(directory),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    fault.on();
    assert_eq!(
        api.get(&format!("/grants/{id}"), &api.security())
            .await
            .status,
        503
    );
    assert_eq!(
        end(&api, &id, &api.desk.token("dora", &["support"]).sign()).await,
        403
    );
    assert_eq!(end(&api, &id, &api.security()).await, 204);
}

#[tokio::test]
async fn rights_are_those_of_who_is_really_there() {
    let api = Api::start().await;
    // The directory gives a right that the token does not, and a disabled account has none.
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    let dave = api.desk.token("dave", &["security"]).sign();
    assert_eq!(end(&api, &id, &dave).await, 403);
    // Acting as somebody with the right is none.
    let security = policy::in_group("support");
    let other = Api::with(
        |builder| builder.replacing().policy(security),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let (minted, id) = other.begin(&other.carol(), json!({})).await;
    for (method, path) in [
        (Method::GET, "/grants".to_owned()),
        (Method::GET, format!("/grants/{id}")),
        (Method::DELETE, format!("/grants/{id}")),
        (Method::POST, format!("/grants/{}/extend", unknown())),
        (Method::POST, "/grants/x/extend".to_owned()),
    ] {
        let seen = other
            .call(method.clone(), &path, &minted, Value::Null)
            .await;
        assert_eq!(seen.status, 403, "{method} {path}");
    }
    let denied = other.desk.events(EventName::Denied);
    assert_eq!(denied.len(), 5);
    for event in denied {
        assert_eq!(event["impersonation.deny.rule"], "impersonating");
        assert_eq!(event["impersonation.actor.sub"], "carol");
    }
}

#[tokio::test]
async fn a_grant_is_extended_forward_and_never_beyond_its_latest_end() {
    let limits = GrantLimits::default()
        .lifetime(Duration::from_secs(100))
        .longest(Duration::from_secs(250));
    let api = Api::with(|builder| builder, |manage| manage, limits).await;
    let (minted, id) = api
        .begin(&api.carol(), json!({ "mode": "read_only" }))
        .await;
    let path = format!("/grants/{id}/extend");
    let at = |seconds: u32| {
        format!(
            "2023-11-14T22:{:02}:{:02}.000000000Z",
            13 + (20 + seconds) / 60,
            (20 + seconds) % 60
        )
    };
    for (token, body, deadline) in [
        (&minted, json!({ "ttl_seconds": 50 }), 100),
        (&minted, json!({ "ttl_seconds": 150 }), 150),
        (&api.carol(), Value::Null, 150),
        (&api.carol(), json!({ "ttl_seconds": 200 }), 200),
        (&api.carol(), json!({ "ttl_seconds": 1_000_000 }), 250),
        (&api.carol(), json!({ "ttl_seconds": 1 }), 250),
    ] {
        let seen = api.post(&path, token, body.clone()).await;
        assert_eq!(seen.status, 200, "{body}: {seen:?}");
        assert_eq!(seen.body["deadline"], at(deadline), "{body}");
    }
    assert_eq!(api.desk.events(EventName::Extended).len(), 3);
    for body in [
        json!({ "ttl_seconds": 0 }),
        json!({ "ttl": 5 }),
        json!({ "actor": "carol" }),
    ] {
        assert_eq!(api.post(&path, &api.carol(), body).await.status, 400);
    }
    for token in [
        api.desk.alice(),
        api.security(),
        api.desk.token("dora", &["support"]).sign(),
    ] {
        assert_eq!(api.post(&path, &token, Value::Null).await.status, 403);
    }
    api.advance(251);
    let fresh = api.carol();
    assert_eq!(api.post(&path, &fresh, Value::Null).await.status, 409);
    assert_eq!(api.post(&path, &minted, Value::Null).await.status, 401);
}

#[tokio::test]
async fn an_extension_is_another_decision() {
    let fault = Fault::default();
    let switch = fault.clone();
    let policy = policy::custom(move |_| match switch.is_on() {
        true => policy::Ruling::deny("switched off"),
        false => policy::Ruling::allow(),
    });
    let api = Api::with(
        |builder| builder.replacing().policy(policy),
        |manage| manage,
        GrantLimits::default(),
    )
    .await;
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    fault.on();
    let path = format!("/grants/{id}/extend");
    assert_eq!(
        api.post(&path, &api.carol(), json!({ "ttl_seconds": 7200 }))
            .await
            .status,
        403
    );
    let found = api
        .grants
        .find(&id.parse().unwrap())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(
        found.state().end.as_ref().unwrap().reason.as_str(),
        "actor_demoted"
    );
}

#[tokio::test]
async fn a_list_shows_everybody_its_own() {
    let api = Api::start().await;
    let dora = api.desk.token("dora", &["support"]).sign();
    let (_, first) = api.begin(&api.carol(), json!({})).await;
    api.advance(1);
    let seen = api
        .post("/Bob/impersonate", &dora, json!({ "audience": AUDIENCE }))
        .await;
    let second = desk_api::issued(&seen).1;
    api.advance(1);
    let (_, third) = api.begin(&api.carol(), json!({ "replace": true })).await;

    let ids = |seen: &support::Seen| -> Vec<String> {
        assert_eq!(seen.status, 200, "{seen:?}");
        let data = seen.body["data"].as_array().unwrap();
        data.iter()
            .map(|grant| grant["id"].as_str().unwrap().to_owned())
            .collect()
    };
    let (one, two, three) = (&*first, &*second, &*third);
    for (query, token, expected) in [
        ("", &api.security(), vec![three, two, one]),
        ("", &api.carol(), vec![three, one]),
        ("", &api.desk.alice(), vec![three, one]),
        ("", &dora, vec![two]),
        ("?state=active", &api.carol(), vec![three]),
        ("?state=ended", &api.carol(), vec![one]),
        ("?actor=carol", &api.carol(), vec![three, one]),
        (
            "?actor=carol&target=alice",
            &api.desk.alice(),
            vec![three, one],
        ),
        ("?actor=dora", &api.security(), vec![two]),
        ("?target=bob&actor=carol", &api.carol(), vec![]),
        (
            "?actor=dora&actor_iss=https://elsewhere.example.com",
            &api.security(),
            vec![],
        ),
    ] {
        let seen = api.get(&format!("/grants{query}"), token).await;
        assert_eq!(ids(&seen), expected, "{query}");
    }
    for query in ["?actor=dora", "?target=bob", "?actor=dora&target=bob"] {
        assert_eq!(
            api.get(&format!("/grants{query}"), &api.carol())
                .await
                .status,
            403,
            "{query}"
        );
    }
    for (query, field) in [
        ("?state=some", "state"),
        ("?limit=0", "limit"),
        ("?limit=201", "limit"),
        ("?limit=+5", "limit"),
        ("?limit=5&limit=5", "limit"),
        ("?cursor=abc", "cursor"),
        ("?actor=", "actor"),
        ("?actor_iss=x", "actor_iss"),
        ("?unknown=1", "unknown"),
        ("?a=%ff", "query"),
    ] {
        let seen = api.get(&format!("/grants{query}"), &api.carol()).await;
        assert_eq!(
            (seen.status.as_u16(), &seen.body["field"]),
            (400, &json!(field)),
            "{query}"
        );
    }

    let mut walked = Vec::new();
    let mut path = "/grants?limit=1".to_owned();
    loop {
        let seen = api.get(&path, &api.security()).await;
        walked.extend(ids(&seen));
        let Some(next) = seen.body["next"].as_str() else {
            break;
        };
        path = format!("/grants?limit=1&cursor={next}");
        let tampered = format!(
            "/grants?cursor={}",
            next.replace(&next[..1], if next.starts_with('A') { "B" } else { "A" })
        );
        assert_eq!(api.get(&tampered, &api.security()).await.status, 400);
    }
    assert_eq!(walked, [three, two, one]);
}

/// A cursor for the place of that grant, and one for a place where there is none, both as a list writes them.
fn cursors(id: &GrantId, started_at: Timestamp) -> [String; 2] {
    let write = |id: &GrantId| {
        let mut bytes = started_at.unix_seconds().to_be_bytes().to_vec();
        bytes.extend(started_at.subsec_nanos().to_be_bytes());
        bytes.extend(id.as_bytes());
        let sum = Sha256::new_with_prefix("cursor of grants").chain_update(&bytes);
        bytes.extend(&sum.finalize()[..4]);
        URL_SAFE_NO_PAD.encode(bytes)
    };
    [write(id), write(&GrantId::from_bytes([7; 32]))]
}

#[tokio::test]
async fn a_cursor_that_somebody_made_tells_nothing_of_the_grants_of_others() {
    let api = Api::start().await;
    let dora = api.desk.token("dora", &["support"]).sign();
    let order = json!({ "audience": AUDIENCE });
    let own = desk_api::issued(&api.post("/Bob/impersonate", &dora, order).await).1;
    api.advance(1);
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    let (id, now) = (id.parse().unwrap(), api.desk.clock.now());
    let mut seen = Vec::new();
    for cursor in cursors(&id, now) {
        let seen_by = async |token: &str, rest: &str| {
            let path = format!("/grants?cursor={cursor}{rest}");
            let seen = api.get(&path, token).await;
            (seen.status.as_u16(), seen.body)
        };
        let (status, body) = seen_by(&dora, "").await;
        assert_eq!((status, &body["data"][0]["id"]), (200, &json!(own)));
        let refused = seen_by(&dora, "&actor=carol").await;
        assert_eq!(refused.0, 403);
        seen.push((body, refused.1));
    }
    assert_eq!(seen[0], seen[1], "the grant is there or not");
}

#[tokio::test]
async fn a_token_of_a_grant_that_ran_out_is_no_good() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({ "ttl_seconds": 60 })).await;
    api.advance(59);
    assert_eq!(api.get("/me", &minted).await.status, 200);
    api.advance(1);
    assert_eq!(api.get("/me", &minted).await.status, 401);
    assert_eq!(stop(&api, &minted).await, 401);
}
