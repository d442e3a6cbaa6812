//! One key of a set.

use serde_json::{Map, Value};

use crate::token::crypto::{Curve, PublicKey, UnusableKey};
use crate::token::header::acceptable_kid;
use crate::token::keys::{Key, KeyRules};
use crate::token::{compact, json};

pub(super) fn read(text: &[u8], rules: &KeyRules) -> Result<Key, UnusableKey> {
    let members = json::object(text).ok_or(UnusableKey("not an object, or duplicate members"))?;
    if PRIVATE.iter().any(|name| members.contains_key(*name)) {
        return Err(UnusableKey(
            "contains a secret; it must be replaced at the issuer",
        ));
    }
    if !for_signatures(&members) {
        return Err(UnusableKey("not meant for checking signatures"));
    }
    let kid = match members.get("kid") {
        None => None,
        Some(Value::String(kid)) if acceptable_kid(kid) => Some(kid.as_str()),
        Some(_) => return Err(UnusableKey("kid is not a short printable text")),
    };
    let public = public_key(&members)?;
    let named = match members.get("alg") {
        None => None,
        Some(Value::String(name)) => Some(name.as_str()),
        Some(_) => return Err(UnusableKey("alg is not a text")),
    };
    let algorithm = rules.algorithm_for(&public, named)?;
    Key::new(kid, algorithm, public)
}

/// `use` and `key_ops` may both be absent; where they are there, they must allow it.
fn for_signatures(members: &Map<String, Value>) -> bool {
    let usage = members.get("use").is_none_or(|usage| usage == "sig");
    let operations = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|one| one == "verify"),
        Some(_) => false,
    };
    usage && operations
}

fn public_key(members: &Map<String, Value>) -> Result<PublicKey, UnusableKey> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        text(name)
            .and_then(compact::decode)
            .ok_or(UnusableKey("a number is missing or not base64url"))
    };
    match (text("kty"), text("crv")) {
        (Some("RSA"), _) => PublicKey::rsa(&bytes("n")?, &bytes("e")?),
        (Some("EC"), Some("P-256")) => PublicKey::ec(Curve::P256, &bytes("x")?, &bytes("y")?),
        (Some("EC"), Some("P-384")) => PublicKey::ec(Curve::P384, &bytes("x")?, &bytes("y")?),
        (Some("OKP"), Some("Ed25519")) => PublicKey::ed25519(&bytes("x")?),
        _ => Err(UnusableKey("unknown kind of key or curve")),
    }
}

/// Members of private and symmetric keys: RFC 7518, sections 6.2.2, 6.3.2 and 6.4.1.
const PRIVATE: [&str; 8] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
