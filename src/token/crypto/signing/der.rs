//! Private keys in DER, as the backends take them.

use crate::token::crypto::der::{
    EC_PUBLIC_KEY, ED25519, INTEGER, OCTET_STRING, OID, PRIME256V1, SEQUENCE,
};
use crate::token::crypto::signing::RsaNumbers;

/// RFC 8410, section 7.
pub(super) fn ed25519(seed: &[u8; 32]) -> Vec<u8> {
    let key = element(OCTET_STRING, &[seed]);
    pkcs8(&[&element(OID, &[ED25519])], &key)
}

/// RFC 5915, section 3, without the public key, which the backends compute.
pub(super) fn p256(number: &[u8; 32]) -> Vec<u8> {
    let key = element(
        SEQUENCE,
        &[
            &element(INTEGER, &[&[1]]),
            &element(OCTET_STRING, &[number]),
        ],
    );
    pkcs8(&[&element(OID, &[EC_PUBLIC_KEY]), PRIME256V1], &key)
}

/// RFC 8017, appendix A.1.2.
pub(super) fn rsa(numbers: &RsaNumbers) -> Vec<u8> {
    let public = [&numbers.n, &numbers.e];
    let all = public.into_iter().chain(&numbers.private);
    let integers: Vec<Vec<u8>> = all.map(|number| integer(number)).collect();
    element(SEQUENCE, &[&element(INTEGER, &[&[0]]), &integers.concat()])
}

/// RFC 5958, section 2, version 1.
fn pkcs8(algorithm: &[&[u8]], key: &[u8]) -> Vec<u8> {
    element(
        SEQUENCE,
        &[
            &element(INTEGER, &[&[0]]),
            &element(SEQUENCE, algorithm),
            &element(OCTET_STRING, &[key]),
        ],
    )
}

/// Positive, and as short as can be.
fn integer(number: &[u8]) -> Vec<u8> {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    let digits = number.get(zeros..).unwrap_or_default();
    let sign: &[u8] = match digits.first() {
        Some(first) if first & 0x80 == 0 => &[],
        _ => &[0],
    };
    element(INTEGER, &[sign, digits])
}

fn element(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let digits = length.get(zeros..).unwrap_or_default();
    let mut whole = vec![tag];
    if content.len() > 0x7f {
        // At most eight of them.
        whole.push(0x80 | digits.len() as u8);
        whole.extend(digits);
    } else {
        whole.push(content.len() as u8);
    }
    whole.extend(content);
    whole
}
