//! What went wrong elsewhere, and must not here.

mod support;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use support::expect::{BrokenSink, FAULTS, Fault};
use support::{Desk, ISSUER, get};
use tower_impersonate::policy::{self};
use tower_impersonate::{Identity, resolve};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

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
        (
            "impersonate-user",
            "root",
            Some("root"),
            "not(target_in_group(admins))",
        ),
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
        let layer = desk.unrecorded().audit(BrokenSink(fault)).build().unwrap();
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
