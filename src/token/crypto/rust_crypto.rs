//! Checks in pure Rust, through the factories of jsonwebtoken's RustCrypto provider.
//!
//! The factories are called directly: the process-wide provider panics when another crate of the
//! build turns jsonwebtoken's other backend on. Its verifiers are neither `Send` nor `Sync`, so one
//! is made for each signature.

use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::DecodingKey;
use jsonwebtoken::crypto::JwtVerifier;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use sha2::{Digest, Sha256};

use crate::token::algorithm::Algorithm;
use crate::token::crypto::{Curve, Mismatch, PublicKey, UnusableKey};

#[cfg_attr(feature = "aws_lc_rs", allow(dead_code))]
pub(crate) const AVAILABLE: bool = true;

pub(crate) struct VerifyingKey {
    algorithm: jsonwebtoken::Algorithm,
    key: DecodingKey,
}

impl VerifyingKey {
    pub(crate) fn new(algorithm: Algorithm, key: &PublicKey) -> Result<Self, UnusableKey> {
        let key = match key {
            // The rsa crate computes no further than this.
            PublicKey::Rsa { n, .. } if n.len() > MAX_MODULUS => {
                return Err(UnusableKey("modulus of more than 4096 bits"));
            }
            PublicKey::Rsa { n, e } => DecodingKey::from_rsa_raw_components(n, e),
            PublicKey::Ec { curve, point } => {
                if !matches!(
                    (curve, algorithm),
                    (Curve::P256, Algorithm::ES256) | (Curve::P384, Algorithm::ES384)
                ) {
                    return Err(UnusableKey("algorithm of another curve"));
                }
                DecodingKey::from_ec_der(point)
            }
            PublicKey::Ed25519(x) => DecodingKey::from_ed_components(&URL_SAFE_NO_PAD.encode(x))
                .map_err(|_| UnusableKey("not an Ed25519 key"))?,
        };
        let key = Self {
            algorithm: translated(algorithm),
            key,
        };
        // Finds the wrong kind of key and a point off the curve now.
        match key.verifier() {
            Some(_) => Ok(key),
            None => Err(UnusableKey("not a key of this algorithm")),
        }
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        let verifier = self.verifier().ok_or(Mismatch)?;
        let signature = signature.to_vec();
        verifier.verify(message, &signature).map_err(|_| Mismatch)
    }

    fn verifier(&self) -> Option<Box<dyn JwtVerifier>> {
        (DEFAULT_PROVIDER.verifier_factory)(&self.algorithm, &self.key).ok()
    }
}

#[cfg_attr(feature = "aws_lc_rs", allow(dead_code))]
pub(crate) fn sha256(text: &[u8]) -> [u8; 32] {
    Sha256::digest(text).into()
}

fn translated(algorithm: Algorithm) -> jsonwebtoken::Algorithm {
    match algorithm {
        Algorithm::RS256 => jsonwebtoken::Algorithm::RS256,
        Algorithm::RS384 => jsonwebtoken::Algorithm::RS384,
        Algorithm::RS512 => jsonwebtoken::Algorithm::RS512,
        Algorithm::PS256 => jsonwebtoken::Algorithm::PS256,
        Algorithm::PS384 => jsonwebtoken::Algorithm::PS384,
        Algorithm::PS512 => jsonwebtoken::Algorithm::PS512,
        Algorithm::ES256 => jsonwebtoken::Algorithm::ES256,
        Algorithm::ES384 => jsonwebtoken::Algorithm::ES384,
        Algorithm::EdDSA => jsonwebtoken::Algorithm::EdDSA,
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyingKey").finish_non_exhaustive()
    }
}

const MAX_MODULUS: usize = 4096 / 8;
