//! Signatures by aws-lc-rs, with the key parsed once.

use aws_lc_rs::encoding::{AsDer, Pkcs8V1Der};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RsaKeyPair,
};

use crate::token::crypto::signing::{PrivateKey, SigningFailed, pkcs8};
use crate::token::crypto::{Curve, PublicKey, UnusableKey};

pub(super) enum Backend {
    Ed25519(Ed25519KeyPair),
    P256(EcdsaKeyPair),
    Rsa(RsaKeyPair),
}

impl Backend {
    pub(super) fn new(key: &PrivateKey) -> Result<Self, UnusableKey> {
        Ok(match key {
            PrivateKey::Ed25519(seed) => Self::Ed25519(
                Ed25519KeyPair::from_seed_unchecked(seed)
                    .map_err(|_| UnusableKey("not an Ed25519 key"))?,
            ),
            PrivateKey::P256(_) => Self::P256(
                EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &key.to_der())
                    .map_err(|_| UnusableKey("not a P-256 key"))?,
            ),
            PrivateKey::Rsa(_) => Self::Rsa(
                RsaKeyPair::from_der(&key.to_der()).map_err(|_| UnusableKey("not an RSA key"))?,
            ),
        })
    }

    /// Told of curves; an RSA key holds its public one.
    pub(super) fn public(&self) -> Result<PublicKey, UnusableKey> {
        match self {
            Self::Ed25519(key) => PublicKey::ed25519(key.public_key().as_ref()),
            Self::P256(key) => PublicKey::ec_point(Curve::P256, key.public_key().as_ref()),
            Self::Rsa(_) => Err(UnusableKey("an RSA key without a modulus")),
        }
    }

    pub(super) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        let random = SystemRandom::new();
        match self {
            Self::Ed25519(key) => Ok(key.sign(message).as_ref().to_vec()),
            Self::P256(key) => key
                .sign(&random, message)
                .map(|signature| signature.as_ref().to_vec())
                .map_err(|_| SigningFailed),
            Self::Rsa(key) => {
                let mut signature = vec![0; key.public_modulus_len()];
                key.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .map_err(|_| SigningFailed)?;
                Ok(signature)
            }
        }
    }

    pub(super) fn generate_rsa() -> Result<PrivateKey, UnusableKey> {
        let failed = || UnusableKey("no key came out");
        let key = RsaKeyPair::generate(KeySize::Rsa2048).map_err(|_| failed())?;
        let der: Pkcs8V1Der<'_> = key.as_der().map_err(|_| failed())?;
        pkcs8::read(der.as_ref())
    }
}
