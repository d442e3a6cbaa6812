//! Keys in JSON (RFC 7517): private ones read, public ones written, and their thumbprints (RFC 7638).

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use crate::mint::KeyError;
use crate::token::signing::{PrivateKey, RsaNumbers};
use crate::token::{Algorithm, Curve, PublicKey, acceptable_kid, decode, strict_object};

/// A private key as it was written down.
pub(super) struct Read {
    pub(super) key: PrivateKey,
    pub(super) kid: Option<String>,
    /// The public part, where it was given apart.
    pub(super) public: Option<PublicKey>,
}

pub(super) fn private_key(text: &str) -> Result<Read, KeyError> {
    let members =
        strict_object(text).ok_or(KeyError::new("not a JWK: no object, or duplicate members"))?;
    if !for_signing(&members) {
        return Err(KeyError::new(
            "a JWK that is not meant for signing (use, key_ops)",
        ));
    }
    let (key, public) = numbers(&members)?;
    let fits = |name: &Value| name.as_str().and_then(Algorithm::named) == Some(key.algorithm());
    if !members.get("alg").is_none_or(fits) {
        return Err(KeyError::new(
            "alg is not the one that such a key signs by here: EdDSA, ES256 or RS256",
        ));
    }
    let kid = match members.get("kid") {
        None => None,
        Some(Value::String(kid)) if acceptable_kid(kid) => Some(kid.clone()),
        Some(_) => return Err(KeyError::new("kid is not a short printable text")),
    };
    Ok(Read { key, kid, public })
}

/// `use` and `key_ops` may both be absent; where they are there, they must allow it.
fn for_signing(members: &Map<String, Value>) -> bool {
    let usage = members.get("use").is_none_or(|usage| usage == "sig");
    let operations = match members.get("key_ops") {
        None => true,
        Some(Value::Array(operations)) => operations.iter().any(|one| one == "sign"),
        Some(_) => false,
    };
    usage && operations
}

fn numbers(members: &Map<String, Value>) -> Result<(PrivateKey, Option<PublicKey>), KeyError> {
    let text = |name: &str| members.get(name).and_then(Value::as_str);
    let bytes = |name: &str| {
        let number = text(name).and_then(decode);
        number.ok_or(KeyError::new(
            "a number of the JWK is missing or not base64url",
        ))
    };
    let d = || <[u8; 32]>::try_from(bytes("d")?).map_err(|_| KeyError::new("d is not 32 bytes"));
    match (text("kty"), text("crv")) {
        (Some("OKP"), Some("Ed25519")) => {
            let public = PublicKey::ed25519(&bytes("x")?)?;
            Ok((PrivateKey::Ed25519(d()?), Some(public)))
        }
        (Some("EC"), Some("P-256")) => {
            let public = PublicKey::ec(Curve::P256, &bytes("x")?, &bytes("y")?)?;
            Ok((PrivateKey::P256(d()?), Some(public)))
        }
        (Some("RSA"), _) if members.contains_key("oth") => {
            Err(KeyError::new("an RSA key of more than two primes"))
        }
        (Some("RSA"), _) => {
            let (n, e) = (bytes("n")?, bytes("e")?);
            let private = [
                bytes("d")?,
                bytes("p")?,
                bytes("q")?,
                bytes("dp")?,
                bytes("dq")?,
                bytes("qi")?,
            ];
            Ok((PrivateKey::Rsa(RsaNumbers { n, e, private }), None))
        }
        (Some("oct"), _) => Err(KeyError::new(
            "a symmetric key: whoever checks its signatures can forge them",
        )),
        (Some("EC" | "OKP"), _) => Err(KeyError::new("another curve than P-256 or Ed25519")),
        _ => Err(KeyError::new("unknown kind of key")),
    }
}

/// The members that make the key (RFC 7638, section 3.2).
pub(super) fn public(key: &PublicKey) -> Value {
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    match key {
        PublicKey::Rsa { n, e } => json!({ "e": text(e), "kty": "RSA", "n": text(n) }),
        PublicKey::Ed25519(x) => json!({ "crv": "Ed25519", "kty": "OKP", "x": text(x) }),
        PublicKey::Ec { curve, point } => {
            // Behind the byte that says how the point is written.
            let coordinates = point.get(1..).unwrap_or_default();
            let (x, y) = coordinates.split_at(coordinates.len() / 2);
            let crv = match curve {
                Curve::P256 => "P-256",
                Curve::P384 => "P-384",
            };
            json!({ "crv": crv, "kty": "EC", "x": text(x), "y": text(y) })
        }
    }
}

/// By SHA-256: of the required members in the order of their names, without white space.
pub(super) fn thumbprint(key: &PublicKey) -> String {
    let jwk = public(key);
    let members = jwk.as_object().into_iter().flatten();
    let mut members: Vec<String> = members
        .map(|(name, value)| format!("\"{name}\":{value}"))
        .collect();
    members.sort_unstable();
    let text = format!("{{{}}}", members.join(","));
    URL_SAFE_NO_PAD.encode(Sha256::digest(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn thumbprint_of(public: Result<PublicKey, crate::token::UnusableKey>) -> Option<String> {
        public.ok().map(|key| thumbprint(&key))
    }

    #[test]
    fn thumbprints_as_the_standards_print_them() {
        let bytes = |text: &str| decode(text).unwrap_or_default();
        // RFC 7638, section 3.1.
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        assert_eq!(
            thumbprint_of(PublicKey::rsa(&bytes(n), &[1, 0, 1])).as_deref(),
            Some("NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs")
        );
        // RFC 8037, appendix A.3.
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        assert_eq!(
            thumbprint_of(PublicKey::ed25519(&bytes(x))).as_deref(),
            Some("kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k")
        );
    }
}
