//! App clients: denied before any rule is asked, unless the policy names them.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::json;
use support::{Desk, ISSUER, Seen, get};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{ImpersonationLayer, policy, resolve};

const AS_ALICE: (&str, &str) = ("impersonate-user", "alice");

/// An app client in the support group asks by header.
async fn as_machine(desk: &Desk, layer: &ImpersonationLayer) -> Seen {
    let token = desk.token("nightly", &["support"]).client_id("nightly");
    desk.send(layer, get(&token.sign(), &[AS_ALICE])).await
}

#[tokio::test]
async fn a132_a_machine_is_denied_unless_the_policy_names_it_and_the_header_lets_machines_in() {
    let desk = Desk::new();
    let (directory, asked) = desk.counting();
    let directory: std::sync::Arc<dyn tower_impersonate::directory::Directory> =
        std::sync::Arc::new(directory);
    let layer = |header, rule| {
        let builder = desk.bare().directory(std::sync::Arc::clone(&directory));
        let other = TestIssuer::offline("https://other.example.com").issuer();
        let builder = builder.issuer(desk.accepted()).issuer(other);
        let builder = builder.resolve(header);
        builder.policy(rule).build().unwrap()
    };
    let header = || resolve::header("impersonate-user");
    let support = || policy::allow_all().and(policy::in_group("support"));
    let named = |client: &'static str| policy::machines([client]).or(support());

    as_machine(&desk, &layer(header(), named("nightly")))
        .await
        .assert_refused(403);
    desk.assert_denied("nightly", None, "machine_by_header");
    for unnamed in [
        support(),
        named("another"),
        policy::machines(["nightly"])
            .of("https://other.example.com")
            .or(support()),
        support().except(policy::machines(["nightly"])),
    ] {
        as_machine(&desk, &layer(header().machines(), unnamed))
            .await
            .assert_refused(403);
        desk.assert_denied("nightly", None, "machine");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    let seen = as_machine(&desk, &layer(header().machines(), named("nightly"))).await;
    seen.assert_ran_as("alice", Some("nightly"));
    desk.assert_recorded("nightly", Some("alice"));

    let stepped_up = named("nightly").and(policy::fresh_login(Duration::from_secs(900)));
    as_machine(&desk, &layer(header().machines(), stepped_up))
        .await
        .assert_refused(403);
    desk.assert_denied("nightly", None, "fresh_login");
    // A person is no machine, though it bears the client's name.
    let only = policy::machines(["carol"]).and(policy::allow_all());
    desk.as_carol(&layer(header().machines(), only), &[AS_ALICE])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "machines");
}

#[tokio::test]
async fn a_machine_named_by_a_claim_or_for_a_role_is_denied_unless_named_by_the_policy() {
    let desk = Desk::new();
    let issuer = desk.accepted().trust_claim("impersonating");
    let layer = desk
        .bare()
        .issuer(issuer)
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::role(["org:acme"]))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let machine = || desk.token("nightly", &["support"]).client_id("nightly");
    let claiming = machine()
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    desk.send(&layer, get(&claiming, &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("nightly", None, "machine");
    let role = [("impersonate-group", "org:acme")];
    desk.send(&layer, get(&machine().sign(), &role))
        .await
        .assert_refused(403);
    desk.assert_denied("nightly", None, "machine_by_header");
}

#[tokio::test]
async fn a_machine_that_acts_by_a_token_exchange_is_a_machine_still() {
    let desk = Desk::new();
    let layer = |rule: policy::Rule| {
        let builder = desk.bare().issuer(desk.accepted().trust_act());
        builder
            .resolve(resolve::act())
            .policy(rule)
            .build()
            .unwrap()
    };
    let token = |actor: &str| {
        let token = desk.token("alice", &[]).client_id("nightly");
        token.claim("act", json!({ "sub": actor })).sign()
    };
    let vouched = layer(policy::vouched_by(ISSUER));
    let seen = desk.send(&vouched, get(&token("nightly"), &[])).await;
    seen.assert_refused(403);
    desk.assert_denied("nightly", None, "machine");
    let named = layer(policy::vouched_by(ISSUER).and(policy::machines(["nightly"])));
    let seen = desk.send(&named, get(&token("nightly"), &[])).await;
    seen.assert_ran_as("alice", Some("nightly"));
    desk.assert_recorded("nightly", Some("alice"));
    // A person who exchanged it through that client is a person.
    let seen = desk.send(&vouched, get(&token("carol"), &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
}
