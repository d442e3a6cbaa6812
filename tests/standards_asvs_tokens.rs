//! OWASP ASVS 5.0: self-contained tokens (chapter 9) and what a resource server decides by them (10.3).

mod support;

#[path = "support/forge.rs"]
mod forge;

use forge::{ALGORITHM, AUDIENCE_OF_OTHERS, Forge, SIGNATURE, TYPE, decode, encode, with};
use serde_json::json;
use support::expect::keeping;
use support::{Desk, ISSUER, get};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::time::Clock;
use tower_impersonate::{policy, resolve};

const OTHER: &str = "https://other.example.com";

/// 9.1.1 to 9.1.3: the signature, its algorithm, and whose key.
#[tokio::test]
async fn s1_one_changed_bit_of_any_part_is_enough() {
    let forge = Forge::new();
    let trial = forge.trial();
    let good = forge.token();
    trial.accepts(&good, "untouched").await;
    let parts: Vec<&str> = good.split('.').collect();
    let signature = decode(parts[2]);
    for bit in [0, 7, 255, 256, 300, 511] {
        let mut flipped = signature.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        let token = format!("{}.{}.{}", parts[0], parts[1], encode(flipped));
        trial
            .refuses(&token, SIGNATURE, &format!("bit {bit}"))
            .await;
    }
    let padded = [&signature[..], &[0]].concat();
    for other in [&signature[..63], &padded, &[0; 64], &signature[32..]] {
        let token = format!("{}.{}.{}", parts[0], parts[1], encode(other));
        trial.refuses(&token, SIGNATURE, "another length").await;
    }
    // Other people, other rights or a later end under a signature that was good.
    let now = forge.desk.clock.now().unix_seconds();
    for (name, value) in [
        ("sub", json!("root")),
        ("groups", json!(["admins"])),
        ("exp", json!(now + 301)),
        ("nonce", json!("one more claim")),
    ] {
        let claims = with(forge.claims(), name, value).to_string();
        let token = format!("{}.{}.{}", parts[0], encode(claims), parts[2]);
        trial.refuses(&token, SIGNATURE, name).await;
    }
    let spaced = encode(format!("{} ", forge.claims()));
    let token = format!("{}.{spaced}.{}", parts[0], parts[2]);
    trial.refuses(&token, SIGNATURE, "a space").await;
    let retyped = encode(with(forge::header(), "typ", json!("at+jwt")).to_string());
    let token = format!("{retyped}.{}.{}", parts[1], parts[2]);
    trial.refuses(&token, SIGNATURE, "another type").await;
    let foreign = Forge::new().token();
    trial
        .refuses(&foreign, SIGNATURE, "a key from elsewhere")
        .await;
    let unsigned = forge.header_with("alg", json!("none"));
    trial.refuses(&unsigned, ALGORITHM, "none").await;
}

/// 9.2.1 to 9.2.4: the time, the kind and the audience, each alone.
#[tokio::test]
async fn s2_time_kind_and_audience_are_each_checked() {
    let forge = Forge::new();
    let trial = forge.trial();
    let now = forge.desk.clock.now().unix_seconds();
    let lasting = |from: i64, to: i64| {
        let claims = with(forge.claims(), "iat", json!(from));
        forge.saying(with(claims, "exp", json!(to)).to_string())
    };
    let ended = lasting(now - 600, now - 60);
    trial.refuses(&ended, "token has expired", "ended").await;
    let early = forge.claim("nbf", json!(now + 120));
    trial
        .refuses(&early, "token is not valid yet", "early")
        .await;
    for typ in ["dpop+jwt", "id+jwt", "JWS"] {
        let token = forge.header_with("typ", json!(typ));
        trial.refuses(&token, TYPE, typ).await;
    }
    // One issuer and several services: what is meant for one of them is for that one alone.
    for aud in ["desk-api-admin", "desk", "desk-api.example.com", "account"] {
        let token = forge.claim("aud", json!(aud));
        trial.refuses(&token, AUDIENCE_OF_OTHERS, aud).await;
    }
    trial
        .accepts(&lasting(now - 600, now + 60), "in time")
        .await;
}

/// 10.3.3: people are issuer and subject, and no name that can be given to somebody else.
#[tokio::test]
async fn s3_a_name_that_changes_hands_takes_no_rights_with_it() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let person = |sub: &str| IdentityKey::new(ISSUER, sub);
    let builder = desk
        .bare()
        .issuer(desk.accepted())
        .issuer(other.issuer())
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::pairs([(person("carol"), person("alice"))]));
    let (builder, principal) = keeping(builder);
    let layer = builder.build().unwrap();
    let as_alice = [("impersonate-user", "alice")];

    // Carol under another name is Carol.
    for name in ["carol", "Carol Smith", "alice", "root"] {
        let token = desk.token("carol", &[]).username(name);
        let token = token.claim("email", "alice@example.com").sign();
        let seen = desk.send(&layer, get(&token, &[])).await;
        seen.assert_ran_as("carol", None);
        assert_eq!(principal().key(), &person("carol"));
        let seen = desk.send(&layer, get(&token, &as_alice)).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
    // Who has her name, her address or, elsewhere, her subject is not.
    let named = desk.token("mallory", &["support"]).username("carol");
    let addressed = desk
        .token("mallory", &["support"])
        .claim("email", "carol@example.com");
    for token in [named.sign(), addressed.sign()] {
        let seen = desk.send(&layer, get(&token, &as_alice)).await;
        seen.assert_refused(403);
        desk.assert_denied("mallory", None, "pairs");
    }
    let elsewhere = other
        .token("carol")
        .username("carol")
        .groups(["support"])
        .sign();
    let seen = desk.send(&layer, get(&elsewhere, &[])).await;
    seen.assert_ran_as("carol", None);
    assert_eq!(principal().key(), &IdentityKey::new(OTHER, "carol"));
    let here = [as_alice[0], ("impersonate-issuer", ISSUER)];
    desk.send(&layer, get(&elsewhere, &here))
        .await
        .assert_refused(403);
    assert_eq!(desk.denial()["impersonation.actor.iss"], OTHER);
}
