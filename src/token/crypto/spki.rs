//! Public keys in PEM: the block `PUBLIC KEY`, a SubjectPublicKeyInfo (RFC 5280), and nothing else.

use rustls_pki_types::pem::{self, SectionKind};

use crate::token::crypto::der::{
    BIT_STRING, EC_PUBLIC_KEY, ED25519, INTEGER, OID, PRIME256V1, RSA_ENCRYPTION, SECP384R1,
    SEQUENCE, element, next,
};
use crate::token::crypto::{Curve, PublicKey, UnusableKey};

pub(super) fn public_key(text: &str) -> Result<PublicKey, UnusableKey> {
    let mut input = text.as_bytes();
    let section = pem::from_buf(&mut input);
    match section {
        Ok(Some((SectionKind::PublicKey, der))) => spki(&der).unwrap_or(Err(MALFORMED)),
        // The reader knows no name for PKCS#1's public form.
        Ok(None) if text.contains(PKCS1_LABEL) => Err(UnusableKey(
            "PKCS#1; write it as `PUBLIC KEY` (SubjectPublicKeyInfo)",
        )),
        Ok(Some(_)) => Err(UnusableKey("not a `PUBLIC KEY` block")),
        Ok(None) | Err(_) => Err(UnusableKey("not PEM")),
    }
}

/// `SEQUENCE { SEQUENCE { OID, parameters }, BIT STRING }`; `None` when it is not even that.
fn spki(der: &[u8]) -> Option<Result<PublicKey, UnusableKey>> {
    let (mut info, rest) = element(SEQUENCE, der)?;
    if !rest.is_empty() {
        return None;
    }
    let algorithm = next(SEQUENCE, &mut info)?;
    // The first byte of a bit string counts the unused bits.
    let key = next(BIT_STRING, &mut info)?.strip_prefix(&[0])?;
    if !info.is_empty() {
        return None;
    }
    let (oid, parameters) = element(OID, algorithm)?;
    Some(match (oid, parameters) {
        (RSA_ENCRYPTION, _) => rsa(key)?,
        (EC_PUBLIC_KEY, PRIME256V1) => PublicKey::ec_point(Curve::P256, key),
        (EC_PUBLIC_KEY, SECP384R1) => PublicKey::ec_point(Curve::P384, key),
        (ED25519, []) => PublicKey::ed25519(key),
        _ => Err(UnusableKey("unknown kind of key or curve")),
    })
}

/// `SEQUENCE { INTEGER n, INTEGER e }`
fn rsa(der: &[u8]) -> Option<Result<PublicKey, UnusableKey>> {
    let (mut numbers, rest) = element(SEQUENCE, der)?;
    let n = next(INTEGER, &mut numbers)?;
    let e = next(INTEGER, &mut numbers)?;
    (rest.is_empty() && numbers.is_empty()).then(|| PublicKey::rsa(n, e))
}

const MALFORMED: UnusableKey = UnusableKey("not a SubjectPublicKeyInfo");
const PKCS1_LABEL: &str = "RSA PUBLIC KEY";
