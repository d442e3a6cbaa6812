//! Private keys in PEM: the block `PRIVATE KEY`, PKCS#8 (RFC 5958), and nothing else.

use rustls_pki_types::pem::{self, SectionKind};

use crate::token::crypto::UnusableKey;
use crate::token::crypto::der::{
    EC_PUBLIC_KEY, ED25519, INTEGER, OCTET_STRING, OID, PRIME256V1, RSA_ENCRYPTION, SEQUENCE,
    element, next,
};
use crate::token::crypto::signing::{PrivateKey, RsaNumbers};

pub(super) fn from_pem(text: &str) -> Result<PrivateKey, UnusableKey> {
    let mut input = text.as_bytes();
    match pem::from_buf(&mut input) {
        Ok(Some((SectionKind::PrivateKey, der))) => read(&der),
        Ok(Some((SectionKind::RsaPrivateKey | SectionKind::EcPrivateKey, _))) => Err(UnusableKey(
            "not PKCS#8; `openssl pkcs8 -topk8 -nocrypt` makes it one",
        )),
        Ok(None) if text.contains("ENCRYPTED PRIVATE KEY") => {
            Err(UnusableKey("an encrypted private key"))
        }
        Ok(Some(_)) => Err(UnusableKey("not a `PRIVATE KEY` block")),
        Ok(None) | Err(_) => Err(UnusableKey("not PEM")),
    }
}

pub(super) fn read(der: &[u8]) -> Result<PrivateKey, UnusableKey> {
    info(der).unwrap_or(Err(UnusableKey("not PKCS#8")))
}

/// `SEQUENCE { INTEGER, SEQUENCE { OID, parameters }, OCTET STRING, .. }`; what may follow, attributes and a
/// public key, is not read.
fn info(der: &[u8]) -> Option<Result<PrivateKey, UnusableKey>> {
    let (mut info, rest) = element(SEQUENCE, der)?;
    let version = next(INTEGER, &mut info)?;
    let algorithm = next(SEQUENCE, &mut info)?;
    let key = next(OCTET_STRING, &mut info)?;
    if !rest.is_empty() || !matches!(version, [0 | 1]) {
        return None;
    }
    let (oid, parameters) = element(OID, algorithm)?;
    match (oid, parameters) {
        (ED25519, []) => {
            let (seed, rest) = element(OCTET_STRING, key)?;
            let seed = seed.try_into().ok().filter(|_| rest.is_empty())?;
            Some(Ok(PrivateKey::Ed25519(seed)))
        }
        (EC_PUBLIC_KEY, PRIME256V1) => ec(key).map(Ok),
        (RSA_ENCRYPTION, _) => rsa(key).map(Ok),
        _ => Some(Err(UnusableKey(
            "neither Ed25519 nor P-256 nor RSA: such keys are not signed with",
        ))),
    }
}

/// RFC 5915: `SEQUENCE { INTEGER 1, OCTET STRING, .. }`
fn ec(der: &[u8]) -> Option<PrivateKey> {
    let (mut key, rest) = element(SEQUENCE, der)?;
    let version = next(INTEGER, &mut key)?;
    let number = next(OCTET_STRING, &mut key)?.try_into().ok()?;
    (rest.is_empty() && version == [1]).then_some(PrivateKey::P256(number))
}

/// RFC 8017: `SEQUENCE { INTEGER 0, n, e, d, p, q, dp, dq, qi }`, of two primes.
fn rsa(der: &[u8]) -> Option<PrivateKey> {
    let (mut key, rest) = element(SEQUENCE, der)?;
    let version = next(INTEGER, &mut key)?;
    let mut number = || next(INTEGER, &mut key).map(<[u8]>::to_vec);
    let (n, e) = (number()?, number()?);
    let private = [
        number()?,
        number()?,
        number()?,
        number()?,
        number()?,
        number()?,
    ];
    let whole = rest.is_empty() && key.is_empty() && version == [0];
    whole.then_some(PrivateKey::Rsa(RsaNumbers { n, e, private }))
}
