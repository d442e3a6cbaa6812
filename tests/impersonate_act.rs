//! The `act` strategy (RFC 8693): the token is the target's, and its `act` names the actor.

mod support;

use serde_json::json;
use support::{Desk, ISSUER, Seen, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::resolve::{self};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{ImpersonationLayer, policy};

const OTHER: &str = "https://other.example.com";

fn trusting(desk: &Desk) -> Builder {
    let issuer = desk.accepted().trust_claim("impersonating").trust_act();
    desk.bare()
        .issuer(issuer)
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
}

fn by_act(desk: &Desk) -> ImpersonationLayer {
    trusting(desk).resolve(resolve::act()).build().unwrap()
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
        .replacing()
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
    desk.assert_denied("carol", None, "vouched_by(https://issuer.example.com)");
    let elsewhere = trusting(&desk)
        .issuer(TestIssuer::offline(OTHER).issuer())
        .resolve(resolve::act())
        .replacing()
        .policy(policy::vouched_by(OTHER))
        .build()
        .unwrap();
    acting(&desk, &elsewhere, json!({ "sub": "eve" }), &[])
        .await
        .assert_refused(403);
    desk.assert_denied("eve", None, "vouched_by(https://other.example.com)");
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
        // Another issuer is trusted for it.
        bare()
            .issuer(desk.accepted())
            .issuer(TestIssuer::offline(OTHER).issuer().trust_act())
            .resolve(resolve::act()),
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
