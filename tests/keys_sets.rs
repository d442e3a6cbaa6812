//! What stands in a key set, and what changes from one to the next, as a request sees it: through the
//! whole layer, while those whose key is known go on.

#![cfg(feature = "jwks")]

#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
mod support;
#[path = "support/trace.rs"]
mod trace;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use key_server::{Endpoint, KeyServer};
use keys::*;
use serde_json::{Value, json};
use support::{AUDIENCE, Desk, ISSUER};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;
use tracing::subscriber::DefaultGuard;
use tracing_subscriber::prelude::*;

/// What the layer logs, from now on.
fn log() -> (trace::Log, DefaultGuard) {
    let log = trace::Log::default();
    let guard = trace::scoped(tracing_subscriber::registry().with(log.json_layer()));
    (log, guard)
}

/// Another issuer of the same name, with other keys of the same names.
fn impostor(desk: &Desk) -> TestIssuer {
    TestIssuer::offline(ISSUER).with_clock(desk.clock.clone())
}

fn signed_by(issuer: &TestIssuer, algorithm: Algorithm) -> String {
    let token = issuer.token("carol").audience(AUDIENCE);
    token.algorithm(algorithm).sign()
}

#[tokio::test]
async fn a51_a_rotated_key_is_taken_up_and_a_dropped_one_is_gone() {
    let desk = Desk::new();
    let old_keys = keys_in(&desk.issuer.jwks());
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&old_keys))).await;
    let layer = layer(&desk, &server);
    let (old, old_and_new_here) = (token(&desk).sign(), token(&desk).sign());
    assert_served(&ask(&layer, &old).await);

    desk.issuer.rotate();
    let new_keys = keys_in(&desk.issuer.jwks());
    let both = [new_keys.clone(), old_keys].concat();
    server.now(Endpoint::Healthy(set_of(&both)));
    let new = token(&desk).sign();
    assert_unknown(&ask(&layer, &new).await);
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &new).await);
    assert_served(&ask(&layer, &old).await);
    assert_eq!(server.count(), 2);

    server.now(Endpoint::Healthy(set_of(&new_keys)));
    desk.clock.advance(COOL_DOWN);
    assert_unknown(&ask_unknown(&desk, &layer, "unknown").await);
    assert_unknown(&ask(&layer, &old).await);
    assert_unknown(&ask(&layer, &old_and_new_here).await);
    assert_known_flow(&desk, &layer, &new).await;
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a54_the_same_key_twice_is_one() {
    let desk = Desk::new();
    let keys = keys_in(&desk.issuer.jwks());
    let twice = [keys.clone(), keys].concat();
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&twice))).await;
    let layer = layer(&desk, &server);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_served(&ask(&layer, &signed_by(&desk.issuer, algorithm)).await);
    }
    assert_eq!(server.count(), 1);
}

/// Which of two keys is meant nobody can tell, so neither is used, and somebody is told.
#[tokio::test]
async fn a54_two_keys_of_one_kid_are_none() {
    let desk = Desk::new();
    let impostor = impostor(&desk);
    let keys = keys_in(&desk.issuer.jwks());
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&keys))).await;
    let layer = layer(&desk, &server);
    let (rsa, ec) = (Algorithm::RS256, Algorithm::ES256);
    let (cached, other) = (signed_by(&desk.issuer, rsa), signed_by(&desk.issuer, ec));
    assert_served(&ask(&layer, &cached).await);
    assert_served(&ask(&layer, &other).await);

    let second = keys_in(&impostor.jwks())[0].clone();
    assert_eq!(second["kid"], keys[0]["kid"]);
    for both in [
        [keys.clone(), vec![second.clone()]].concat(),
        [vec![second.clone()], keys.clone()].concat(),
        // A third that is equal to the first changes nothing.
        [keys.clone(), vec![second.clone()], keys.clone()].concat(),
    ] {
        let (log, _guard) = log();
        server.now(Endpoint::Healthy(set_of(&both)));
        desk.clock.advance(COOL_DOWN);
        let before = server.count();
        assert_unknown(&ask_unknown(&desk, &layer, "unknown").await);
        let line = log.line("two different keys of the same kid, both dropped");
        assert_eq!(line["level"], "WARN");
        assert_eq!(line["fields"]["issuer"], ISSUER);
        assert_eq!(line["fields"]["kid"], "rsa-1");
        for ambiguous in [
            &cached,
            &signed_by(&desk.issuer, rsa),
            &signed_by(&impostor, rsa),
        ] {
            assert_unknown(&ask(&layer, ambiguous).await);
        }
        assert_served(&ask(&layer, &other).await);
        assert_served(&ask(&layer, &signed_by(&desk.issuer, ec)).await);
        assert_eq!(server.count(), before + 1);
    }

    server.now(Endpoint::Healthy(set_of(&keys)));
    desk.clock.advance(COOL_DOWN);
    assert_known_flow(&desk, &layer, &cached).await;
}

