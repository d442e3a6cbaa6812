//! Every vector of Wycheproof for signatures, keys and sets, where their files are at hand:
//! `WYCHEPROOF_DIR=.. cargo test --all-features --lib wycheproof -- --ignored`.
//!
//! Their payloads are no claims, so these go through the steps up to the signature: take the token
//! apart, load the key set, find the key, check. Both backends do, where both are compiled in.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

use super::{OUTCOMES, Outcome, outcome};

/// What this crate answers where the label is wrong or wants what is not offered, and why.
type Correction = (Outcome, &'static str);

const NO_HMAC: &str = "there is no HMAC: whoever can check one can forge it";
const OTHER_ALG: &str = "the key says PS256, the token PS384";
const NO_P521: &str = "P-521 is not offered, and the key's ES521 is a misprint";
const JUNK: &str = "a '?' in a part is no base64url, whatever the label says";

fn signature_correction(id: u64) -> Option<Correction> {
    Some(match id {
        // The last two are labelled invalid for a padding that was lost: their texts equal tc357.
        1 | 348 | 352 | 357..=359 | 376 | 377 | 367 | 370 => (Outcome::Algorithm, NO_HMAC),
        372 | 373 => (Outcome::Format, JUNK),
        346 | 350 => (Outcome::Algorithm, OTHER_ALG),
        347 | 351 => (Outcome::Algorithm, NO_P521),
        _ => return None,
    })
}

fn key_correction(id: u64) -> Option<Correction> {
    matches!(id, 2 | 13 | 14 | 15).then_some((Outcome::Algorithm, NO_HMAC))
}

fn set_correction(id: u64) -> Option<Correction> {
    Some(match id {
        1 | 48 => (Outcome::Algorithm, NO_HMAC),
        50 | 67 => (Outcome::Format, "nothing encrypted is read"),
        _ => return None,
    })
}

#[test]
#[ignore = "needs WYCHEPROOF_DIR, the folder of the vectors"]
fn wycheproof_signatures() {
    let counts = run(
        "json_web_signature_test.json",
        "8e687a06fe8359f4ec51480f1a9f73c8faebd6f4c01b818b843b44eee54fd5d9",
        signature_correction,
    );
    assert_eq!(counts, [32, 46, 24, 6, 293]);
}

#[test]
#[ignore = "needs WYCHEPROOF_DIR, the folder of the vectors"]
fn wycheproof_keys() {
    let counts = run(
        "json_web_key_test.json",
        "be983255bce26406f97020ec5458b33930a90d5f868e604fcd569c300aba2862",
        key_correction,
    );
    assert_eq!(counts, [1, 0, 15, 10, 0]);
}

/// Adds the encrypted tokens, each of which is refused for its five parts.
#[test]
#[ignore = "needs WYCHEPROOF_DIR, the folder of the vectors"]
fn wycheproof_encryption() {
    let counts = run(
        "json_web_crypto_test.json",
        "dcd58ac9548a7d6173437a691e4cc307dcd3cec9fd814a39cd2a94531cf4f8ce",
        set_correction,
    );
    assert_eq!(counts, [2, 62, 9, 3, 7]);
}

/// How many there are of each outcome, in the order of [`OUTCOMES`].
fn run(
    file: &str,
    digest: &str,
    correction: fn(u64) -> Option<Correction>,
) -> [usize; OUTCOMES.len()] {
    let document = read(file, digest);
    let mut counts = [0; OUTCOMES.len()];
    let mut wrong = Vec::new();
    for group in document["testGroups"].as_array().expect("groups") {
        let keys = keys(group);
        for test in group["tests"].as_array().expect("tests") {
            let id = test["tcId"].as_u64().expect("a number");
            let text = test.get("jws").unwrap_or(&test["jwe"]);
            // Some of the encrypted ones are objects in place of a compact text.
            let text = text
                .as_str()
                .map_or_else(|| text.to_string(), str::to_owned);
            let got = outcome(&keys, &text);
            counts[got as usize] += 1;
            let (right, because) = match correction(id) {
                None => {
                    let valid = test["result"] == "valid";
                    ((got == Outcome::Accepted) == valid, "as labelled")
                }
                Some((expected, because)) => (got == expected, because),
            };
            if !right {
                wrong.push(format!("tc{id} {} ({because}): {got:?}", test["comment"]));
            }
        }
    }
    println!("{file}: {counts:?} of {OUTCOMES:?}");
    assert!(wrong.is_empty(), "{file}: {}", wrong.join("; "));
    counts
}

/// The file, which is the one that the corrections were written for.
fn read(file: &str, digest: &str) -> Value {
    let folder = std::env::var_os("WYCHEPROOF_DIR").expect("WYCHEPROOF_DIR");
    let text = fs::read(Path::new(&folder).join(file)).expect("the vectors");
    let found = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, &text);
    let found: String = found.as_ref().iter().map(|b| format!("{b:02x}")).collect();
    assert_eq!(
        found, digest,
        "{file} is another version: look at what changed"
    );
    serde_json::from_slice(&text).expect("JSON")
}

/// What an issuer would publish: the public half, or the secret where there is no other.
fn keys(group: &Value) -> Value {
    let keys = group.get("public").unwrap_or(&group["private"]);
    match keys.get("keys") {
        Some(_) => keys.clone(),
        None => json!({ "keys": [keys] }),
    }
}
