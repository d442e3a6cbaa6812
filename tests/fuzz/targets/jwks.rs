//! The key set of an issuer: any text, or after a `,` more keys beside a good one.

#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use serde_json::{Value, json};
use tower_impersonate_fuzz::signer::{HEADER, Signer, members};
use tower_impersonate_fuzz::{Desk, timed};

static SIGNER: LazyLock<Signer> = LazyLock::new(Signer::default);

fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    let good = json!({ "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": SIGNER.x() });
    let set = match text.strip_prefix(',') {
        Some(more) => format!(r#"{{"keys":[{good},{more}]}}"#),
        None => text.to_owned(),
    };
    let desk = timed(|| Desk::with_keys(set.clone()));
    let parsed = serde_json::from_str::<Value>(&set).ok();
    let keys = parsed.as_ref().and_then(|set| set["keys"].as_array());
    let Some(desk) = desk else {
        // One good key is enough, whatever stands beside it.
        let beside = text.starts_with(',') && keys.is_some_and(|keys| keys.len() <= 100);
        let twins =
            keys.is_some_and(|keys| keys.iter().filter(|key| key["kid"] == "ed").count() > 1);
        assert!(
            !beside || twins || is_ambiguous(&set),
            "a bad key took the good one along"
        );
        return;
    };
    let payload = format!("{{{}}}", members("alice", "[]"));
    let outcome = desk.send_token(&SIGNER.sign(HEADER, payload.as_bytes()));
    if outcome.expect("ASCII").ran.is_some() {
        let x = SIGNER.x();
        let known = |key: &Value| key["kty"] == "OKP" && key["x"] == *x && key.get("d").is_none();
        let known = match keys {
            Some(keys) => keys.iter().any(known),
            // A number that no f64 holds, in a key that is skipped: each key is read alone.
            None => set.contains(&x),
        };
        assert!(known, "a key from nowhere");
    }
    let forged = format!("{}.AAAA", SIGNER.sign(HEADER, b"{}"));
    assert!(desk.send_token(&forged).expect("ASCII").ran.is_none());
});

/// Whether the set names its keys twice, which makes it none.
fn is_ambiguous(set: &str) -> bool {
    set.matches("keys").count() > 1 || set.contains('\\')
}
