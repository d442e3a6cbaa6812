//! Who may act as whom, and what the handler then sees: the cases that other systems fix, and those
//! that went wrong elsewhere.
//!
//! The IDs are those of Kubernetes' impersonation filter (`k`), of django-hijack (`h`) and of
//! incidents. There is no uid and there are no extra headers in this crate, so `k04`, `k05`, `k08` to
//! `k13`, `k23` and `k24` have nothing to test here; `k17` to `k22` are about groups of Kubernetes'.

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use support::expect::{ACTOR, BrokenSink, FAULTS, Fault};
use support::{Desk, ISSUER, get};
use tower_impersonate::policy::{self, Attempt, Ruling};
use tower_impersonate::{Identity, ImpersonationLayer, Mode, resolve};

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
    let layer = desk.builder().policy(broken).build().unwrap();
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
    let layer = desk.builder().policy(rule).build().unwrap();
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
        .builder()
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
    let layer = desk.builder().policy(rule).build().unwrap();
    let all = ["second-root", "dora", "alice"];
    assert_eq!(may_be(&desk, &layer, "root", "admins").await, all);
    assert_eq!(may_be(&desk, &layer, "carol", "support").await, ["alice"]);
    assert!(may_be(&desk, &layer, "bob", "customers").await.is_empty());
}

#[tokio::test]
async fn incident_a3_twins_and_duplicates_are_refused_never_united() {
    let desk = Desk::new();
    let layer = desk.layer();
    for (headers, rule) in [
        (
            [("impersonate-user", "alice"), ("impersonate-user", "bob")],
            "an impersonation header stands twice",
        ),
        (
            [("impersonate-user", "alice"), ("Impersonate-User", "alice")],
            "an impersonation header stands twice",
        ),
        (
            [("impersonate-user", "alice"), ("Impersonate_User", "bob")],
            "a twin of an impersonation header",
        ),
    ] {
        desk.as_carol(&layer, &headers).await.assert_refused(400);
        desk.assert_denied("carol", None, rule);
    }
}

#[tokio::test]
async fn incident_a4_a_header_listed_in_connection_is_refused() {
    let desk = Desk::new();
    let rule = "an impersonation header listed in connection";
    for listed in [
        "impersonate-user",
        "Impersonate-User",
        "keep-alive, Impersonate-User",
        "close,impersonate-reason ,x",
        "impersonate_group",
    ] {
        // With the header, and without it as if a proxy had dropped it.
        for headers in [
            &[("connection", listed), ("impersonate-user", "alice")][..],
            &[("connection", listed)],
        ] {
            desk.as_carol(&desk.layer(), headers)
                .await
                .assert_refused(400);
            desk.assert_denied("carol", None, rule);
        }
    }
    let seen = desk
        .as_carol(&desk.layer(), &[("connection", "keep-alive")])
        .await;
    seen.assert_ran_as("carol", None);
}

#[tokio::test]
async fn incident_a5_targets_that_one_may_not_have_look_like_those_that_do_not_exist() {
    let desk = Desk::new();
    let tina = Identity::new(ISSUER, "tina").with_tenant("globex");
    desk.users
        .insert(tina.with_groups(["customers"]).enabled_account());
    let layer = desk
        .builder()
        .resolve(resolve::header("x-act-as").names())
        .build()
        .unwrap();
    let mut answers = Vec::new();
    for (header, wanted, found, rule) in [
        ("impersonate-user", "mallory", None, "target_not_found"),
        ("x-act-as", "mallory", None, "target_not_found"),
        ("x-act-as", "Sam", None, "target_ambiguous"),
        ("impersonate-user", "dave", Some("dave"), "target_disabled"),
        ("impersonate-user", "tina", Some("tina"), "tenant"),
        ("impersonate-user", "root", Some("root"), "not"),
    ] {
        let seen = desk.as_carol(&layer, &[(header, wanted)]).await;
        seen.assert_refused(403);
        if found.is_none() {
            assert_eq!(desk.denial()["impersonation.wanted"], wanted);
        }
        desk.assert_denied("carol", found, rule);
        answers.push(seen.answer());
    }
    let seen = desk
        .send(&layer, get(&desk.alice(), &[("impersonate-user", "bob")]))
        .await;
    desk.assert_denied("alice", None, "in_group(support)");
    answers.push(seen.answer());
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}

