//! What a client could learn from answers: nothing, byte for byte.
//!
//! A-154: the crate holds no secret to compare with. Signatures are checked with public keys, and it
//! mints no token, keeps no session and reads no client secret. What is left is the cache of verified
//! tokens, found by a seeded hash of the whole text; that one byte off finds nothing is tested here.
//! A-136 and other oracles of an endpoint do not apply: this crate has none.

mod support;

#[path = "support/net.rs"]
mod net;
#[path = "support/wire.rs"]
mod wire;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use support::{AUDIENCE, Desk, ISSUER, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::time::Clock;
use tower_impersonate::token::{FetchLimits, Fetched, Issuer};
use tower_impersonate::{Identity, policy, resolve};
use wire::{Heard, Wire};

const OTHER: &str = "https://other.example.com";

/// All answers are one, byte for byte, and the causes are as many as they should be.
#[track_caller]
fn assert_alike(all: &[Heard], status: u16, causes: usize) {
    for heard in all {
        assert_eq!(
            (heard.status, heard.got.is_none()),
            (status, true),
            "{heard:?}"
        );
        assert_eq!(heard.text, all[0].text);
    }
    let told: BTreeSet<_> = all.iter().map(|heard| heard.cause.as_deref()).collect();
    assert_eq!(told.len(), causes, "{told:#?}");
}

#[tokio::test]
async fn a118_every_target_that_cannot_be_had_is_refused_by_the_same_bytes() {
    let desk = Desk::new();
    let person = |sub: &str, group: &str, rank: i64| {
        let person = Identity::new(ISSUER, sub).with_groups([group]);
        person.with_username(sub).with_rank(rank).enabled_account()
    };
    for person in [
        person("carol", "support", 10),
        person("root", "admins", 1),
        person("auditor", "auditors", 1),
        person("peer", "support", 10),
        person("chief", "customers", 20),
        person("dave", "customers", 1).disabled_account(),
        person("abroad", "customers", 1).with_tenant("globex"),
        person("alice", "customers", 1),
        Identity::new(ISSUER, "unranked")
            .with_groups(["customers"])
            .enabled_account(),
        Identity::new(ISSUER, "nightly").with_rank(1),
        Identity::new(OTHER, "alice").with_rank(1).enabled_account(),
    ] {
        desk.users.insert(person);
    }
    let rule = || {
        policy::in_group("support")
            .except(policy::target_in_group("admins"))
            .except(policy::target_in_group("auditors"))
            .and(policy::rank(Identity::rank))
    };
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let layer = |header: resolve::Header| {
        let builder = desk.bare().issuer(desk.accepted()).issuer(other.issuer());
        builder.resolve(header).policy(rule()).build().unwrap()
    };
    let by_sub = Wire::start(&layer(resolve::header("impersonate-user"))).await;
    let by_name = Wire::start(&layer(resolve::header("impersonate-user").names())).await;
    let foreign = format!("impersonate-user: alice\r\nimpersonate-issuer: {OTHER}\r\n");
    let unknown = foreign.replace("other", "evil");
    let beyond = "impersonate-user: alice\r\nimpersonate-group: admins\r\n";

    let carol = desk.carol();
    let mut refused = Vec::new();
    for (target, rule) in [
        ("root", "not(target_in_group(admins))"),
        ("auditor", "not(target_in_group(auditors))"),
        ("peer", "rank"),
        ("chief", "rank"),
        ("unranked", "unknown:rank"),
        ("dave", "target_disabled"),
        ("nightly", "unknown:target_enabled"),
        ("abroad", "tenant"),
        ("nobody", "target_not_found"),
    ] {
        let heard = by_sub.get(Some(&carol), format!("impersonate-user: {target}\r\n"));
        let heard = heard.await;
        heard.assert_refused(403, &format!("denied by {rule}"));
        let found = (rule != "target_not_found").then_some(target);
        desk.assert_denied("carol", found, rule);
        refused.push(heard);
    }
    for (wire, lines, found, rule) in [
        (
            &by_name,
            "impersonate-user: Sam\r\n",
            None,
            "target_ambiguous",
        ),
        (
            &by_name,
            "impersonate-user: nobody\r\n",
            None,
            "target_not_found",
        ),
        (&by_sub, &foreign, None, "tenant"),
        (&by_sub, &unknown, None, "unknown_issuer"),
        (&by_sub, beyond, Some("alice"), "narrowed_groups"),
    ] {
        let heard = wire.get(Some(&carol), lines).await;
        heard.assert_refused(403, &format!("denied by {rule}"));
        desk.assert_denied("carol", found, rule);
        refused.push(heard);
    }
    // Whoever has no right at all gets the same, whoever is meant.
    for target in ["alice", "root", "nobody"] {
        let lines = format!("impersonate-user: {target}\r\n");
        let heard = by_sub
            .get(Some(&desk.token("bob", &[]).sign()), &lines)
            .await;
        desk.assert_denied("bob", None, "in_group(support)");
        refused.push(heard);
    }
    assert_alike(&refused, 403, 12);
    assert!(!refused[0].text.contains("scope="));

    for wire in [&by_sub, &by_name] {
        let heard = wire.get(Some(&carol), "impersonate-user: alice\r\n").await;
        heard.assert_ran_as(Some("alice"), Some("carol"));
    }
}

#[tokio::test]
async fn a154_a_token_that_is_cached_is_found_by_all_its_bytes_only() {
    let desk = Desk::new();
    let layer = desk.layer();
    let token = desk.carol();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    let mut answers = BTreeSet::new();
    for at in (0..token.len()).step_by(5).chain([token.len() - 1]) {
        let mut near = token.clone().into_bytes();
        near[at] = if near[at] == b'A' { b'B' } else { b'A' };
        let near = String::from_utf8(near).unwrap();
        let seen = desk.send(&layer, get(&near, &[])).await;
        seen.assert_refused(401);
        answers.insert(format!("{:?}", seen.answer()));
    }
    for near in [&token[1..], &token[..token.len() - 1], &format!("{token}A")] {
        let seen = desk.send(&layer, get(near, &[])).await;
        seen.assert_refused(401);
        answers.insert(format!("{:?}", seen.answer()));
    }
    assert_eq!(answers.len(), 1, "{answers:#?}");
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    desk.assert_silent();
}

#[tokio::test]
async fn a155_every_bad_token_is_refused_by_the_same_bytes() {
    let desk = Desk::new();
    let (fetched, keys) = (Arc::new(AtomicUsize::new(0)), desk.issuer.jwks());
    let count = Arc::clone(&fetched);
    let fetch = move |_: &http::Uri, _: &FetchLimits| {
        count.fetch_add(1, Ordering::SeqCst);
        Answer::now(Ok(Fetched::new(keys.clone())))
    };
    let issuer = Issuer::jwks(ISSUER, "https://issuer.example.com/keys");
    let issuer = issuer.audiences([AUDIENCE]).groups_claim("groups");
    let builder = desk.bare().issuer(issuer).fetch_keys(fetch);
    let builder = builder.resolve(resolve::header("impersonate-user"));
    let builder = builder.policy(policy::in_group("support")).anonymous(|| ());
    let wire = Wire::start(&builder.build().unwrap()).await;

    let carol = || desk.token("carol", &["support"]);
    let forger = TestIssuer::offline(ISSUER).with_clock(desk.clock.clone());
    let now = desk.clock.now().unix_seconds();
    let without_keys = [
        "a.b".to_owned(),
        "a".repeat(8193),
        carol().claim("iss", OTHER).sign(),
        carol().header("alg", "none").sign(),
        carol().header("crit", ["exp"]).sign(),
        carol().header("typ", "dpop+jwt").sign(),
        carol().without("kid").sign(),
    ];
    let with_keys = [
        forger.token("carol").audience(AUDIENCE).sign(),
        carol().header("kid", "rsa-9").sign(),
        carol()
            .claim("exp", now - 60)
            .claim("iat", now - 300)
            .sign(),
        carol().claim("nbf", now + 61).sign(),
        carol().expires_in(Duration::from_secs(90_000)).sign(),
        carol().audience("another").sign(),
        carol().claim("sub", "").sign(),
        carol().claim("cnf", "x").sign(),
        carol().without("exp").sign(),
    ];
    let causes = without_keys.len() + with_keys.len();
    for lines in ["", "impersonate-user: alice\r\n"] {
        let mut refused = Vec::new();
        for token in &without_keys {
            refused.push(wire.get(Some(token), lines).await);
        }
        assert_eq!(
            fetched.load(Ordering::SeqCst),
            usize::from(!lines.is_empty())
        );
        for token in &with_keys {
            refused.push(wire.get(Some(token), lines).await);
        }
        assert_alike(&refused, 401, causes);
        let challenge = &refused[0].headers["www-authenticate"];
        assert_eq!(challenge, r#"Bearer realm="api", error="invalid_token""#);
        desk.assert_silent();
    }
    wire.get(Some(&desk.carol()), "")
        .await
        .assert_ran_as(Some("carol"), None);
    assert_eq!(
        fetched.load(Ordering::SeqCst),
        1,
        "nobody can make it fetch again"
    );
}
