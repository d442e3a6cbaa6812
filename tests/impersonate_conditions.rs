//! What an impersonation is bound to: a reason, a fresh login, reading only, no upgrade, a person or a
//! machine that the policy names, and the roles that an actor may take.

mod support;

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use serde_json::json;
use support::{Desk, ISSUER, Seen, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::time::Clock;
use tower_impersonate::{ImpersonationLayer, policy, resolve};

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
        let builder = builder.issuer(desk.accepted()).resolve(header);
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
    desk.assert_denied("nightly", None, "machine");
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
    desk.assert_denied("carol", None, "not");
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
async fn a_role_beside_a_token_that_impersonates_is_400() {
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
        .assert_refused(400);
    desk.assert_denied(
        "carol",
        None,
        "a group or issuer header without a user header",
    );
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
