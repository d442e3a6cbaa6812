//! The examples of RFC 7515 whose payload names an issuer, sent through the layer. Those of the other
//! standards are no claims: the unit tests of the signature check have them.
//!
//! No example is a whole access token. What its refusal complains of tells how far it came: a claim that
//! is missing is looked at only when the signature fits.

mod support;

use serde_json::{Value, json};
use support::{AUDIENCE, Desk, Seen, get};
use tower_impersonate::Issuer;
use tower_impersonate::testing::ManualClock;
use tower_impersonate::time::Timestamp;
use tower_impersonate::token::StaticKeys;

/// A little before the examples expire.
const THEN: i64 = 1_300_819_000;
const ALPHABET: &str = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const FITS: &str = "claim is missing or malformed: iat";

fn example(section: &str) -> (Value, String) {
    let all: Vec<Value> = serde_json::from_str(include_str!("../src/token/jws/rfc.json")).unwrap();
    let named = |one: &&Value| one["name"].as_str().unwrap().starts_with(section);
    let example = all.iter().find(named).unwrap();
    (
        example["key"].clone(),
        example["jws"].as_str().unwrap().to_owned(),
    )
}

/// Sends it to a layer that has this key.
async fn send(key: &Value, token: &str) -> Seen {
    let desk = Desk::new();
    let mut key = key.clone();
    key["kid"] = json!("example");
    // A secret is no key, and a set without any would not be taken.
    let keys = match key["kty"] == "oct" {
        true => desk.issuer.jwks(),
        false => json!({ "keys": [key] }).to_string(),
    };
    let issuer = Issuer::static_keys("joe", StaticKeys::jwks(keys))
        .audiences([AUDIENCE])
        .single_key_fallback();
    let builder = desk.bare().issuer(issuer);
    let clock = ManualClock::at(Timestamp::from_unix_seconds(THEN));
    let layer = builder.clock(clock).build().unwrap();
    let seen = desk.send(&layer, get(token, &[])).await;
    seen.assert_challenge(401, Some(r#"Bearer realm="api", error="invalid_token""#));
    desk.assert_silent();
    seen
}

#[tokio::test]
async fn b7_rfc_7515_signatures_that_fit() {
    for section in ["RFC 7515 A.2", "RFC 7515 A.3"] {
        let (key, token) = example(section);
        assert_eq!(send(&key, &token).await.cause(), FITS, "{section}");
    }
}

#[tokio::test]
async fn b7_rfc_7515_signatures_with_one_bit_changed() {
    for section in ["RFC 7515 A.2", "RFC 7515 A.3"] {
        let (key, token) = example(section);
        let (signed, signature) = token.rsplit_once('.').unwrap();
        // `ODA` is 380 and `ODE` 381, the last digits of `exp`.
        let payload = signed.replace("ODAsDQ", "ODEsDQ");
        assert_ne!(payload, signed);
        let first = signature.chars().next().unwrap();
        let neighbour = ALPHABET.find(first).unwrap() ^ 1;
        let other = format!("{}{}", &ALPHABET[neighbour..=neighbour], &signature[1..]);
        for changed in [
            format!("{signed}.{other}"),
            format!("{payload}.{signature}"),
        ] {
            let cause = send(&key, &changed).await.cause();
            assert_eq!(cause, "signature does not fit", "{section}: {changed}");
        }
    }
}

#[tokio::test]
async fn a15_rfc_7515_without_a_signature() {
    let (key, token) = example("RFC 7515 A.5");
    let cause = send(&key, &token).await.cause();
    assert_eq!(cause, "token is not three base64url parts");
    // With something in its place it is the algorithm that is refused.
    let cause = send(&key, &format!("{token}AAAA")).await.cause();
    assert_eq!(cause, "algorithm is not allowed");
}

#[tokio::test]
async fn a16_rfc_7515_hmac() {
    let (key, token) = example("RFC 7515 A.1");
    assert_eq!(send(&key, &token).await.cause(), "algorithm is not allowed");
}