/// 65537 to the power of 127, in 255 bytes.
fn power() -> Vec<u8> {
    let mut digits = vec![1_u8];
    for _ in 0..127 {
        // Times 65537, which is 0x1_00_01, from the last byte up.
        let mut product = vec![0_u16; digits.len() + 2];
        for (at, digit) in digits.iter().enumerate() {
            product[at] += u16::from(*digit);
            product[at + 2] += u16::from(*digit);
        }
        for at in 0..product.len() - 1 {
            product[at + 1] += product[at] >> 8;
            product[at] &= 0xFF;
        }
        digits = product.iter().map(|digit| *digit as u8).collect();
    }
    digits.reverse();
    digits
}

#[tokio::test]
async fn a55_keys_that_are_not_for_this_take_no_good_one_with_them() {
    let desk = Desk::new();
    let good = keys_in(&desk.issuer.jwks());
    let text = |length: usize, last: u8| {
        let mut bytes = vec![0xA5; length];
        bytes[length - 1] = last;
        URL_SAFE_NO_PAD.encode(bytes)
    };
    let bad = [
        json!({ "kty": "oct", "kid": "a", "alg": "HS256", "k": text(32, 1) }),
        changed(&good[0], json!({ "kid": "b", "d": text(256, 1) })),
        changed(&good[0], json!({ "kid": "c", "n": text(128, 1) })),
        changed(&good[0], json!({ "kid": "d", "n": text(2048, 1) })),
        changed(&good[0], json!({ "kid": "e", "e": "AQ" })),
        changed(&good[0], json!({ "kid": "f", "e": "AQAA" })),
        changed(&good[0], json!({ "kid": "g", "use": "enc" })),
        changed(&good[0], json!({ "kid": "h", "key_ops": ["encrypt"] })),
        changed(&good[0], json!({ "kid": "i", "alg": "ES256" })),
        changed(&good[0], json!({ "kid": "j", "alg": "HS256" })),
        changed(&good[1], json!({ "kid": "k", "y": text(32, 1) })),
        changed(&good[1], json!({ "kid": "l", "crv": "P-384" })),
        changed(&good[1], json!({ "kid": "m", "crv": "secp256k1" })),
        changed(&good[2], json!({ "kid": "n", "crv": "X25519" })),
        changed(&good[2], json!({ "kid": "o", "x": text(31, 1) })),
        changed(
            &good[2],
            json!({ "kid": "p", "kty": "AKP", "alg": "ML-DSA-44" }),
        ),
        // Made as the broken generator of CVE-2017-15361 made them.
        changed(
            &good[0],
            json!({ "kid": "q", "n": URL_SAFE_NO_PAD.encode(power()) }),
        ),
    ];
    assert_only_the_good_serve(&desk, &good, &bad).await;
}

#[tokio::test]
async fn a56_a_malformed_key_takes_no_good_one_with_it() {
    let desk = Desk::new();
    let good = keys_in(&desk.issuer.jwks());
    let bad = [
        changed(&good[0], json!({ "kid": 5 })),
        changed(&good[0], json!({ "kid": "" })),
        changed(&good[0], json!({ "kid": "\u{0}" })),
        changed(&good[0], json!({ "kid": "a", "n": null })),
        changed(&good[0], json!({ "kid": "b", "n": "not base64url!" })),
        changed(&good[0], json!({ "kid": "c", "alg": 5 })),
        changed(&good[0], json!({ "kid": "d", "key_ops": "verify" })),
        changed(&good[0], json!({ "kid": "e", "use": ["sig"] })),
        json!({ "kid": "f" }),
        json!({}),
        json!([]),
        json!(null),
        json!("rsa-1"),
        json!(5),
    ];
    assert_only_the_good_serve(&desk, &good, &bad).await;
    // What is malformed in a member that nobody reads spoils nothing.
    let odd = [changed(&good[0], json!({ "x5c": "no array", "x5t": 5 }))];
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&odd))).await;
    assert_served(&ask_anew(&desk, &layer(&desk, &server)).await);
}

