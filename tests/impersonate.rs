//! Who may act as whom, and what the handler then sees: the cases that other systems fix.
//!
//! The IDs are those of Kubernetes' impersonation filter (`k`) and of django-hijack (`h`). There is
//! no uid and there are no extra headers in this crate, so `k04`, `k05`, `k08` to `k13`, `k23` and
//! `k24` have nothing to test here, but that each of several values must pass (`k10`, with groups);
//! `k17` to `k22` are about groups that Kubernetes adds by itself.

mod support;

use serde_json::json;
use support::expect::ACTOR;
use support::{Desk, ISSUER, get};
use tower_impersonate::policy::{self, Attempt, Ruling};
use tower_impersonate::{Identity, ImpersonationLayer, Mode};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

#[tokio::test]
async fn k01_without_the_header_the_caller_is_the_principal() {
    let desk = Desk::new();
    let seen = desk.as_carol(&desk.layer(), &[]).await;
    seen.assert_ran_as("carol", None);
    assert_eq!(seen.groups(), json!(["support"]));
    desk.assert_silent();
}

#[tokio::test]
async fn k02_a_policy_that_fails_refuses_before_the_handler() {
    let desk = Desk::new();
    let broken = |_: &Attempt<'_>| -> Ruling { panic!("the policy panics") };
    let layer = desk.undecided().policy(broken).build().unwrap();
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(503);
    desk.assert_silent();
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", None);
}

#[tokio::test]
async fn k03_a_group_without_a_user_is_400() {
    let desk = Desk::new();
    let seen = desk
        .as_carol(&desk.layer(), &[("impersonate-group", "customers")])
        .await;
    seen.assert_refused(400);
    desk.assert_denied("carol", None, "an impersonation header without a user");
}

#[tokio::test]
async fn k06_a_group_that_the_target_does_not_have_is_403_though_the_user_alone_is_allowed() {
    let desk = Desk::new();
    let layer = desk.layer();
    desk.as_carol(&layer, AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
    for group in ["support", "admins", "Customers", "*"] {
        let headers = [("impersonate-user", "alice"), ("impersonate-group", group)];
        let seen = desk.as_carol(&layer, &headers).await;
        if group == "*" {
            seen.assert_refused(400);
            desk.assert_denied("carol", None, "the group header is malformed");
        } else {
            seen.assert_refused(403);
            desk.assert_denied("carol", Some("alice"), "narrowed_groups");
        }
    }
}

#[tokio::test]
async fn k07_a_group_that_the_target_has_narrows_its_groups_to_it() {
    let desk = Desk::new();
    let headers = [("impersonate-user", "alice"), ("impersonate-group", "beta")];
    let seen = desk.as_carol(&desk.layer(), &headers).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["beta"]));
    let event = desk.sink.events().swap_remove(0);
    assert_eq!(event["impersonation.groups"], json!(["beta"]));
    desk.assert_recorded("carol", Some("alice"));
}

#[tokio::test]
async fn k10_each_of_several_groups_must_be_the_targets() {
    let desk = Desk::new();
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-group", "beta"),
        ("impersonate-group", "support"),
    ];
    desk.as_carol(&desk.layer(), &headers)
        .await
        .assert_refused(403);
    desk.assert_denied("carol", Some("alice"), "narrowed_groups");
}

#[tokio::test]
async fn k14_the_handler_runs_as_the_target_with_its_own_groups_only() {
    let desk = Desk::new();
    let seen = desk.as_carol(&desk.layer(), AS_ALICE).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["customers", "beta"]));
    assert_eq!(seen.body["email"], "alice@example.com");
    assert_eq!(seen.body["username"], "Alice");
    assert_eq!(seen.body["strategy"], "header");
    assert_eq!(seen.body["mode"], Mode::Full.as_str());
    desk.assert_recorded("carol", Some("alice"));
}

