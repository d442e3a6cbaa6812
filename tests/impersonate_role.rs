//! Roles: an actor that stays itself and takes other groups for one request.

mod support;

use serde_json::json;
use support::{Desk, ISSUER, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::{ImpersonationLayer, policy, resolve};

const AS_ALICE: (&str, &str) = ("impersonate-user", "alice");

fn bare(desk: &Desk) -> Builder {
    let header = resolve::header("impersonate-user");
    desk.bare().issuer(desk.accepted()).resolve(header)
}

fn with_roles(desk: &Desk) -> ImpersonationLayer {
    let takes = policy::in_group("support").and(policy::takes_group(["org:acme", "org:globex"]));
    let rule = takes
        .or(policy::in_group("leads"))
        .except(policy::target_in_group("admins"));
    bare(desk)
        .resolve(resolve::role([
            "org:acme",
            "org:globex",
            "org:initech",
            "admins",
        ]))
        .policy(rule)
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_role_gives_the_actor_the_named_groups_in_place_of_its_own() {
    let desk = Desk::new();
    let layer = with_roles(&desk);
    let headers = [
        ("impersonate-group", "org:acme"),
        ("impersonate-group", "org:globex"),
    ];
    let seen = desk.as_carol(&layer, &headers).await;
    seen.assert_ran_as("carol", Some("carol"));
    assert_eq!(seen.groups(), json!(["org:acme", "org:globex"]));
    assert_eq!(seen.body["strategy"], "role");
    assert!(!seen.handler_got("impersonate-group") && !seen.handler_got("authorization"));
    for event in desk.sink.events() {
        assert_eq!(
            event["impersonation.groups"],
            json!(["org:acme", "org:globex"])
        );
    }
    desk.assert_recorded("carol", None);
}

#[tokio::test]
async fn each_group_of_a_role_must_be_offered_and_allowed() {
    let desk = Desk::new();
    let layer = with_roles(&desk);
    for (group, rule) in [
        ("org:umbrella", "role_not_offered"),
        ("ORG:ACME", "role_not_offered"),
        ("support", "role_not_offered"),
        ("org:initech", "takes_group"),
        ("admins", "takes_group"),
    ] {
        for headers in [
            &[("impersonate-group", group)][..],
            &[
                ("impersonate-group", "org:acme"),
                ("impersonate-group", group),
            ],
        ] {
            desk.as_carol(&layer, headers).await.assert_refused(403);
            desk.assert_denied("carol", None, rule);
        }
    }
    for malformed in ["", "org:acme, org:globex", "*"] {
        let headers = [("impersonate-group", malformed)];
        desk.as_carol(&layer, &headers).await.assert_refused(400);
        desk.assert_denied("carol", None, "the group header is malformed");
    }
    // Offered, and the lead may take any group but this.
    let lead = desk.token("carol", &["leads"]).sign();
    let admins = [("impersonate-group", "admins")];
    desk.send(&layer, get(&lead, &admins))
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "not(target_in_group(admins))");
    let bob = desk.token("bob", &["customers"]).sign();
    let headers = [("impersonate-group", "org:acme")];
    desk.send(&layer, get(&bob, &headers))
        .await
        .assert_refused(403);
}

#[tokio::test]
async fn beside_a_user_the_group_header_narrows_and_is_no_role() {
    let desk = Desk::new();
    let layer = with_roles(&desk);
    let lead = desk.token("carol", &["leads"]).sign();
    let narrowed = [AS_ALICE, ("impersonate-group", "beta")];
    let seen = desk.send(&layer, get(&lead, &narrowed)).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["beta"]));
    desk.assert_recorded("carol", Some("alice"));
    let offered = [AS_ALICE, ("impersonate-group", "org:acme")];
    desk.send(&layer, get(&lead, &offered))
        .await
        .assert_refused(403);
    desk.assert_denied("carol", Some("alice"), "narrowed_groups");
}

#[tokio::test]
async fn a_role_beside_a_token_that_impersonates_is_nested_and_409() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act())
        .resolve(resolve::act())
        .resolve(resolve::role(["org:acme"]))
        .policy(policy::vouched_by(ISSUER))
        .build()
        .unwrap();
    let token = desk
        .token("alice", &[])
        .claim("act", json!({ "sub": "carol" }))
        .sign();
    let headers = [("impersonate-group", "org:acme")];
    desk.send(&layer, get(&token, &headers))
        .await
        .assert_refused(409);
    desk.assert_denied("carol", None, "a role beside another impersonation");
}

#[tokio::test]
async fn a_reason_counts_for_a_role_and_a_reason_alone_is_400() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted())
        .resolve(resolve::role(["org:acme"]))
        .policy(policy::in_group("support").and(policy::reason_required()))
        .build()
        .unwrap();
    let (role, reason) = (
        ("impersonate-group", "org:acme"),
        ("impersonate-reason", "audit"),
    );
    desk.as_carol(&layer, &[role]).await.assert_refused(400);
    desk.assert_denied("carol", None, "reason_required");
    desk.as_carol(&layer, &[role, reason])
        .await
        .assert_ran_as("carol", Some("carol"));
    desk.assert_recorded("carol", None);
    desk.as_carol(&layer, &[reason]).await.assert_refused(400);
    desk.assert_denied("carol", None, "an impersonation header without a user");
}
