//! What a token says of itself: the claim strategy, `act`, a strategy of one's own, and how they get
//! along with the header.

mod support;

use http::HeaderName;
use http::request::Parts;
use serde_json::{Value, json};
use support::expect::keeping;
use support::{Desk, ISSUER, Seen, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::middleware::Builder;
use tower_impersonate::resolve::{self, Requested, Resolution, Resolve, ResolveError};
use tower_impersonate::terms::{Ask, Mode, Strategy, TargetRef};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{Claims, Verified};
use tower_impersonate::{Identity, ImpersonationLayer, policy};

const OTHER: &str = "https://other.example.com";

fn trusting(desk: &Desk) -> Builder {
    let issuer = desk.accepted().trust_claim("impersonating").trust_act();
    desk.bare()
        .issuer(issuer)
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
}

fn by_claim(desk: &Desk) -> ImpersonationLayer {
    let claim = resolve::claim("impersonating");
    trusting(desk).resolve(claim).build().unwrap()
}

fn by_act(desk: &Desk) -> ImpersonationLayer {
    trusting(desk).resolve(resolve::act()).build().unwrap()
}

/// Carol's token with that claim.
async fn claiming(desk: &Desk, layer: &ImpersonationLayer, value: impl serde::Serialize) -> Seen {
    let token = desk
        .token("carol", &["support"])
        .claim("impersonating", value);
    desk.send(layer, get(&token.sign(), &[])).await
}

/// Alice's token with that actor, and these headers.
async fn acting(
    desk: &Desk,
    layer: &ImpersonationLayer,
    act: impl serde::Serialize,
    headers: &[(&str, &str)],
) -> Seen {
    let token = desk.token("alice", &["customers"]).claim("act", act);
    desk.send(layer, get(&token.sign(), headers)).await
}

#[tokio::test]
async fn claim_names_the_target_and_the_subject_is_the_actor() {
    let desk = Desk::new();
    let seen = claiming(&desk, &by_claim(&desk), json!({ "sub": "alice" })).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["strategy"], "claim");
    assert_eq!(seen.groups(), json!(["customers", "beta"]));
    desk.assert_recorded("carol", Some("alice"));
    let own = json!({ "sub": "alice", "iss": ISSUER });
    claiming(&desk, &by_claim(&desk), own)
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a122_a_claim_that_is_no_object_with_a_sub_is_401() {
    let desk = Desk::new();
    let layer = by_claim(&desk);
    let long = "a".repeat(257);
    for malformed in [
        json!(null),
        json!(true),
        json!(5),
        json!("alice"),
        json!(""),
        json!(r#"{"sub":"alice"}"#),
        json!([]),
        json!(["alice"]),
        json!({}),
        json!({ "sub": null }),
        json!({ "sub": "" }),
        json!({ "sub": " " }),
        json!({ "sub": 5 }),
        json!({ "sub": ["alice", "bob"] }),
        json!({ "sub": { "sub": "alice" } }),
        json!({ "sub": long }),
        json!({ "sub": "alice", "iss": 5 }),
        json!({ "sub": "alice", "iss": "" }),
        json!({ "username": "alice" }),
    ] {
        let seen = claiming(&desk, &layer, &malformed).await;
        seen.assert_refused(401);
        assert_eq!(
            seen.cause(),
            "the impersonating claim is malformed",
            "{malformed}"
        );
    }
}

#[tokio::test]
async fn a122_the_string_forms_are_taken_only_where_configured() {
    let desk = Desk::new();
    let claim = resolve::claim("impersonating").or_string();
    let layer = trusting(&desk).resolve(claim).build().unwrap();
    for good in [
        "alice",
        r#"{"sub":"alice"}"#,
        r#"{"sub":"alice","iss":"https://issuer.example.com"}"#,
    ] {
        claiming(&desk, &layer, good)
            .await
            .assert_ran_as("alice", Some("carol"));
    }
    for bad in [
        "",
        " ",
        "{",
        r#"{"sub":""}"#,
        r#"{"sub":["alice"]}"#,
        r#"{"user":"alice"}"#,
    ] {
        claiming(&desk, &layer, bad).await.assert_refused(401);
    }
    claiming(&desk, &layer, json!(["alice"]))
        .await
        .assert_refused(401);
}

#[tokio::test]
async fn a113_a114_a_claim_without_right_or_from_an_issuer_not_trusted_for_it_is_403() {
    let desk = Desk::new();
    let layer = by_claim(&desk);
    let token = desk.token("bob", &["customers"]);
    let token = token
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    let without_right = desk.send(&layer, get(&token, &[])).await;
    without_right.assert_refused(403);
    desk.assert_denied("bob", None, "in_group(support)");

    let mut answers = vec![without_right.answer()];
    // Not trusted; trusted for another claim; no strategy reads it; no impersonation at all.
    let claim = || resolve::claim("impersonating");
    let rule = || policy::in_group("support");
    let bare = || desk.bare().policy(rule());
    for builder in [
        bare().issuer(desk.accepted()).resolve(claim()),
        bare()
            .issuer(desk.accepted().trust_claim("other"))
            .resolve(claim()),
        bare()
            .issuer(desk.accepted().trust_act())
            .resolve(resolve::act()),
        bare()
            .issuer(desk.accepted())
            .resolve(resolve::header("impersonate-user")),
    ] {
        let seen = claiming(&desk, &builder.build().unwrap(), json!({ "sub": "alice" })).await;
        seen.assert_refused(403);
        desk.assert_denied("carol", None, "untrusted_claim");
        let (status, mut headers, body) = seen.answer();
        headers.retain(|(name, _)| name != "vary");
        answers.push((status, headers, body));
    }
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    let seen = claiming(&desk, &plain, json!({ "sub": "alice" })).await;
    seen.assert_refused(403);
    answers.push(seen.answer());
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[tokio::test]
async fn a114_a_claim_that_is_not_trusted_is_403_beside_one_that_is() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_claim("acting_for"))
        .resolve(resolve::claim("acting_for"))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let carol = || {
        desk.token("carol", &["support"])
            .claim("acting_for", json!({ "sub": "alice" }))
    };
    desk.send(&layer, get(&carol().sign(), &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.sink.clear();
    let both = carol()
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    desk.send(&layer, get(&both, &[])).await.assert_refused(403);
    desk.assert_denied("carol", None, "untrusted_claim");
}

#[tokio::test]
async fn claim_names_somebody_at_a_configured_issuer_only() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let tina = Identity::new(OTHER, "tina").with_groups(["customers"]);
    desk.users.insert(tina.enabled_account());
    let layer = trusting(&desk)
        .issuer(other.issuer())
        .resolve(resolve::claim("impersonating"))
        .build()
        .unwrap();
    let abroad = json!({ "sub": "tina", "iss": OTHER });
    claiming(&desk, &layer, abroad).await.assert_refused(403);
    desk.assert_denied("carol", Some("tina"), "tenant");
    let nowhere = json!({ "sub": "tina", "iss": "https://evil.example.com" });
    claiming(&desk, &layer, nowhere).await.assert_refused(403);
    desk.assert_denied("carol", None, "unknown_issuer");
    claiming(&desk, &layer, json!({ "sub": "carol" }))
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "self");
}

#[tokio::test]
async fn act_names_the_actor_and_the_subject_is_the_target() {
    let desk = Desk::new();
    let seen = acting(&desk, &by_act(&desk), json!({ "sub": "carol" }), &[]).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["strategy"], "act");
    // Whose token it is knows best: the target's groups are those of the token.
    assert_eq!(seen.groups(), json!(["customers"]));
    desk.assert_recorded("carol", Some("alice"));
}

