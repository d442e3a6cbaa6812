//! Public keys in PEM: the block `PUBLIC KEY`, a SubjectPublicKeyInfo (RFC 5280), and nothing else.

use rustls_pki_types::pem::{self, SectionKind};

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

fn next<'a>(tag: u8, input: &mut &'a [u8]) -> Option<&'a [u8]> {
    let (content, rest) = element(tag, input)?;
    *input = rest;
    Some(content)
}

/// One DER element of that tag: its content, and what follows it.
fn element(tag: u8, input: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&found, input) = input.split_first()?;
    let (&first, input) = input.split_first()?;
    let (len, input) = match first {
        0..=0x7f => (usize::from(first), input),
        0x81 | 0x82 => {
            let (len, input) = input.split_at_checked(usize::from(first & 0x0f))?;
            let len = len
                .iter()
                .fold(0, |len, byte| len << 8 | usize::from(*byte));
            (len, input)
        }
        _ => return None,
    };
    (found == tag).then(|| input.split_at_checked(len))?
}

const MALFORMED: UnusableKey = UnusableKey("not a SubjectPublicKeyInfo");
const PKCS1_LABEL: &str = "RSA PUBLIC KEY";

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OID: u8 = 0x06;
const SEQUENCE: u8 = 0x30;

const RSA_ENCRYPTION: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
const EC_PUBLIC_KEY: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
const ED25519: &[u8] = &[0x2b, 0x65, 0x70];
/// Curve identifiers, with tag and length.
const PRIME256V1: &[u8] = &[0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
const SECP384R1: &[u8] = &[0x06, 0x05, 0x2b, 0x81, 0x04, 0x00, 0x22];
