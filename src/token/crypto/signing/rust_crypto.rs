//! Signatures in pure Rust, through the factories of jsonwebtoken's RustCrypto provider.
//!
//! Its signers are neither `Send` nor `Sync`, so one is made for each signature.

use jsonwebtoken::EncodingKey;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::EllipticCurve;

use crate::token::crypto::signing::{PrivateKey, SigningFailed};
use crate::token::crypto::{Curve, PublicKey, UnusableKey};

pub(super) struct Backend {
    algorithm: jsonwebtoken::Algorithm,
    key: EncodingKey,
}

impl Backend {
    pub(super) fn new(key: &PrivateKey) -> Result<Self, UnusableKey> {
        let der = key.to_der();
        let (algorithm, key) = match key {
            PrivateKey::Ed25519(_) => (
                jsonwebtoken::Algorithm::EdDSA,
                EncodingKey::from_ed_der(&der),
            ),
            PrivateKey::P256(_) => (
                jsonwebtoken::Algorithm::ES256,
                EncodingKey::from_ec_der(&der),
            ),
            PrivateKey::Rsa(_) => (
                jsonwebtoken::Algorithm::RS256,
                EncodingKey::from_rsa_der(&der),
            ),
        };
        match (DEFAULT_PROVIDER.signer_factory)(&algorithm, &key) {
            Ok(_) => Ok(Self { algorithm, key }),
            Err(_) => Err(UnusableKey("not a key of this kind")),
        }
    }

    /// Told of curves; an RSA key holds its public one.
    pub(super) fn public(&self) -> Result<PublicKey, UnusableKey> {
        let (tell, der) = (&DEFAULT_PROVIDER.key_utils, self.key.as_bytes());
        match self.algorithm {
            jsonwebtoken::Algorithm::EdDSA => {
                (tell.ed_pub_components_from_private_key)(der, &EllipticCurve::Ed25519)
                    .map_err(|_| UnusableKey("not an Ed25519 key"))
                    .and_then(|x| PublicKey::ed25519(&x))
            }
            algorithm => (tell.ec_pub_components_from_private_key)(der, algorithm)
                .map_err(|_| UnusableKey("not a P-256 key"))
                .and_then(|(_, x, y)| PublicKey::ec(Curve::P256, &x, &y)),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let signer = (DEFAULT_PROVIDER.signer_factory)(&self.algorithm, &self.key);
        let signed = signer.map(|signer| signer.try_sign(message));
        signed.ok().and_then(Result::ok).ok_or(SigningFailed)
    }

    pub(super) fn generate_rsa() -> Result<PrivateKey, UnusableKey> {
        Err(UnusableKey(
            "RSA keys are made by the feature `aws_lc_rs` alone",
        ))
    }
}
