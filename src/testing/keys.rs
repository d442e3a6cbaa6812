//! Private keys, and what of them is published.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::KeySize;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256,
    RSA_PKCS1_SHA384, RSA_PKCS1_SHA512, RSA_PSS_SHA256, RSA_PSS_SHA384, RSA_PSS_SHA512,
    RsaEncoding, RsaKeyPair,
};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::token::Algorithm;

/// One key of each kind.
pub(super) struct Keys {
    generation: usize,
    rsa: RsaKeyPair,
    p256: EcdsaKeyPair,
    ed25519: Ed25519KeyPair,
}

impl Keys {
    pub(super) fn generate(generation: usize) -> Self {
        Self {
            generation,
            rsa: RsaKeyPair::generate(KeySize::Rsa2048).expect("RSA key"),
            p256: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).expect("P-256 key"),
            ed25519: Ed25519KeyPair::generate().expect("Ed25519 key"),
        }
    }

    pub(super) fn generation(&self) -> usize {
        self.generation
    }

    /// Its name says the kind and how often the issuer has rotated.
    pub(super) fn kid(&self, algorithm: Algorithm) -> String {
        let kind = match algorithm {
            Algorithm::ES256 => "ec",
            Algorithm::EdDSA => "ed",
            _ => "rsa",
        };
        format!("{kind}-{}", self.generation)
    }

    pub(super) fn sign(&self, algorithm: Algorithm, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        let encoding: &'static dyn RsaEncoding = match algorithm {
            Algorithm::ES256 => {
                let signature = self.p256.sign(&random, message).expect("a signature");
                return signature.as_ref().to_vec();
            }
            Algorithm::EdDSA => return self.ed25519.sign(message).as_ref().to_vec(),
            Algorithm::RS256 => &RSA_PKCS1_SHA256,
            Algorithm::RS384 => &RSA_PKCS1_SHA384,
            Algorithm::RS512 => &RSA_PKCS1_SHA512,
            Algorithm::PS256 => &RSA_PSS_SHA256,
            Algorithm::PS384 => &RSA_PSS_SHA384,
            Algorithm::PS512 => &RSA_PSS_SHA512,
            Algorithm::ES384 => panic!("a test issuer has no P-384 key"),
        };
        let mut signature = vec![0; self.rsa.public_modulus_len()];
        self.rsa
            .sign(encoding, &random, message, &mut signature)
            .expect("a signature");
        signature
    }

    pub(super) fn jwks(&self) -> Value {
        // PKCS#1 of a key of 2048 bits and e = 65537 always begins with the same nine bytes.
        let modulus = &self.rsa.public_key().as_ref()[9..9 + 256];
        let (x, y) = self.p256.public_key().as_ref()[1..].split_at(32);
        json!({ "keys": [
            {
                "kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid(Algorithm::RS256),
                "n": text(modulus), "e": "AQAB",
            },
            {
                "kty": "EC", "use": "sig", "alg": "ES256", "kid": self.kid(Algorithm::ES256),
                "crv": "P-256", "x": text(x), "y": text(y),
            },
            {
                "kty": "OKP", "use": "sig", "alg": "EdDSA", "kid": self.kid(Algorithm::EdDSA),
                "crv": "Ed25519", "x": text(self.ed25519.public_key().as_ref()),
            },
        ]})
    }
}

pub(super) fn text(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