#[tokio::test]
async fn act_says_nothing_of_the_actors_groups_the_directory_does() {
    let desk = Desk::new();
    let layer = by_act(&desk);
    // Groups inside the claim count for nothing.
    let eve = json!({ "sub": "eve", "groups": ["support"], "cognito:groups": ["support"] });
    acting(&desk, &layer, eve, &[]).await.assert_refused(403);
    desk.assert_denied("eve", Some("alice"), "unknown:in_group(support)");
    acting(&desk, &layer, json!({ "sub": "bob" }), &[])
        .await
        .assert_refused(403);
    desk.assert_denied("bob", None, "in_group(support)");
    // An actor of an issuer that is not configured is in no tenant, and unknown.
    let stranger = json!({ "sub": "carol", "iss": "https://evil.example.com" });
    acting(&desk, &layer, stranger, &[])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", Some("alice"), "tenant");
}

#[tokio::test]
async fn act_vouched_by_its_issuer_needs_no_groups_of_the_actor() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::act())
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::vouched_by(ISSUER))
        .build()
        .unwrap();
    acting(&desk, &layer, json!({ "sub": "eve" }), &[])
        .await
        .assert_ran_as("alice", Some("eve"));
    desk.assert_recorded("eve", Some("alice"));
    // The bearer of a plain token is not vouched for.
    desk.as_carol(&layer, &[("impersonate-user", "alice")])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "vouched_by");
    let elsewhere = trusting(&desk)
        .resolve(resolve::act())
        .policy(policy::vouched_by(OTHER))
        .build()
        .unwrap();
    acting(&desk, &elsewhere, json!({ "sub": "eve" }), &[])
        .await
        .assert_refused(403);
    desk.assert_denied("eve", None, "vouched_by");
}