#[tokio::test]
async fn k15_k16_the_right_to_some_targets_is_not_the_right_to_others() {
    let desk = Desk::new();
    let robot = Identity::new(ISSUER, "robot").with_groups(["service-accounts"]);
    desk.users.insert(robot.enabled_account());
    let rule = policy::in_group("support").and(policy::target_in_group("service-accounts"));
    let layer = desk.undecided().policy(rule).build().unwrap();
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(403);
    desk.assert_denied("carol", Some("alice"), "target_in_group(service-accounts)");
    let seen = desk
        .as_carol(&layer, &[("impersonate-user", "robot")])
        .await;
    seen.assert_ran_as("robot", Some("carol"));
}

#[tokio::test]
async fn k25_all_headers_together() {
    let desk = Desk::new();
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-group", "beta"),
        ("impersonate-issuer", ISSUER),
        ("impersonate-reason", "ticket 4711"),
    ];
    let seen = desk.as_carol(&desk.layer(), &headers).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["beta"]));
    assert_eq!(seen.body["reason"], "ticket 4711");
    for event in desk.sink.events() {
        assert_eq!(event["impersonation.reason"], "ticket 4711");
    }
    desk.assert_recorded("carol", Some("alice"));
}

#[tokio::test]
async fn k26_no_impersonation_header_reaches_the_handler() {
    let desk = Desk::new();
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-group", "beta"),
        ("impersonate-issuer", ISSUER),
        ("impersonate-reason", "ticket 4711"),
        ("x-impersonate-user", "not ours"),
    ];
    let seen = desk.as_carol(&desk.layer(), &headers).await;
    seen.assert_ran_as("alice", Some("carol"));
    for (name, _) in &headers[..4] {
        assert!(!seen.handler_got(name), "{name}");
    }
    assert!(seen.handler_got("x-impersonate-user"));
}

/// Which of root, dora, alice and the disabled dave this actor may be.
async fn may_be(
    desk: &Desk,
    layer: &ImpersonationLayer,
    actor: &str,
    group: &str,
) -> Vec<&'static str> {
    let mut allowed = Vec::new();
    for target in ["nobody", "second-root", "dora", "alice", "dave"] {
        let token = desk.token(actor, &[group]).sign();
        let seen = desk
            .send(layer, get(&token, &[("impersonate-user", target)]))
            .await;
        if seen.status == 200 {
            seen.assert_ran_as(target, Some(actor));
            desk.assert_recorded(actor, Some(target));
            allowed.push(target);
        } else {
            seen.assert_refused(403);
            assert_eq!(desk.denial()[ACTOR], actor);
            desk.sink.clear();
        }
    }
    allowed
}

fn second_root(desk: &Desk) {
    let second = Identity::new(ISSUER, "second-root").with_groups(["admins"]);
    desk.users.insert(second.enabled_account());
}

#[tokio::test]
async fn h01_h02_h03_administrators_only() {
    let desk = Desk::new();
    second_root(&desk);
    let layer = desk
        .undecided()
        .policy(policy::in_group("admins"))
        .build()
        .unwrap();
    let all = ["second-root", "dora", "alice"];
    assert_eq!(may_be(&desk, &layer, "root", "admins").await, all);
    assert!(may_be(&desk, &layer, "carol", "support").await.is_empty());
    assert!(may_be(&desk, &layer, "bob", "customers").await.is_empty());
}

#[tokio::test]
async fn h04_h05_h06_administrators_and_staff() {
    let desk = Desk::new();
    second_root(&desk);
    let above = policy::target_in_group("admins").or(policy::target_in_group("support"));
    let staff = policy::in_group("support").except(above);
    let rule = policy::in_group("admins").or(staff);
    let layer = desk.undecided().policy(rule).build().unwrap();
    let all = ["second-root", "dora", "alice"];
    assert_eq!(may_be(&desk, &layer, "root", "admins").await, all);
    assert_eq!(may_be(&desk, &layer, "carol", "support").await, ["alice"]);
    assert!(may_be(&desk, &layer, "bob", "customers").await.is_empty());
}
