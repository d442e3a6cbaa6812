//! Confused deputies: claims that nobody may write, identities that come from elsewhere, and rights
//! that would outlive the swap.
//!
//! A-113, A-114, A-121, A-122 and A-123 stand in the tests of the strategies, A-127 in
//! `impersonate_messages.rs`, A-132 in `impersonate_machine.rs`, A-118 in `oracles.rs`.

mod support;

use std::convert::Infallible;

use axum::Router;
use axum::routing::get as route;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use support::{Desk, ISSUER, Seen, get};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::middleware::{Builder, ConfigError};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{Claims, Verified};
use tower_impersonate::{Identity, ImpersonationLayer, Principal, policy, resolve};

const AS_ALICE: (&str, &str) = ("impersonate-user", "alice");
const INVALID: Option<&str> = Some(r#"Bearer realm="api", error="invalid_token""#);
const FORBIDDEN: Option<&str> = Some(r#"Bearer realm="api", error="insufficient_scope""#);
const MALFORMED: Option<&str> = Some(r#"Bearer realm="api", error="invalid_request""#);

/// All strategies, from an issuer that is trusted for its claims.
fn trusting(desk: &Desk) -> Builder {
    let issuer = desk.accepted().trust_claim("impersonating").trust_act();
    desk.bare()
        .issuer(issuer)
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
}

/// Somebody's token with these claims, and these headers.
async fn send(
    desk: &Desk,
    layer: &ImpersonationLayer,
    (sub, groups): (&str, &[&str]),
    claims: &[(&str, Value)],
    headers: &[(&str, &str)],
) -> Seen {
    let token = claims
        .iter()
        .fold(desk.token(sub, groups), |token, (name, value)| {
            token.claim(name, value)
        });
    desk.send(layer, get(&token.sign(), headers)).await
}

const CAROL: (&str, &[&str]) = ("carol", &["support"]);
const ALICE: (&str, &[&str]) = ("alice", &["customers"]);

#[tokio::test]
async fn a115_only_the_configured_claim_counts_and_none_that_users_can_write() {
    let desk = Desk::new();
    let layer = trusting(&desk).build().unwrap();
    let alice = json!({ "sub": "alice" });
    for name in [
        "custom:impersonating",
        "custom:impersonate-user",
        "cognito:impersonating",
        "https://issuer.example.com/impersonating",
        "Impersonating",
        "impersonating ",
        "impersonate",
        "profile",
        "nickname",
    ] {
        for value in [alice.clone(), json!("alice"), json!(alice.to_string())] {
            let claims = [(name, value)];
            let seen = send(&desk, &layer, CAROL, &claims, &[]).await;
            seen.assert_ran_as("carol", None);
        }
    }
    for around in ["profile", "address", "user_metadata"] {
        let claims = [(around, json!({ "impersonating": alice, "act": alice }))];
        let seen = send(&desk, &layer, CAROL, &claims, &[]).await;
        seen.assert_ran_as("carol", None);
    }
    desk.assert_silent();
    let claims = [("impersonating", alice.clone())];
    let seen = send(&desk, &layer, CAROL, &claims, &[]).await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));

    // An attribute of the pool counts where both the issuer and a strategy say so, and only there.
    let name = "custom:impersonating";
    let claims = [(name, alice)];
    let issuer = || desk.accepted().trust_claim(name);
    let bare = |issuer| {
        desk.bare()
            .issuer(issuer)
            .policy(policy::in_group("support"))
    };
    let both = bare(issuer()).resolve(resolve::claim(name)).build();
    let seen = send(&desk, &both.unwrap(), CAROL, &claims, &[]).await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
    let header = resolve::header("impersonate-user");
    let unread = bare(issuer()).resolve(header).build().unwrap();
    let seen = send(&desk, &unread, CAROL, &claims, &[]).await;
    seen.assert_challenge(403, FORBIDDEN);
    desk.assert_denied("carol", None, "unread_claim");
    let untrusted = bare(desk.accepted()).resolve(resolve::claim(name)).build();
    assert!(matches!(untrusted, Err(ConfigError::Strategy { .. })));
}

#[tokio::test]
async fn a116_a_claim_that_only_the_id_token_has_is_not_had_by_using_that_as_access_token() {
    let desk = Desk::new();
    let pool = TestIssuer::start_cognito("eu-west-1", "eu-west-1_Ab12Cd34E").await;
    let pool = pool.with_clock(desk.clock.clone());
    let alice = Identity::new(pool.name(), "alice").with_groups(["customers"]);
    desk.users.insert(alice.enabled_account());
    let layer = |issuer| {
        desk.bare()
            .issuer(issuer)
            .resolve(resolve::claim("impersonating").or_string())
            .policy(policy::in_group("support"))
            .build()
            .unwrap()
    };
    let issuer = || pool.issuer().trust_claim("impersonating");
    let carol = || pool.token("carol").groups(["support"]);
    let id = || carol().cognito_id().claim("impersonating", "alice");

    let access_only = layer(issuer());
    let seen = desk.send(&access_only, get(&id().sign(), &[])).await;
    seen.assert_challenge(401, INVALID);
    assert_eq!(seen.cause(), "token is meant for another use");
    desk.assert_silent();
    // What a trigger of version 1 leaves for the access token is a plain request.
    let seen = desk.send(&access_only, get(&carol().sign(), &[])).await;
    seen.assert_ran_as("carol", None);
    desk.assert_silent();
    // A trigger of version 2 writes the access token, and ID tokens can be asked for.
    let access = carol().claim("impersonating", json!({ "sub": "alice" }));
    for (layer, token) in [(access_only, access), (layer(issuer().id_tokens()), id())] {
        let seen = desk.send(&layer, get(&token.sign(), &[])).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
}

#[tokio::test]
async fn a117_oneself_is_400_and_never_doubles_a_right() {
    let desk = Desk::new();
    let layer = trusting(&desk).build().unwrap();
    let itself = json!({ "sub": "carol" });
    let elsewhere = json!({ "sub": "carol", "iss": ISSUER });
    let as_carol = ("impersonate-user", "carol");
    let admins = ("impersonate-group", "admins");
    let by_claim = |value: &Value| vec![("impersonating", value.clone())];
    for (claims, headers) in [
        (vec![], &[as_carol][..]),
        (vec![], &[as_carol, admins]),
        (by_claim(&itself), &[]),
        (by_claim(&elsewhere), &[]),
        (by_claim(&itself), &[as_carol]),
    ] {
        let seen = send(&desk, &layer, CAROL, &claims, headers).await;
        seen.assert_challenge(400, MALFORMED);
        assert_eq!(seen.cause(), "denied by self");
        assert_eq!(seen.body["title"], "nobody can impersonate themselves");
        desk.assert_denied("carol", None, "self");
    }
    let act = [("act", itself)];
    let seen = send(&desk, &layer, CAROL, &act, &[]).await;
    seen.assert_challenge(401, INVALID);
    assert_eq!(seen.cause(), "the act claim is malformed");
    desk.assert_denied("carol", None, "the act claim is malformed");
    // Called by name, it is found out when the name is looked up.
    let names = resolve::header("impersonate-user").names();
    let names = desk.bare().issuer(desk.accepted()).resolve(names);
    let names = names.policy(policy::in_group("support")).build().unwrap();
    let seen = send(&desk, &names, CAROL, &[], &[("impersonate-user", "Carol")]).await;
    seen.assert_challenge(400, MALFORMED);
    desk.assert_denied("carol", Some("carol"), "self");
    // Whoever may impersonate nobody learns nothing of it.
    let seen = send(&desk, &layer, ALICE, &[], &[AS_ALICE]).await;
    seen.assert_challenge(403, FORBIDDEN);
}

#[tokio::test]
async fn a119_no_impersonation_goes_on_inside_another() {
    let desk = Desk::new();
    let layer = trusting(&desk).resolve(resolve::role(["viewers", "admins"]));
    let layer = layer.build().unwrap();
    let by_act = || ("act", json!({ "sub": "carol" }));
    let by_claim = ("impersonating", json!({ "sub": "alice" }));
    let bob = ("impersonate-user", "bob");
    let viewers = ("impersonate-group", "viewers");
    let another = "two strategies ask for different things";
    let role = "a role beside another impersonation";
    for (who, claim, header, status, cause) in [
        (ALICE, by_act(), bob, 400, another),
        (ALICE, by_act(), ("impersonate-user", "carol"), 400, another),
        (CAROL, by_claim.clone(), bob, 400, another),
        (ALICE, by_act(), viewers, 409, role),
        (CAROL, by_claim.clone(), viewers, 409, role),
    ] {
        let seen = send(&desk, &layer, who, &[claim], &[header]).await;
        seen.assert_refused(status);
        assert_eq!(seen.cause(), cause);
        desk.assert_denied("carol", None, cause);
    }
    let both = [by_act(), ("impersonating", json!({ "sub": "bob" }))];
    let seen = send(&desk, &layer, ALICE, &both, &[]).await;
    seen.assert_challenge(401, INVALID);
    // The signature is good, so it is an attempt, and whose it is can be told.
    desk.assert_denied("carol", None, "act and impersonating in one token");
    // One by itself passes, and so does a header that says the same.
    for (who, claim, headers) in [
        (ALICE, by_act(), &[][..]),
        (ALICE, by_act(), &[AS_ALICE]),
        (CAROL, by_claim, &[AS_ALICE]),
    ] {
        let seen = send(&desk, &layer, who, &[claim], headers).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
}

#[tokio::test]
async fn a120_an_administrator_deep_inside_act_gives_no_right() {
    let desk = Desk::new();
    let layer = trusting(&desk).build().unwrap();
    let root = json!({ "sub": "root", "groups": ["admins", "support"] });
    let carol = json!({ "sub": "carol", "act": root });
    for inner in [&root, &carol] {
        let act = [("act", json!({ "sub": "bob", "act": inner }))];
        let seen = send(&desk, &layer, ALICE, &act, &[]).await;
        seen.assert_challenge(403, FORBIDDEN);
        assert_eq!(seen.cause(), "denied by in_group(support)");
        desk.assert_denied("bob", None, "in_group(support)");
    }
    let turned = [("act", json!({ "sub": "carol", "act": { "sub": "bob" } }))];
    let seen = send(&desk, &layer, ALICE, &turned, &[]).await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
}

#[tokio::test]
async fn a124_may_act_that_does_not_name_the_actor_is_403() {
    let desk = Desk::new();
    let layer = trusting(&desk).build().unwrap();
    let act = || ("act", json!({ "sub": "carol" }));
    for may_act in [
        json!({ "sub": "dora" }),
        json!({ "sub": "Carol" }),
        json!({ "sub": "alice" }),
        json!({ "sub": "carol", "iss": "https://other.example.com" }),
    ] {
        let claims = [act(), ("may_act", may_act)];
        let seen = send(&desk, &layer, ALICE, &claims, &[]).await;
        seen.assert_challenge(403, FORBIDDEN);
        assert_eq!(seen.cause(), "may_act");
        desk.assert_denied("carol", None, "may_act");
    }
    for may_act in [json!("carol"), json!(["carol"]), json!({}), json!(null)] {
        let claims = [act(), ("may_act", may_act)];
        let seen = send(&desk, &layer, ALICE, &claims, &[]).await;
        seen.assert_challenge(401, INVALID);
        assert_eq!(seen.cause(), "the may_act claim is malformed");
        desk.assert_denied("carol", None, "the may_act claim is malformed");
    }
    for may_act in [
        json!({ "sub": "carol" }),
        json!({ "sub": "carol", "iss": ISSUER }),
    ] {
        let claims = [act(), ("may_act", may_act)];
        let seen = send(&desk, &layer, ALICE, &claims, &[]).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
}

/// A route for this group alone, behind the layer.
async fn ask(
    layer: &ImpersonationLayer,
    group: &'static str,
    request: Request<Full<Bytes>>,
) -> StatusCode {
    let guarded = move |principal: Principal| async move {
        if principal.is_in_group(group) {
            StatusCode::OK
        } else {
            StatusCode::FORBIDDEN
        }
    };
    let app = Router::new()
        .route("/orders", route(guarded))
        .layer(layer.clone());
    let request = request.map(axum::body::Body::new);
    app.oneshot(request).await.unwrap().status()
}

#[tokio::test]
async fn a125_routes_answer_by_the_targets_groups_and_never_by_the_actors() {
    let desk = Desk::new();
    let layer = trusting(&desk).resolve(resolve::role(["customers"]));
    let layer = layer.build().unwrap();
    let carol = || desk.token("carol", &["support", "admins"]);
    let claim = carol()
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    let groups = json!(["support", "admins"]);
    let act = json!({ "sub": "carol", "groups": groups, "cognito:groups": groups });
    let act = desk.token("alice", &["customers"]).claim("act", act).sign();
    let role = ("impersonate-group", "customers");
    let requests = [
        (carol().sign(), &[AS_ALICE][..]),
        (carol().sign(), &[AS_ALICE, role]),
        (carol().sign(), &[role]),
        (claim, &[]),
        (act, &[]),
    ];
    for (token, headers) in requests {
        for (group, status) in [("support", 403), ("admins", 403), ("customers", 200)] {
            let answered = ask(&layer, group, get(&token, headers)).await;
            assert_eq!(answered, status, "{group} {headers:?}");
        }
    }
    // By itself, the actor has its own.
    for (group, status) in [("support", 200), ("admins", 200), ("customers", 403)] {
        let answered = ask(&layer, group, get(&carol().sign(), &[])).await;
        assert_eq!(answered, status, "{group}");
    }
    // Nor can it bring one of them along.
    let both = [AS_ALICE, ("impersonate-group", "support")];
    desk.sink.clear();
    let seen = desk.send(&layer, get(&carol().sign(), &both)).await;
    seen.assert_challenge(403, FORBIDDEN);
    desk.assert_denied("carol", Some("alice"), "narrowed_groups");
}

#[tokio::test]
async fn a126_handlers_find_one_principal_and_neither_the_token_nor_its_claims() {
    let desk = Desk::new();
    let layer = trusting(&desk).build().unwrap();
    let token = desk.token("carol", &["support"]).scope("admin:write");
    let token = token.claim("salary", 100_000).sign();
    for (headers, sub) in [(&[AS_ALICE][..], "alice"), (&[], "carol")] {
        let inner = service_fn(move |request: Request<Full<Bytes>>| async move {
            let extensions = request.extensions();
            let principal = extensions.get::<Principal>().unwrap();
            assert_eq!(principal.subject(), sub);
            assert_eq!(extensions.len(), 1, "the principal and nothing else");
            assert!(extensions.get::<Verified<Claims>>().is_none());
            assert!(extensions.get::<Identity>().is_none());
            let acting = principal.impersonation().is_some();
            let told = format!("{:?} {:?}", request.headers(), request);
            assert_eq!(request.headers().contains_key("authorization"), !acting);
            assert!(!told.contains("eyJ"), "{told}");
            if acting {
                let identity = principal.identity();
                assert_eq!(identity.attribute("salary"), None);
                assert!(identity.scopes().is_none());
                assert_eq!(identity.text("email"), Some("alice@example.com"));
            }
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let answer = layer.layer(inner).oneshot(get(&token, headers)).await;
        assert_eq!(answer.unwrap().status(), StatusCode::OK);
    }
}

#[tokio::test]
async fn a131_headers_of_proxies_and_load_balancers_name_nobody() {
    let desk = Desk::new();
    let layers = [
        trusting(&desk).build().unwrap(),
        trusting(&desk).anonymous(|| ()).build().unwrap(),
    ];
    let carol = desk.carol();
    for name in [
        "x-amzn-oidc-data",
        "x-amzn-oidc-accesstoken",
        "x-amzn-oidc-identity",
        "x-user-id",
        "x-forwarded-user",
        "x-remote-user",
        "remote-user",
        "x-auth-request-user",
        "x-authenticated-userid",
        "x-ms-client-principal",
        "x-goog-authenticated-user-id",
        "x-forwarded-authorization",
    ] {
        for value in ["root", &carol, &format!("Bearer {carol}")] {
            let mut alone = get("", &[(name, value)]);
            alone.headers_mut().remove("authorization");
            let seen = desk.send(&layers[0], alone).await;
            seen.assert_challenge(401, Some(r#"Bearer realm="api""#));
            let mut alone = get("", &[(name, value)]);
            alone.headers_mut().remove("authorization");
            let seen = desk.send(&layers[1], alone).await;
            assert_eq!(seen.body["anonymous"], true);
            for layer in &layers {
                let seen = desk.send(layer, get(&desk.alice(), &[(name, value)])).await;
                seen.assert_ran_as("alice", None);
                let seen = desk.send(layer, get("bad", &[(name, value)])).await;
                seen.assert_challenge(401, INVALID);
            }
        }
    }
    desk.assert_silent();
}