#[tokio::test]
async fn a121_a_malformed_act_is_401() {
    let desk = Desk::new();
    let layer = by_act(&desk);
    let deep = |levels| {
        (0..levels).fold(
            json!({ "sub": "x" }),
            |act, _| json!({ "sub": "x", "act": act }),
        )
    };
    for malformed in [
        json!(null),
        json!("carol"),
        json!(["carol"]),
        json!([{ "sub": "carol" }]),
        json!({}),
        json!({ "sub": "" }),
        json!({ "sub": " " }),
        json!({ "sub": 5 }),
        json!({ "sub": ["carol"] }),
        json!({ "sub": "carol", "iss": 5 }),
        json!({ "sub": "carol", "act": "root" }),
        json!({ "sub": "carol", "act": {} }),
        json!({ "sub": "alice" }),
        json!({ "sub": "carol", "act": deep(3) }),
        deep(9),
    ] {
        let seen = acting(&desk, &layer, &malformed, &[]).await;
        seen.assert_refused(401);
        assert_eq!(seen.cause(), "the act claim is malformed", "{malformed}");
    }
    let four = json!({ "sub": "carol", "act": deep(2) });
    acting(&desk, &layer, four, &[])
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a114_act_from_an_issuer_not_trusted_for_it_is_403_whether_or_not_a_strategy_reads_it() {
    let desk = Desk::new();
    let bare = || desk.bare().policy(policy::in_group("support"));
    for builder in [
        bare().issuer(desk.accepted()).resolve(resolve::act()),
        bare()
            .issuer(desk.accepted())
            .resolve(resolve::header("impersonate-user")),
    ] {
        let layer = builder.build().unwrap();
        acting(&desk, &layer, json!({ "sub": "carol" }), &[])
            .await
            .assert_refused(403);
        desk.assert_denied("alice", None, "untrusted_act");
    }
    // Trusted, but no strategy reads it.
    let header = resolve::header("impersonate-user");
    let layer = trusting(&desk).resolve(header).build().unwrap();
    acting(&desk, &layer, json!({ "sub": "carol" }), &[])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "untrusted_act");
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    acting(&desk, &plain, json!({ "sub": "carol" }), &[])
        .await
        .assert_refused(403);
}

