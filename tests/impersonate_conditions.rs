//! What an impersonation is bound to: a reason, a fresh login, reading only, no upgrade.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use support::{Desk, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::time::Clock;
use tower_impersonate::{policy, resolve};

const AS_ALICE: (&str, &str) = ("impersonate-user", "alice");

fn bare(desk: &Desk) -> Builder {
    let header = resolve::header("impersonate-user");
    desk.bare().issuer(desk.accepted()).resolve(header)
}

#[tokio::test]
async fn a_reason_that_is_required_and_missing_is_400_before_any_look_up() {
    let desk = Desk::new();
    let (directory, asked) = desk.counting();
    let rule = policy::in_group("support").and(policy::reason_required());
    let layer = bare(&desk)
        .directory(directory)
        .policy(rule)
        .build()
        .unwrap();
    let seen = desk.as_carol(&layer, &[AS_ALICE]).await;
    seen.assert_refused(400);
    assert_eq!(seen.kind(), RejectionKind::ReasonRequired);
    desk.assert_denied("carol", None, "reason_required");
    assert_eq!(asked.load(Ordering::SeqCst), 0);

    let reason = ("impersonate-reason", "  ticket 4711 ");
    let seen = desk.as_carol(&layer, &[AS_ALICE, reason]).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["reason"], "ticket 4711");
    // Who has no right learns nothing of reasons.
    let bob = desk.token("bob", &["customers"]).sign();
    desk.send(&layer, get(&bob, &[AS_ALICE]))
        .await
        .assert_refused(403);
}

#[tokio::test]
async fn a_reason_that_is_blank_or_too_long_or_no_text_is_400_required_or_not() {
    let desk = Desk::new();
    let required = policy::in_group("support").and(policy::reason_required());
    let layers = [
        bare(&desk).policy(required).build().unwrap(),
        bare(&desk)
            .policy(policy::in_group("support"))
            .build()
            .unwrap(),
    ];
    let (fits, long) = ("\u{e4}".repeat(500), "\u{e4}".repeat(501));
    for layer in &layers {
        for bad in ["", " ", "\t", "\u{2003}", "a\tb", &long] {
            let seen = desk
                .as_carol(layer, &[AS_ALICE, ("impersonate-reason", bad)])
                .await;
            seen.assert_refused(400);
            desk.assert_denied("carol", None, "the reason is blank, too long or malformed");
        }
        let seen = desk
            .as_carol(layer, &[AS_ALICE, ("impersonate-reason", &fits)])
            .await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
    let short = bare(&desk)
        .policy(policy::in_group("support"))
        .max_reason_chars(3);
    let short = short.build().unwrap();
    for (reason, status) in [("abc", 200), ("abcd", 400), (" abc ", 200)] {
        let seen = desk
            .as_carol(&short, &[AS_ALICE, ("impersonate-reason", reason)])
            .await;
        assert_eq!(seen.status, status, "{reason}");
    }
}

#[tokio::test]
async fn an_old_or_unknown_login_is_401_with_max_age_before_any_look_up() {
    let desk = Desk::new();
    let (directory, asked) = desk.counting();
    let rule = policy::in_group("support").and(policy::fresh_login(Duration::from_secs(900)));
    let layer = bare(&desk)
        .directory(directory)
        .policy(rule)
        .build()
        .unwrap();
    let now = desk.clock.now().unix_seconds();
    for auth_time in [
        json!(now - 901),
        json!(0),
        json!(now + 61),
        json!("now"),
        json!(null),
    ] {
        let token = desk
            .token("carol", &["support"])
            .claim("auth_time", &auth_time);
        let seen = desk.send(&layer, get(&token.sign(), &[AS_ALICE])).await;
        let challenge =
            r#"Bearer realm="api", error="insufficient_user_authentication", max_age="900""#;
        seen.assert_challenge(401, Some(challenge));
        desk.assert_denied("carol", None, "fresh_login");
    }
    desk.as_carol(&layer, &[AS_ALICE]).await.assert_refused(401);
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    for auth_time in [now - 900, now, now + 60] {
        let token = desk
            .token("carol", &["support"])
            .claim("auth_time", auth_time);
        let seen = desk.send(&layer, get(&token.sign(), &[AS_ALICE])).await;
        seen.assert_ran_as("alice", Some("carol"));
    }
    // Without the right, signing in again would not help and is not asked for.
    let bob = desk.token("bob", &["customers"]).sign();
    desk.send(&layer, get(&bob, &[AS_ALICE]))
        .await
        .assert_refused(403);
    // Without impersonation, the login may be as old as it is.
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", None);
}

#[tokio::test]
async fn a_login_that_was_fresh_grows_old_under_a_cached_token() {
    let desk = Desk::new();
    let rule = policy::in_group("support").and(policy::fresh_login(Duration::from_secs(100)));
    let layer = bare(&desk).policy(rule).build().unwrap();
    let now = desk.clock.now().unix_seconds();
    let token = desk
        .token("carol", &["support"])
        .claim("auth_time", now)
        .sign();
    desk.send(&layer, get(&token, &[AS_ALICE]))
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.clock.advance(Duration::from_secs(101));
    desk.send(&layer, get(&token, &[AS_ALICE]))
        .await
        .assert_refused(401);
}

fn request(desk: &Desk, method: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = get(&desk.carol(), headers);
    *request.method_mut() = method.parse().unwrap();
    request
}

#[tokio::test]
async fn read_only_lets_safe_methods_through_and_refuses_the_others() {
    let desk = Desk::new();
    let rule = policy::in_group("support").and(policy::read_only());
    let layer = bare(&desk).policy(rule).build().unwrap();
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        let seen = desk.send(&layer, request(&desk, method, &[AS_ALICE])).await;
        seen.assert_ran_as("alice", Some("carol"));
        assert_eq!(seen.body["mode"], "read_only");
        assert_eq!(desk.sink.events()[0]["impersonation.mode"], "read_only");
        desk.assert_recorded("carol", Some("alice"));
    }
    for method in [
        "POST", "PUT", "PATCH", "DELETE", "CONNECT", "PROPFIND", "get",
    ] {
        let seen = desk.send(&layer, request(&desk, method, &[AS_ALICE])).await;
        seen.assert_refused(403);
        assert_eq!(seen.kind(), RejectionKind::ReadOnly);
        desk.assert_denied("carol", Some("alice"), "read_only");
        let seen = desk.send(&layer, request(&desk, method, &[])).await;
        seen.assert_ran_as("carol", None);
    }
}

