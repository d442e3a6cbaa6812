use serde_json::{Value, json};

use super::*;
use crate::token::Algorithm;
use crate::token::fixture::Signer;
use crate::token::keys::Fallback;

fn read(keys: &[Value]) -> Result<KeySet, SetError> {
    let text = json!({ "keys": keys }).to_string();
    key_set(text.as_bytes(), &KeyRules::any(), "issuer")
}

fn changed(key: &Value, name: &str, value: Value) -> Value {
    let mut key = key.clone();
    key[name] = value;
    key
}

fn rsa(bits: usize) -> Value {
    let mut n = vec![0xff; bits / 8];
    n[0] = 0x80;
    let n = {
        use base64::Engine;
        base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(n)
    };
    json!({ "kty": "RSA", "kid": "rsa", "n": n, "e": "AQAB" })
}

#[test]
fn a55_a56_bad_keys_are_skipped_and_the_others_work() {
    let good = Signer::new("good").jwk();
    let other = Signer::new("other").jwk();
    let bad = [
        changed(&other, "d", json!("AAAA")),
        changed(&other, "kty", json!("oct")),
        changed(&other, "kty", json!("new")),
        changed(&other, "kid", json!(7)),
        changed(&other, "kid", json!("")),
        changed(&other, "use", json!("enc")),
        changed(&other, "use", json!(null)),
        changed(&other, "key_ops", json!(["sign"])),
        changed(&other, "key_ops", json!("verify")),
        changed(&other, "alg", json!("ES256")),
        changed(&other, "alg", json!(["EdDSA"])),
        changed(&other, "crv", json!("X25519")),
        changed(&other, "x", json!("AAAA")),
        changed(&other, "x", json!(7)),
        json!({ "kty": "oct", "k": "AAAA", "kid": "other" }),
        json!({ "kty": "EC", "crv": "P-256", "kid": "other", "x": "AQ", "y": "AQ" }),
        changed(&rsa(1024), "kid", json!("other")),
        changed(
            &changed(&rsa(2048), "kid", json!("other")),
            "e",
            json!("AQ"),
        ),
        json!(null),
        json!("key"),
        json!([]),
    ];
    for bad in bad {
        let set = read(&[bad.clone(), good.clone()]).expect("one good key");
        assert!(set.find(Some("good"), Fallback::None).is_some(), "{bad}");
        assert!(set.find(Some("other"), Fallback::None).is_none(), "{bad}");
        assert_eq!(read(&[bad]).err(), Some(SetError::NoUsableKey));
    }
    let verify = changed(&other, "key_ops", json!(["verify"]));
    assert!(read(&[verify]).is_ok());
}

#[test]
fn a49_a57_a58_whole_sets_that_are_refused() {
    for text in [
        "",
        "<html>",
        "{}",
        "[]",
        r#"{"keys":null}"#,
        r#"{"keys":{}}"#,
        r#"{"keys":[],"keys":[]}"#,
    ] {
        let refused = key_set(text.as_bytes(), &KeyRules::any(), "issuer").err();
        assert_eq!(refused, Some(SetError::NotASet), "{text}");
    }
    assert_eq!(read(&[]).err(), Some(SetError::NoUsableKey));
    let key = Signer::new("good").jwk();
    assert!(read(&vec![key.clone(); 100]).is_ok());
    assert_eq!(read(&vec![key; 101]).err(), Some(SetError::TooManyKeys));
}

#[test]
fn a54_one_kid_two_keys() {
    let (one, two) = (Signer::new("same"), Signer::new("same"));
    let other = Signer::new("other").jwk();
    let set = read(&[one.jwk(), one.jwk(), other.clone()]).expect("keys");
    assert!(
        set.find(Some("same"), Fallback::None).is_some(),
        "the same key twice"
    );
    let set = read(&[one.jwk(), two.jwk(), one.jwk(), other]).expect("keys");
    assert!(set.find(Some("same"), Fallback::None).is_none());
    assert!(set.find(Some("other"), Fallback::None).is_some());
}

#[test]
fn b3_each_key_serves_one_algorithm() {
    let algorithm = |rules: &KeyRules, key: &Value| {
        let text = json!({ "keys": [key] }).to_string();
        let set = key_set(text.as_bytes(), rules, "issuer").ok()?;
        set.find(Some("rsa"), Fallback::None)
            .map(|key| key.algorithm())
    };
    let (bare, pss) = (rsa(2048), changed(&rsa(2048), "alg", json!("PS256")));
    let listed = KeyRules::listed;
    assert_eq!(algorithm(&KeyRules::any(), &bare), Some(Algorithm::RS256));
    assert_eq!(algorithm(&KeyRules::any(), &pss), Some(Algorithm::PS256));
    let one = listed(vec![Algorithm::RS512, Algorithm::ES256]);
    assert_eq!(algorithm(&one, &bare), Some(Algorithm::RS512));
    assert_eq!(algorithm(&one, &pss), None, "not allowed");
    let two = listed(vec![Algorithm::RS256, Algorithm::PS256]);
    assert_eq!(algorithm(&two, &bare), None, "ambiguous");
    assert_eq!(algorithm(&two, &pss), Some(Algorithm::PS256));
    assert_eq!(algorithm(&listed(vec![Algorithm::ES256]), &bare), None);
}

#[test]
fn a59_a_key_that_changes_or_leaves_is_retired() {
    let (one, two) = (Signer::new("one"), Signer::new("two"));
    let before = read(&[one.jwk(), two.jwk()]).expect("keys");
    let keep = |set: &KeySet, kid| {
        set.find(Some(kid), Fallback::None)
            .map(std::sync::Arc::clone)
    };
    let (old_one, old_two) = (
        keep(&before, "one").expect("one"),
        keep(&before, "two").expect("two"),
    );
    let after = read(&[one.jwk(), Signer::new("two").jwk()])
        .expect("keys")
        .succeeding(&before, "https://issuer.example.com");
    assert!(!old_one.is_retired());
    assert!(old_two.is_retired());
    let new_one = keep(&after, "one").expect("one");
    assert!(
        std::sync::Arc::ptr_eq(&old_one, &new_one),
        "tokens checked with it stay known"
    );
}