#[tokio::test]
async fn a123_act_and_impersonating_in_one_token_are_401_whatever_they_say() {
    let desk = Desk::new();
    let both = |claim: &str, sub: &str| {
        let token = desk.token("alice", &["customers"]);
        let token = token.claim("act", json!({ "sub": "carol" }));
        token.claim(claim, json!({ "sub": sub })).sign()
    };
    let layer = trusting(&desk)
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    for sub in ["alice", "bob", "carol"] {
        for layer in [&layer, &plain, &by_act(&desk), &by_claim(&desk)] {
            desk.send(layer, get(&both("impersonating", sub), &[]))
                .await
                .assert_refused(401);
        }
    }
    // Whatever the claim is called.
    let renamed = desk
        .bare()
        .issuer(desk.accepted().trust_claim("acting_for").trust_act())
        .policy(policy::vouched_by(ISSUER))
        .resolve(resolve::claim("acting_for"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    for sub in ["alice", "bob"] {
        let seen = desk
            .send(&renamed, get(&both("acting_for", sub), &[]))
            .await;
        seen.assert_refused(401);
    }
}

#[tokio::test]
async fn a_token_of_a_grant_is_401_where_no_grants_are_configured() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    let carol = || desk.token("carol", &["support"]);
    for token in [
        carol().claim("grant_id", "g-1"),
        carol().claim("grant_id", Value::Null),
        carol().claim(
            "impersonating",
            json!({ "sub": "alice", "grant_id": "g-1" }),
        ),
        desk.token("alice", &[])
            .claim("act", json!({ "sub": "carol", "grant_id": "g-1" })),
    ] {
        for layer in [&layer, &plain] {
            let seen = desk.send(layer, get(&token.clone().sign(), &[])).await;
            seen.assert_refused(401);
            assert_eq!(
                seen.cause(),
                "a token of a grant where no grants are configured"
            );
        }
    }
}

#[tokio::test]
async fn a109_header_and_claim_must_name_the_same_target() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .build()
        .unwrap();
    let token = || {
        desk.token("carol", &["support"])
            .claim("impersonating", json!({ "sub": "alice" }))
            .sign()
    };
    let same = [("impersonate-user", "alice"), ("impersonate-group", "beta")];
    let seen = desk.send(&layer, get(&token(), &same)).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["beta"]));
    assert_eq!(seen.body["strategy"], "claim");
    desk.assert_recorded("carol", Some("alice"));
    let another = [("impersonate-user", "bob")];
    desk.send(&layer, get(&token(), &another))
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "two strategies ask for different things");
    // Headers without a user are nothing that the claim could use.
    let stray = [("impersonate-group", "beta")];
    desk.send(&layer, get(&token(), &stray))
        .await
        .assert_refused(400);
    desk.assert_denied(
        "carol",
        None,
        "a group or issuer header without a user header",
    );
}

#[tokio::test]
async fn header_against_act_is_400_and_the_record_names_the_actor_not_the_target() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    let carol = || json!({ "sub": "carol" });
    let same = [("impersonate-user", "alice")];
    acting(&desk, &layer, carol(), &same)
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
    for (headers, rule) in [
        (
            [("impersonate-user", "bob")],
            "two strategies ask for different things",
        ),
        (
            [("impersonate-group", "beta")],
            "a group or issuer header without a user header",
        ),
        (
            [("impersonate-reason", "")],
            "the reason is blank, too long or malformed",
        ),
        (
            [("impersonate_user", "alice")],
            "a twin of an impersonation header",
        ),
        (
            [("connection", "impersonate-user")],
            "an impersonation header listed in connection",
        ),
    ] {
        acting(&desk, &layer, carol(), &headers)
            .await
            .assert_refused(400);
        desk.assert_denied("carol", None, rule);
    }
}

#[tokio::test]
async fn a_nested_impersonation_is_409() {
    let desk = Desk::new();
    let role_by_header = resolve::custom(|claims, parts: &Parts| -> Resolution {
        if !parts.headers.contains_key("x-role") {
            return Resolution::NotRequested;
        }
        Requested::new(claims.caller(), Ask::role(["admins"].into())).into()
    });
    let layer = trusting(&desk)
        .resolve(resolve::act())
        .resolve(role_by_header)
        .build()
        .unwrap();
    let seen = acting(&desk, &layer, json!({ "sub": "carol" }), &[("x-role", "1")]).await;
    seen.assert_challenge(409, None);
    desk.assert_denied("carol", None, "a role beside another impersonation");

    let nested = resolve::custom(|_, _| Resolution::from(ResolveError::nested("ours")));
    let layer = trusting(&desk).resolve(nested).build().unwrap();
    desk.as_carol(&layer, &[]).await.assert_refused(409);
    desk.assert_denied("carol", None, "ours");
}