#[tokio::test]
async fn reads_widens_what_read_only_lets_through_and_narrows_nothing() {
    let desk = Desk::new();
    let rule = policy::in_group("support").and(policy::read_only());
    let layer = bare(&desk)
        .policy(rule)
        .reads(|parts| parts.uri.path() == "/graphql")
        .build()
        .unwrap();
    for (method, path, status) in [
        ("POST", "/graphql", 200),
        ("POST", "/orders", 403),
        ("GET", "/orders", 200),
    ] {
        let mut request = request(&desk, method, &[AS_ALICE]);
        *request.uri_mut() = path.parse().unwrap();
        let seen = desk.send(&layer, request).await;
        assert_eq!(seen.status, status, "{method} {path}");
    }
}

#[tokio::test]
async fn of_two_rules_that_allow_the_wider_mode_holds() {
    let desk = Desk::new();
    let reader = policy::in_group("support").and(policy::read_only());
    let rule = reader.or(policy::in_group("leads"));
    let layer = bare(&desk).policy(rule).build().unwrap();
    for (groups, mode) in [
        (&["support"][..], "read_only"),
        (&["leads"], "full"),
        (&["support", "leads"], "full"),
    ] {
        let token = desk.token("carol", groups).sign();
        let seen = desk.send(&layer, get(&token, &[AS_ALICE])).await;
        assert_eq!(seen.body["mode"], mode);
    }
}

#[tokio::test]
async fn upgrades_and_connect_are_403_while_impersonating_and_pass_otherwise() {
    let desk = Desk::new();
    let websocket = [("connection", "upgrade"), ("upgrade", "websocket")];
    for (method, headers) in [
        ("GET", &websocket[..]),
        ("CONNECT", &[]),
        ("POST", &websocket[1..]),
    ] {
        let asking = [headers, &[AS_ALICE]].concat();
        let seen = desk
            .send(&desk.layer(), request(&desk, method, &asking))
            .await;
        seen.assert_refused(403);
        assert_eq!(seen.kind(), RejectionKind::Upgrade);
        desk.assert_denied("carol", Some("alice"), "upgrade");
        let seen = desk
            .send(&desk.layer(), request(&desk, method, headers))
            .await;
        seen.assert_ran_as("carol", None);
    }
}