#[tokio::test(start_paused = true)]
async fn incident_a11_a_request_that_cannot_be_recorded_is_refused() {
    for fault in FAULTS {
        let desk = Desk::new();
        let layer = desk.builder().audit(BrokenSink(fault)).build().unwrap();
        desk.as_carol(&layer, AS_ALICE).await.assert_refused(503);
        // A denial, too, must be on record before it is told.
        let denied = [("impersonate-user", "root")];
        desk.as_carol(&layer, &denied).await.assert_refused(503);
        desk.as_carol(&layer, &[])
            .await
            .assert_ran_as("carol", None);
    }
    assert!(matches!(
        FAULTS,
        [Fault::Errs, Fault::Panics, Fault::NeverAnswers]
    ));
}

#[tokio::test]
async fn incident_a12_a_nested_act_is_history_only_the_outermost_counts() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act())
        .resolve(resolve::act())
        .policy(policy::in_group("admins").or(policy::in_group("support")))
        .build()
        .unwrap();
    let act = |act| desk.token("alice", &["customers"]).claim("act", act).sign();
    let bob_for_root = act(json!({ "sub": "bob", "act": { "sub": "root" } }));
    desk.send(&layer, get(&bob_for_root, &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("bob", None, "in_group(admins)");
    let root_for_bob = act(json!({ "sub": "root", "act": { "sub": "bob" } }));
    let seen = desk.send(&layer, get(&root_for_bob, &[])).await;
    seen.assert_ran_as("alice", Some("root"));
    desk.assert_recorded("root", Some("alice"));
}

#[tokio::test]
async fn incident_a13_may_act_must_name_the_actor() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act())
        .resolve(resolve::act())
        .policy(policy::vouched_by(ISSUER))
        .build()
        .unwrap();
    let token = |may_act| {
        let token = desk
            .token("alice", &[])
            .claim("act", json!({ "sub": "carol" }));
        token.claim("may_act", may_act).sign()
    };
    let named = token(json!({ "sub": "carol" }));
    let seen = desk.send(&layer, get(&named, &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.sink.clear();
    for other in [
        json!({ "sub": "dora" }),
        json!({ "sub": "carol", "iss": "https://other.example.com" }),
    ] {
        desk.send(&layer, get(&token(other), &[]))
            .await
            .assert_refused(403);
        desk.assert_denied("carol", None, "may_act");
    }
    for malformed in [json!("carol"), json!({}), json!(["carol"]), json!(null)] {
        desk.send(&layer, get(&token(malformed), &[]))
            .await
            .assert_refused(401);
    }
}

#[tokio::test]
async fn incident_a21_whatever_names_an_actor_beside_the_credential_counts_for_nothing() {
    let desk = Desk::new();
    let trusting = desk.accepted().trust_claim("impersonating");
    let layer = desk
        .bare()
        .issuer(trusting)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-actor", "root"),
        ("x-actor", "root"),
    ];
    let claim =
        json!({ "sub": "alice", "actor": "root", "adminUserId": "root", "groups": ["admins"] });
    let token = desk
        .token("carol", &["support"])
        .claim("impersonating", claim);
    let request = get(&token.sign(), &headers);
    let (parts, _) = request.into_parts();
    let body = Full::new(Bytes::from_static(
        br#"{"actor":"root","adminUserId":"root"}"#,
    ));
    let seen = desk.send(&layer, Request::from_parts(parts, body)).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["customers", "beta"]));
    desk.assert_recorded("carol", Some("alice"));
}