/// A strategy of one's own that waits before it answers.
struct Waiting([HeaderName; 1]);

impl Resolve for Waiting {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        let Some(sub) = parts.headers.get(&self.0[0]) else {
            return Resolution::NotRequested.into();
        };
        let target = TargetRef::subject(claims.issuer(), sub.to_str().unwrap());
        let ask = Ask::user(target, Strategy::Custom).with_mode(Mode::ReadOnly);
        let requested = Requested::new(claims.caller(), ask);
        Answer::later(async {
            tokio::task::yield_now().await;
            requested.into()
        })
    }

    fn headers(&self) -> &[HeaderName] {
        &self.0
    }
}

#[tokio::test]
async fn a_strategy_of_ones_own_may_wait_and_is_decided_like_any_other() {
    let desk = Desk::new();
    let waiting = Waiting([HeaderName::from_static("x-view-as")]);
    let layer = trusting(&desk).resolve(waiting).build().unwrap();
    let seen = desk.as_carol(&layer, &[("x-view-as", "alice")]).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(
        [&seen.body["strategy"], &seen.body["mode"]],
        ["custom", "read_only"]
    );
    assert!(!seen.handler_got("x-view-as"));
    assert!(seen.header("vary").unwrap().contains("x-view-as"));
    desk.assert_recorded("carol", Some("alice"));
    desk.as_carol(&layer, &[("x-view-as", "root")])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", Some("root"), "not");
    desk.as_carol(&layer, &[("x_view_as", "alice")])
        .await
        .assert_refused(400);
}

#[tokio::test]
async fn what_a_strategy_of_ones_own_cannot_tell_is_answered_by_kind() {
    for (error, status) in [
        (ResolveError::token as fn(&'static str) -> ResolveError, 401),
        (ResolveError::request, 400),
        (ResolveError::nested, 409),
        (ResolveError::forbidden, 403),
        (|detail| ResolveError::unavailable(detail), 503),
    ] {
        let desk = Desk::new();
        let failing = resolve::custom(move |_, _| Resolution::from(error("ours")));
        let layer = trusting(&desk).resolve(failing).build().unwrap();
        desk.as_carol(&layer, &[]).await.assert_refused(status);
        if status == 503 {
            desk.assert_silent();
        } else {
            desk.assert_denied("carol", None, "ours");
        }
    }
}

#[tokio::test]
async fn no_strategy_can_name_an_actor_whom_the_token_does_not_name() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let forging = resolve::custom(|claims, _| -> Resolution {
        let root = IdentityKey::new(claims.issuer(), "root");
        match claims.acting(root) {
            Some(actor) => {
                let target = TargetRef::subject(claims.issuer(), "alice");
                Requested::new(actor, Ask::user(target, Strategy::Custom)).into()
            }
            None => ResolveError::forbidden("not believed").into(),
        }
    });
    let builder = trusting(&desk).issuer(other.issuer()).resolve(forging);
    let layer = builder.build().unwrap();
    let token = other.token("carol").sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "not believed");
}

#[tokio::test]
async fn the_principal_is_the_target_and_tells_the_actor_only_when_asked() {
    let desk = Desk::new();
    let (builder, principal) = keeping(trusting(&desk).resolve(resolve::claim("impersonating")));
    let layer = builder.build().unwrap();
    let token = desk.token("carol", &["support"]).scope("admin");
    let token = token
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
    let principal = principal();
    let identity = principal.identity();
    assert_eq!(identity.scopes(), None);
    assert_eq!(identity.attribute("scope"), None);
    assert_eq!(identity.attribute("impersonating"), None);
    assert!(!principal.is_in_group("support"));
    assert!(principal.actor().groups().unwrap().contains("support"));
    let impersonation = principal.impersonation().unwrap();
    assert_eq!(impersonation.target(), Some(identity));
}
