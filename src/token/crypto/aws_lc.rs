//! Checks by aws-lc-rs, with every key parsed once.

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey,
    RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512,
    RSA_PSS_2048_8192_SHA256, RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters,
    RsaPublicKeyComponents, VerificationAlgorithm,
};

use crate::token::algorithm::Algorithm;
use crate::token::crypto::{Curve, Mismatch, PublicKey, UnusableKey};

pub(crate) const AVAILABLE: bool = true;

pub(crate) struct VerifyingKey(ParsedPublicKey);

impl VerifyingKey {
    pub(crate) fn new(algorithm: Algorithm, key: &PublicKey) -> Result<Self, UnusableKey> {
        let parsed = match key {
            PublicKey::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .to_parsed_public_key(rsa(algorithm).ok_or(MISFIT)?)
                .map_err(|_| UnusableKey("not an RSA key"))?,
            // The point is checked to be on the curve here.
            PublicKey::Ec { curve, point } => {
                let fixed: &'static dyn VerificationAlgorithm = match (curve, algorithm) {
                    (Curve::P256, Algorithm::ES256) => &ECDSA_P256_SHA256_FIXED,
                    (Curve::P384, Algorithm::ES384) => &ECDSA_P384_SHA384_FIXED,
                    _ => return Err(MISFIT),
                };
                ParsedPublicKey::new(fixed, point).map_err(|_| UnusableKey("not on the curve"))?
            }
            PublicKey::Ed25519(x) if algorithm == Algorithm::EdDSA => {
                ParsedPublicKey::new(&ED25519, x).map_err(|_| UnusableKey("not an Ed25519 key"))?
            }
            PublicKey::Ed25519(_) => return Err(MISFIT),
        };
        Ok(Self(parsed))
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        self.0.verify_sig(message, signature).map_err(|_| Mismatch)
    }
}

pub(crate) fn sha256(text: &[u8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest(&SHA256, text).as_ref());
    bytes
}

fn rsa(algorithm: Algorithm) -> Option<&'static RsaParameters> {
    Some(match algorithm {
        Algorithm::RS256 => &RSA_PKCS1_2048_8192_SHA256,
        Algorithm::RS384 => &RSA_PKCS1_2048_8192_SHA384,
        Algorithm::RS512 => &RSA_PKCS1_2048_8192_SHA512,
        Algorithm::PS256 => &RSA_PSS_2048_8192_SHA256,
        Algorithm::PS384 => &RSA_PSS_2048_8192_SHA384,
        Algorithm::PS512 => &RSA_PSS_2048_8192_SHA512,
        _ => return None,
    })
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").finish_non_exhaustive()
    }
}

const MISFIT: UnusableKey = UnusableKey("algorithm of another kind of key");
