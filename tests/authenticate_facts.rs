//! What is read in a token that is let in: its times, and who the principal then is.

mod support;

use std::time::Duration;

use serde_json::json;
use support::expect::keeping;
use support::{Desk, get};
use tower_impersonate::Identity;
use tower_impersonate::identity::{Affiliation, Kind};

const INVALID: Option<&str> = Some(r#"Bearer realm="api", error="invalid_token""#);

#[tokio::test]
async fn a35_a_token_ends_after_exp_and_leeway_cached_or_not() {
    let desk = Desk::new();
    let (warm, cold) = (desk.layer(), desk.layer());
    let token = desk
        .token("carol", &[])
        .expires_in(Duration::from_secs(300))
        .sign();
    desk.send(&warm, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    desk.clock.advance(Duration::from_secs(359));
    desk.send(&warm, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    desk.clock.advance(Duration::from_secs(1));
    for layer in [&warm, &warm, &cold] {
        let seen = desk.send(layer, get(&token, &[])).await;
        seen.assert_challenge(401, INVALID);
        assert_eq!(seen.cause(), "token has expired");
    }
}

#[tokio::test]
async fn a35_without_leeway_the_second_of_exp_is_too_late() {
    let desk = Desk::new();
    let issuer = desk.accepted().leeway(Duration::ZERO);
    let layer = desk.bare().issuer(issuer).build().unwrap();
    let token = desk
        .token("carol", &[])
        .expires_in(Duration::from_secs(10))
        .sign();
    desk.clock.advance(Duration::from_secs(9));
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    desk.clock.advance(Duration::from_secs(1));
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(401);
}

#[tokio::test]
async fn the_principal_has_the_facts_of_its_own_token() {
    let desk = Desk::new();
    let (builder, principal) = keeping(desk.bare().issuer(desk.accepted().tenant("acme")));
    let layer = builder.build().unwrap();
    let token = desk
        .token("carol", &["support", "night-shift"])
        .username("Carol C.")
        .scope("read write")
        .claim("email", "carol@example.com")
        .sign();
    let seen = desk.send(&layer, get(&token, &[])).await;
    seen.assert_ran_as("carol", None);
    assert_eq!(seen.body["username"], "Carol C.");
    assert_eq!(seen.body["email"], "carol@example.com");
    assert_eq!(seen.groups(), json!(["support", "night-shift"]));

    let principal = principal();
    let identity: &Identity = principal.identity();
    assert_eq!(identity.tenant(), Some("acme"));
    assert_eq!(identity.kind(), Kind::Person);
    assert_eq!(identity.affiliation(), Affiliation::Tenant);
    assert!(identity.scopes().unwrap().contains("write"));
    assert!(principal.is_in_group("support") && !principal.is_in_group("Support"));
    assert_eq!(principal.actor(), identity);
}

#[tokio::test]
async fn a45_groups_are_an_array_of_strings_or_unknown_and_absent_means_none() {
    let desk = Desk::new();
    let (builder, principal) = keeping(desk.bare().issuer(desk.accepted()));
    let layer = builder.build().unwrap();
    for (claim, known) in [
        (json!("support"), None),
        (json!("support,admins"), None),
        (json!(["support", 5]), None),
        (json!([["support"]]), None),
        (json!({ "support": true }), None),
        (json!(null), None),
        (json!([]), Some(0)),
        (json!(["Support"]), Some(1)),
    ] {
        let token = desk.token("carol", &[]).claim("groups", &claim).sign();
        desk.send(&layer, get(&token, &[]))
            .await
            .assert_ran_as("carol", None);
        assert_eq!(
            principal().groups().map(|groups| groups.len()),
            known,
            "{claim}"
        );
        assert!(!principal().is_in_group("support"), "{claim}");
    }
    let token = desk.token("carol", &[]).without("groups").sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    assert!(principal().groups().unwrap().is_empty());
}

#[tokio::test]
async fn tenant_and_kind_come_from_claims_where_configured() {
    let desk = Desk::new();
    let issuer = desk.accepted().tenant_claim("org").staff();
    let (builder, principal) = keeping(desk.bare().issuer(issuer));
    let layer = builder.build().unwrap();
    for (org, tenant) in [
        (json!("acme"), Some("acme")),
        (json!(" "), None),
        (json!(["acme"]), None),
    ] {
        let token = desk.token("carol", &[]).claim("org", org).sign();
        desk.send(&layer, get(&token, &[]))
            .await
            .assert_ran_as("carol", None);
        assert_eq!(principal().identity().tenant(), tenant);
        assert_eq!(principal().identity().affiliation(), Affiliation::Staff);
    }
    for (client, kind) in [("nightly", Kind::Machine), ("shop", Kind::Person)] {
        let token = desk.token("nightly", &[]).client_id(client).sign();
        desk.send(&layer, get(&token, &[]))
            .await
            .assert_ran_as("nightly", None);
        assert_eq!(principal().identity().kind(), kind);
    }
}
