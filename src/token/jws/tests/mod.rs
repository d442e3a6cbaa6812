//! Published signatures: the examples of the standards, and those of Wycheproof.

mod wycheproof;

use serde_json::{Value, json};

use super::Jws;
use crate::token::error::TokenErrorKind;
use crate::token::jwk;
use crate::token::keys::{Fallback, Key, KeyRules};
use crate::token::{compact, crypto};

/// What becomes of a token that names no issuer, before any claim is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Accepted,
    /// Not three base64url parts, or a header that is refused.
    Format,
    /// An algorithm that is not offered, or not the key's.
    Algorithm,
    /// No key of the set is of use, or none has the name.
    Key,
    Signature,
}

const OUTCOMES: [Outcome; 5] = [
    Outcome::Accepted,
    Outcome::Format,
    Outcome::Algorithm,
    Outcome::Key,
    Outcome::Signature,
];

/// The steps of a request: take apart, find the key, check.
fn outcome(keys: &Value, jws: &str) -> Outcome {
    let set = jwk::key_set(keys.to_string().as_bytes(), &KeyRules::any(), "published");
    let mut room = compact::Room::new();
    let jws = match Jws::read(jws, &mut room) {
        Ok(jws) => jws,
        Err(TokenErrorKind::Algorithm) => return Outcome::Algorithm,
        Err(_) => return Outcome::Format,
    };
    let kid = jws.header.kid.as_deref();
    let fallback = Fallback::OnlyKeyWithoutKid;
    let Some(key) = set.as_ref().ok().and_then(|set| set.find(kid, fallback)) else {
        return Outcome::Key;
    };
    let checked = jws.check(key);
    both_backends_say(checked, &jws, key);
    match checked {
        Ok(()) => Outcome::Accepted,
        Err(TokenErrorKind::Algorithm) => Outcome::Algorithm,
        Err(_) => Outcome::Signature,
    }
}

#[cfg(feature = "rust_crypto")]
fn both_backends_say(said: Result<(), TokenErrorKind>, jws: &Jws<'_>, key: &Key) {
    if key.algorithm() == jws.header.algorithm {
        let other = crypto::PureRustKey::new(key.algorithm(), key.public()).expect("the same key");
        let other = other.verify(jws.signed, jws.signature);
        assert_eq!(other.is_ok(), said.is_ok(), "the two backends differ");
    }
}

#[cfg(not(feature = "rust_crypto"))]
fn both_backends_say(_: Result<(), TokenErrorKind>, _: &Jws<'_>, _: &Key) {}

fn examples() -> Vec<Value> {
    serde_json::from_str(include_str!("../rfc.json")).expect("JSON")
}

fn of(example: &Value) -> (&str, Value, &str) {
    let text = |name: &str| example[name].as_str().expect("a text");
    (
        text("name"),
        json!({ "keys": [example["key"]] }),
        text("jws"),
    )
}

#[test]
fn the_examples_of_the_standards() {
    let mut accepted = 0;
    for example in &examples() {
        let (name, keys, jws) = of(example);
        let expected = match example["refused"].as_str() {
            None => Outcome::Accepted,
            Some("algorithm") => Outcome::Algorithm,
            Some("malformed") => Outcome::Format,
            Some(other) => panic!("{other}"),
        };
        assert_eq!(outcome(&keys, jws), expected, "{name}");
        accepted += usize::from(expected == Outcome::Accepted);
    }
    assert_eq!(accepted, 5);
}

#[test]
fn b7_one_bit_of_an_example_changes_everything() {
    for example in examples().iter().filter(|one| one["refused"].is_null()) {
        let (name, keys, jws) = of(example);
        let parts: Vec<&str> = jws.split('.').collect();
        for changed in [1, 2] {
            let bytes = compact::decode(parts[changed]).expect("base64url");
            for (at, bit) in [(0, 1), (bytes.len() / 2, 0x10), (bytes.len() - 1, 0x80)] {
                let mut bytes = bytes.clone();
                bytes[at] ^= bit;
                let mut parts = parts.clone();
                let text = encoded(&bytes);
                parts[changed] = &text;
                let refused = outcome(&keys, &parts.join("."));
                assert_eq!(refused, Outcome::Signature, "{name}: part {changed}, {at}");
            }
        }
    }
}

#[test]
fn b2_an_example_with_the_key_of_another_is_refused() {
    let examples = examples();
    for example in examples.iter().filter(|one| one["refused"].is_null()) {
        let (name, keys, jws) = of(example);
        for other in &examples {
            let (other_name, mut other_keys, _) = of(other);
            if let Some(kid) = keys["keys"][0].get("kid") {
                other_keys["keys"][0]["kid"] = kid.clone();
            }
            let got = outcome(&other_keys, jws);
            if other["key"] == example["key"] || other_name == name {
                assert_eq!(got, Outcome::Accepted, "{name}");
                continue;
            }
            // One key of RFC 7520 stands there twice, for two algorithms.
            if other["key"]["n"] == example["key"]["n"] && !example["key"]["n"].is_null() {
                assert_eq!(got, Outcome::Algorithm, "{name} and {other_name}");
            }
            assert_ne!(got, Outcome::Accepted, "{name} and {other_name}");
        }
    }
}

fn encoded(bytes: &[u8]) -> String {
    use base64::Engine;
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes)
}
