//! RFC 8693 on the receiving side: what `act` and `may_act` mean, X6 to X10.
//!
//! This crate mints no token: X1 to X5 speak of a token endpoint, and so does the half of X10 that
//! every minted token carries `act`. What is left of X10 is that whoever acts is never out of sight.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::expect::keeping;
use support::{AUDIENCE, Desk, ISSUER, Seen, get};
use tower_impersonate::middleware::Builder;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::time::Clock;
use tower_impersonate::{Identity, ImpersonationLayer, policy, resolve};

const OTHER: &str = "https://other.example.com";
const INVALID: Option<&str> = Some(r#"Bearer realm="api", error="invalid_token""#);
const FORBIDDEN: Option<&str> = Some(r#"Bearer realm="api", error="insufficient_scope""#);

fn by_act(desk: &Desk) -> Builder {
    desk.bare()
        .issuer(desk.accepted().trust_act())
        .resolve(resolve::act())
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
}

/// Alice's token with these claims.
async fn send(desk: &Desk, layer: &ImpersonationLayer, claims: &[(&str, Value)]) -> Seen {
    let token = claims.iter().fold(
        desk.token("alice", &["customers"]),
        |token, (name, value)| token.claim(name, value),
    );
    desk.send(layer, get(&token.sign(), &[])).await
}

/// An `act` with these people in it, the outermost first.
fn chain(people: &[&str]) -> Value {
    let (last, outer) = people.split_last().unwrap();
    let innermost = json!({ "sub": last, "groups": ["support", "admins"] });
    outer
        .iter()
        .rev()
        .fold(innermost, |act, sub| json!({ "sub": sub, "act": act }))
}

#[tokio::test]
async fn x6_the_outermost_actor_decides_and_what_is_nested_is_history() {
    let desk = Desk::new();
    let layer = by_act(&desk).build().unwrap();
    for forged in [
        &["bob", "root"][..],
        &["bob", "carol"],
        &["bob", "eve", "carol", "root"],
    ] {
        let seen = send(&desk, &layer, &[("act", chain(forged))]).await;
        seen.assert_challenge(403, FORBIDDEN);
        assert_eq!(seen.cause(), "denied by in_group(support)");
        desk.assert_denied("bob", None, "in_group(support)");
    }
    for history in [
        &["carol"][..],
        &["carol", "bob"],
        &["carol", "alice", "nobody", "root"],
    ] {
        let seen = send(&desk, &layer, &[("act", chain(history))]).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
    // Four levels, and no fifth.
    for deep in [5, 6, 14] {
        let seen = send(&desk, &layer, &[("act", chain(&vec!["carol"; deep]))]).await;
        seen.assert_challenge(401, INVALID);
        assert_eq!(seen.cause(), "the act claim is malformed");
        desk.assert_denied("carol", None, "the act claim is malformed");
    }
}

#[tokio::test]
async fn x7_times_and_audiences_inside_act_mean_nothing() {
    let desk = Desk::new();
    let layer = by_act(&desk).build().unwrap();
    let now = desk.clock.now().unix_seconds();
    for claims in [
        json!({ "exp": now - 3_600 }),
        json!({ "exp": "never" }),
        json!({ "exp": null }),
        json!({ "nbf": now + 3_600 }),
        json!({ "iat": now + 3_600 }),
        json!({ "aud": "another" }),
        json!({ "aud": 5, "nbf": [], "jti": {} }),
    ] {
        let mut act = claims.clone();
        act["sub"] = "carol".into();
        let seen = send(&desk, &layer, &[("act", act)]).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
    // Nor do they help a token whose own are bad.
    let act = json!({ "sub": "carol", "exp": now + 3_600, "aud": AUDIENCE, "nbf": 0, "iat": now });
    let act = || ("act", act.clone());
    for (claims, cause) in [
        (
            vec![act(), ("aud", json!("another"))],
            "audience is missing or another one",
        ),
        (
            vec![act(), ("nbf", json!(now + 3_600))],
            "token is not valid yet",
        ),
        (
            vec![act(), ("iat", json!(now - 600)), ("exp", json!(now - 300))],
            "token has expired",
        ),
    ] {
        let seen = send(&desk, &layer, &claims).await;
        seen.assert_challenge(401, INVALID);
        assert_eq!(seen.cause(), cause);
    }
    // The token's own end is the end, cached or not.
    let token = desk
        .token("alice", &["customers"])
        .claim("act", act().1)
        .sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.sink.clear();
    desk.clock.advance(Duration::from_secs(360));
    let seen = desk.send(&layer, get(&token, &[])).await;
    seen.assert_challenge(401, INVALID);
    assert_eq!(seen.cause(), "token has expired");
    desk.assert_silent();
}

#[tokio::test]
async fn x8_where_may_act_is_it_names_the_actor_by_issuer_and_sub() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act().tenant("acme"))
        .issuer(other.issuer().tenant("acme"))
        .resolve(resolve::act())
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let zoe = Identity::new(OTHER, "carol").with_groups(["support"]);
    desk.users.insert(zoe.enabled_account());
    let here = json!({ "sub": "carol" });
    let spelled_out = json!({ "sub": "carol", "iss": ISSUER });
    let there = json!({ "sub": "carol", "iss": OTHER });
    let dora = json!({ "sub": "dora" });
    for (act, may_act, fits) in [
        (&here, &here, true),
        (&here, &spelled_out, true),
        (&spelled_out, &here, true),
        (&there, &there, true),
        (&here, &there, false),
        (&there, &here, false),
        (&here, &dora, false),
        (&dora, &here, false),
    ] {
        let claims = [("act", act.clone()), ("may_act", may_act.clone())];
        let seen = send(&desk, &layer, &claims).await;
        let actor = act["sub"].as_str().unwrap();
        if fits {
            seen.assert_ran_as("alice", Some(actor));
            desk.assert_recorded(actor, Some("alice"));
        } else {
            seen.assert_challenge(403, FORBIDDEN);
            assert_eq!(seen.cause(), "may_act");
            desk.assert_denied(actor, None, "may_act");
        }
    }
    // It is about who may, not about who does.
    let seen = send(&desk, &layer, &[("may_act", here)]).await;
    seen.assert_ran_as("alice", None);
    desk.assert_silent();
}

#[tokio::test]
async fn x9_an_actor_is_its_issuer_and_its_sub_together() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    for (issuer, group) in [(ISSUER, "customers"), (OTHER, "support")] {
        let zoe = Identity::new(issuer, "zoe").with_groups([group]);
        desk.users.insert(zoe.enabled_account());
    }
    let layer = |here, there| {
        let builder = desk
            .bare()
            .issuer(here)
            .issuer(there)
            .resolve(resolve::act());
        builder.policy(policy::in_group("support")).build().unwrap()
    };
    let joined = layer(
        desk.accepted().trust_act().tenant("acme"),
        other.issuer().tenant("acme"),
    );
    // Without an issuer it is the token's own, where Zoe is nobody.
    for act in [
        json!({ "sub": "zoe" }),
        json!({ "sub": "zoe", "iss": ISSUER }),
    ] {
        let seen = send(&desk, &joined, &[("act", act)]).await;
        seen.assert_challenge(403, FORBIDDEN);
        let event = desk.denial();
        assert_eq!(event["impersonation.actor.iss"], ISSUER);
        desk.assert_denied("zoe", None, "in_group(support)");
    }
    let act = json!({ "sub": "zoe", "iss": OTHER });
    let seen = send(&desk, &joined, &[("act", act.clone())]).await;
    seen.assert_ran_as("alice", Some("zoe"));
    assert_eq!(desk.sink.events()[0]["impersonation.actor.iss"], OTHER);
    desk.assert_recorded("zoe", Some("alice"));
    // An issuer of nearly that name is another one, and nobody is known there.
    for iss in [
        "https://other.example.com/",
        "https://OTHER.example.com",
        "other.example.com",
    ] {
        let act = json!({ "sub": "zoe", "iss": iss });
        let seen = send(&desk, &joined, &[("act", act)]).await;
        seen.assert_challenge(403, FORBIDDEN);
        assert_eq!(desk.denial()["impersonation.actor.iss"], iss);
        desk.sink.clear();
    }
    // Of another tenant, it does not reach here, whatever its groups.
    let apart = layer(desk.accepted().trust_act(), other.issuer());
    let seen = send(&desk, &apart, &[("act", act)]).await;
    seen.assert_challenge(403, FORBIDDEN);
    desk.assert_denied("zoe", None, "tenant");
    // Equal subs of two issuers are two people, so this is no self-impersonation.
    desk.users.insert(
        Identity::new(OTHER, "alice")
            .with_groups(["support"])
            .enabled_account(),
    );
    let act = json!({ "sub": "alice", "iss": OTHER });
    let seen = send(&desk, &joined, &[("act", act)]).await;
    seen.assert_ran_as("alice", Some("alice"));
}

#[tokio::test]
async fn x10_whoever_acts_is_beside_the_target_in_the_principal_and_in_every_record() {
    let desk = Desk::new();
    let issuer = desk.accepted().trust_act().trust_claim("impersonating");
    let builder = desk
        .bare()
        .issuer(issuer)
        .resolve(resolve::act())
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support"));
    let (builder, principal) = keeping(builder);
    let layer = builder.build().unwrap();
    let carol = || desk.token("carol", &["support"]);
    let by_act = desk
        .token("alice", &["customers"])
        .claim("act", json!({ "sub": "carol" }));
    let by_claim = carol().claim("impersonating", json!({ "sub": "alice" }));
    let by_header = [("impersonate-user", "alice")];
    for (token, headers) in [(by_act, &[][..]), (by_claim, &[]), (carol(), &by_header)] {
        let seen = desk.send(&layer, get(&token.sign(), headers)).await;
        seen.assert_ran_as("alice", Some("carol"));
        let principal = principal();
        let impersonation = principal.impersonation().expect("it is told");
        let target = impersonation.target().expect("a target");
        assert_eq!(target.key(), principal.key());
        assert_eq!(impersonation.actor().subject(), "carol");
        assert_eq!(principal.actor().subject(), "carol");
        desk.assert_recorded("carol", Some("alice"));
    }
    // A token of the target without `act` is the target: nobody could tell. So none is minted here,
    // and such a request is neither called an impersonation nor recorded as one.
    let seen = send(&desk, &layer, &[]).await;
    seen.assert_ran_as("alice", None);
    assert!(principal().impersonation().is_none());
    assert_eq!(principal().actor().subject(), "alice");
    desk.assert_silent();
}
