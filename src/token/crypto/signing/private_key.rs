use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::token::algorithm::Algorithm;
use crate::token::crypto::signing::{der, pkcs8};
use crate::token::crypto::{PublicKey, UnusableKey};

/// A private key as numbers. It has no `Debug`.
pub(crate) enum PrivateKey {
    Ed25519([u8; 32]),
    P256([u8; 32]),
    Rsa(RsaNumbers),
}

/// Big-endian; leading zeros do not matter.
pub(crate) struct RsaNumbers {
    pub(crate) n: Vec<u8>,
    pub(crate) e: Vec<u8>,
    /// `d`, `p`, `q`, `dp`, `dq`, `qi`: in the order of RFC 8017, appendix A.1.2.
    pub(crate) private: [Vec<u8>; 6],
}

impl PrivateKey {
    /// Reads a PEM block `PRIVATE KEY` (PKCS#8, RFC 5958), not encrypted.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, UnusableKey> {
        pkcs8::from_pem(pem)
    }

    /// What it signs with: one algorithm for each kind of key.
    pub(crate) fn algorithm(&self) -> Algorithm {
        match self {
            Self::Ed25519(_) => Algorithm::EdDSA,
            Self::P256(_) => Algorithm::ES256,
            Self::Rsa(_) => Algorithm::RS256,
        }
    }

    /// PKCS#8 for curves, PKCS#1 for RSA.
    pub(super) fn to_der(&self) -> Vec<u8> {
        match self {
            Self::Ed25519(seed) => der::ed25519(seed),
            Self::P256(number) => der::p256(number),
            Self::Rsa(numbers) => der::rsa(numbers),
        }
    }

    /// The public key, where it stands in the private one; checked for size and shape.
    pub(super) fn public(&self) -> Option<Result<PublicKey, UnusableKey>> {
        match self {
            Self::Rsa(RsaNumbers { n, e, .. }) => Some(PublicKey::rsa(n, e)),
            Self::Ed25519(_) | Self::P256(_) => None,
        }
    }

    /// The private member `d` of its JWK, of a key on a curve.
    pub(crate) fn d(&self) -> Option<String> {
        match self {
            Self::Ed25519(d) | Self::P256(d) => Some(URL_SAFE_NO_PAD.encode(d)),
            Self::Rsa(_) => None,
        }
    }
}
