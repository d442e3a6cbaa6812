//! The claim strategy: a claim of the actor's own token names the target.

mod support;

use serde_json::json;
use support::{Desk, ISSUER, Seen, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::resolve::{self};
use tower_impersonate::testing::TestIssuer;
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

/// Carol's token with that claim.
async fn claiming(desk: &Desk, layer: &ImpersonationLayer, value: impl serde::Serialize) -> Seen {
    let token = desk
        .token("carol", &["support"])
        .claim("impersonating", value);
    desk.send(layer, get(&token.sign(), &[])).await
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
    let elsewhere = TestIssuer::offline(OTHER);
    let believed = || elsewhere.issuer().trust_claim("impersonating");
    for builder in [
        bare()
            .issuer(desk.accepted())
            .issuer(believed())
            .resolve(claim()),
        bare()
            .issuer(desk.accepted().trust_claim("other"))
            .issuer(believed())
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
    desk.assert_denied("carol", None, "tenant");
    let nowhere = json!({ "sub": "tina", "iss": "https://evil.example.com" });
    claiming(&desk, &layer, nowhere).await.assert_refused(403);
    desk.assert_denied("carol", None, "unknown_issuer");
    claiming(&desk, &layer, json!({ "sub": "carol" }))
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "self");
}
