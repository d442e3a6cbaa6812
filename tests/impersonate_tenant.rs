//! Issuers and tenants: how far the right of an actor reaches.

mod support;

use serde_json::json;
use support::{Desk, ISSUER, get};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{Identity, ImpersonationLayer, policy, resolve};

const OTHER: &str = "https://other.example.com";

/// Carol's issuer is staff's; Alice and Tina are customers of another.
fn central(desk: &Desk, header: resolve::Header) -> ImpersonationLayer {
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    for sub in ["alice", "tina"] {
        desk.users.insert(
            Identity::new(OTHER, sub)
                .with_groups(["customers"])
                .enabled_account(),
        );
    }
    desk.bare()
        .issuer(desk.accepted().staff())
        .issuer(other.issuer())
        .resolve(header)
        .policy(policy::in_group("support"))
        .build()
        .unwrap()
}

#[tokio::test]
async fn where_there_is_one_issuer_staff_need_not_say_it() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().staff())
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let seen = desk
        .as_carol(&layer, &[("impersonate-user", "alice")])
        .await;
    seen.assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn staff_says_the_targets_issuer_or_the_configured_one_is_meant() {
    let desk = Desk::new();
    let layer = central(&desk, resolve::header("impersonate-user"));
    desk.as_carol(&layer, &[("impersonate-user", "tina")])
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "staff must say the target's issuer");
    for issuer in [OTHER, ISSUER] {
        let headers = [
            ("impersonate-user", "alice"),
            ("impersonate-issuer", issuer),
        ];
        let seen = desk.as_carol(&layer, &headers).await;
        seen.assert_ran_as("alice", Some("carol"));
        assert_eq!(seen.body["iss"], issuer);
        assert_eq!(desk.sink.events()[0]["impersonation.target.iss"], issuer);
        assert_eq!(desk.sink.events()[0]["impersonation.actor.iss"], ISSUER);
        desk.assert_recorded("carol", Some("alice"));
    }
    let layer = central(
        &desk,
        resolve::header("impersonate-user").target_issuer(OTHER),
    );
    let seen = desk.as_carol(&layer, &[("impersonate-user", "tina")]).await;
    seen.assert_ran_as("tina", Some("carol"));
    assert_eq!(seen.body["iss"], OTHER);
}

#[tokio::test]
async fn an_issuer_that_is_not_configured_is_403_without_a_look_up() {
    let desk = Desk::new();
    let (directory, asked) = desk.counting();
    let layer = desk.builder().directory(directory).build().unwrap();
    for issuer in [
        "https://evil.example.com",
        "https://issuer.example.com/",
        "HTTPS://ISSUER.EXAMPLE.COM",
    ] {
        let headers = [
            ("impersonate-user", "alice"),
            ("impersonate-issuer", issuer),
        ];
        desk.as_carol(&layer, &headers).await.assert_refused(403);
        desk.assert_denied("carol", None, "unknown_issuer");
    }
    for malformed in [
        "",
        "https://issuer.example.com https://other.example.com",
        "a\tb",
    ] {
        let headers = [
            ("impersonate-user", "alice"),
            ("impersonate-issuer", malformed),
        ];
        desk.as_carol(&layer, &headers).await.assert_refused(400);
        desk.assert_denied("carol", None, "the issuer header is malformed");
    }
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_tenant_that_only_the_directory_knows_keeps_anybody_elsewhere_from_being_looked_up() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let carol = Identity::new(ISSUER, "carol").with_tenant("acme");
    desk.users.insert(carol.enabled_account());
    let (directory, asked) = desk.counting();
    let layer = desk
        .bare()
        .directory(directory)
        .issuer(desk.accepted().tenant_claim("org"))
        .issuer(other.issuer().audiences(["other"]).tenant("globex"))
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let headers = [("impersonate-user", "tina"), ("impersonate-issuer", OTHER)];
    desk.as_carol(&layer, &headers).await.assert_refused(403);
    desk.assert_denied("carol", None, "tenant");
    assert_eq!(
        asked.load(std::sync::atomic::Ordering::SeqCst),
        1,
        "herself"
    );
}

#[tokio::test]
async fn who_is_no_staff_does_not_leave_its_tenant() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    desk.users.insert(
        Identity::new(OTHER, "tina")
            .with_groups(["customers"])
            .enabled_account(),
    );
    let layer = |here, there| {
        desk.bare()
            .issuer(here)
            .issuer(there)
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("support"))
            .build()
            .unwrap()
    };
    let headers = [("impersonate-user", "tina"), ("impersonate-issuer", OTHER)];
    let apart = layer(desk.accepted(), other.issuer());
    desk.as_carol(&apart, &headers).await.assert_refused(403);
    desk.assert_denied("carol", None, "tenant");
    let joined = layer(
        desk.accepted().tenant("acme"),
        other.issuer().tenant("acme"),
    );
    desk.as_carol(&joined, &headers)
        .await
        .assert_ran_as("tina", Some("carol"));
    desk.assert_recorded("carol", Some("tina"));
}

#[tokio::test]
async fn a_tenant_that_nobody_knows_is_no_common_tenant() {
    let desk = Desk::new();
    let issuer = desk.accepted().tenant_claim("org");
    let layer = desk
        .bare()
        .issuer(issuer)
        .policy(policy::in_group("support"))
        .resolve(resolve::header("impersonate-user"))
        .build()
        .unwrap();
    desk.users.insert(
        Identity::new(ISSUER, "tina")
            .with_tenant("acme")
            .enabled_account(),
    );
    for (org, target, status) in [
        (None, "alice", 403),
        (None, "tina", 403),
        (Some("acme"), "alice", 403),
        (Some("globex"), "tina", 403),
        (Some("acme"), "tina", 200),
    ] {
        let token = desk.token("carol", &["support"]);
        let token = org.map_or(token.clone(), |org| token.claim("org", json!(org)));
        let headers = [("impersonate-user", target)];
        let seen = desk.send(&layer, get(&token.sign(), &headers)).await;
        assert_eq!(seen.status, status, "{org:?} {target}");
    }
}