/// The bad keys stand before, between and after the good ones; each is skipped and told.
async fn assert_only_the_good_serve(desk: &Desk, good: &[Value], bad: &[Value]) {
    let (log, _guard) = log();
    let mut keys = good.to_vec();
    for (at, bad) in bad.iter().enumerate() {
        keys.insert(at * 2 % (keys.len() + 1), bad.clone());
    }
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&keys))).await;
    let layer = layer(desk, &server);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_served(&ask(&layer, &signed_by(&desk.issuer, algorithm)).await);
    }
    for bad in bad {
        let Some(kid) = bad["kid"]
            .as_str()
            .filter(|kid| kid.len() == 1 && *kid != "\0")
        else {
            continue;
        };
        assert_unknown(&ask_unknown(desk, &layer, kid).await);
    }
    assert_eq!(server.count(), 1);
    let lines = log.json();
    let skipped = lines
        .iter()
        .filter(|line| line["fields"]["message"] == "skipped a key of a key set");
    assert_eq!(skipped.count(), bad.len(), "{lines:#?}");
}

fn changed(key: &Value, change: Value) -> Value {
    let mut key = key.clone();
    let Value::Object(members) = change else {
        panic!("{change} is no object");
    };
    for (name, value) in members {
        key[name] = value;
    }
    key
}

/// The name of a key stays and the key does not: what the one before signed is over with the
/// refresh, the known tokens too, and somebody is told.
#[tokio::test]
async fn a59_a_key_that_changes_under_its_kid_ends_what_it_signed() {
    let desk = Desk::new();
    let changed = impostor(&desk);
    let (old, new) = (keys_in(&desk.issuer.jwks()), keys_in(&changed.jwks()));
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&old))).await;
    let layer = layer(&desk, &server);
    let (rsa, ec) = (Algorithm::RS256, Algorithm::ES256);
    let (cached, other) = (signed_by(&desk.issuer, rsa), signed_by(&desk.issuer, ec));
    let (fresh, next) = (signed_by(&desk.issuer, rsa), signed_by(&changed, rsa));
    assert_served(&ask(&layer, &cached).await);
    assert_served(&ask(&layer, &other).await);
    assert_invalid(&ask(&layer, &next).await, "signature does not fit");

    let (log, _guard) = log();
    server.now(Endpoint::Healthy(set_of(&[new[0].clone(), old[1].clone()])));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &cached).await);
    assert_unknown(&ask_unknown(&desk, &layer, "unknown").await);

    let told = log.line("another key of the same kid, tokens of the one before are refused");
    assert_eq!(told["level"], "WARN");
    assert_eq!(told["fields"]["issuer"], ISSUER);
    assert_eq!(told["fields"]["kid"], "rsa-1");
    for before in [&cached, &fresh] {
        assert_invalid(&ask(&layer, before).await, "signature does not fit");
    }
    assert_served(&ask(&layer, &next).await);
    assert_served(&ask(&layer, &other).await);
    assert_served(&ask(&layer, &signed_by(&desk.issuer, ec)).await);
    assert_eq!(server.count(), 2);
    desk.assert_silent();
}

/// A rotation is no reason to tell anybody.
#[tokio::test]
async fn a51_new_keys_of_other_names_are_not_warned_of() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let layer = layer(&desk, &server);
    assert_served(&ask_anew(&desk, &layer).await);
    let (log, _guard) = log();
    desk.issuer.rotate();
    server.now(Endpoint::Healthy(desk.issuer.jwks()));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask_anew(&desk, &layer).await);
    let warnings: Vec<_> = log.json();
    assert!(
        warnings.iter().all(|line| line["level"] != "WARN"),
        "{warnings:#?}"
    );
}
