//! The one place where signatures are made, by the same backend that checks them.
//!
//! Each backend offers the same `Backend`: it takes a private key, tells the public one and signs. A
//! [`Signer`] exists only of a key whose signature its own public key verifies.

#[cfg(feature = "aws_lc_rs")]
mod aws_lc;
#[cfg(feature = "aws_lc_rs")]
use self::aws_lc::Backend;

#[cfg(all(feature = "rust_crypto", any(test, not(feature = "aws_lc_rs"))))]
mod rust_crypto;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
use self::rust_crypto::Backend;

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod absent;
#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
use self::absent::Backend;

mod der;
mod pkcs8;
mod private_key;

use std::fmt;

use crate::token::algorithm::Algorithm;
use crate::token::crypto::{PublicKey, UnusableKey, VerifyingKey};

pub(crate) use self::private_key::{PrivateKey, RsaNumbers};

/// The system gave no random bytes, or the backend no signature.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SigningFailed;

/// Signs with one key, by one algorithm.
pub(crate) struct Signer {
    algorithm: Algorithm,
    public: PublicKey,
    backend: Backend,
}

impl Signer {
    pub(crate) fn new(key: &PrivateKey) -> Result<Self, UnusableKey> {
        let algorithm = key.algorithm();
        // Before the backend, which does not say what is wrong with it.
        let told = key.public().transpose()?;
        let backend = Backend::new(key)?;
        let public = match told {
            Some(public) => public,
            None => backend.public()?,
        };
        let signer = Self {
            algorithm,
            public,
            backend,
        };
        let verifier = VerifyingKey::new(algorithm, &signer.public)?;
        let tried = signer
            .sign(TRIAL)
            .map(|signed| verifier.verify(TRIAL, &signed));
        match tried {
            Ok(Ok(())) => Ok(signer),
            _ => Err(UnusableKey("its signatures do not verify")),
        }
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    pub(crate) fn sign(&self, message: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        self.backend.sign(message)
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// A fresh key.
pub(crate) fn generate(algorithm: Algorithm) -> Result<PrivateKey, UnusableKey> {
    let random = || {
        let mut bytes = [0; 32];
        match getrandom::fill(&mut bytes) {
            Ok(()) => Ok(bytes),
            Err(_) => Err(UnusableKey("the system gives no random bytes")),
        }
    };
    match algorithm {
        Algorithm::EdDSA => Ok(PrivateKey::Ed25519(random()?)),
        // Of 2^32 numbers one is too great.
        Algorithm::ES256 => (0..4)
            .find_map(|_| match random().map(PrivateKey::P256) {
                Ok(key) => Backend::new(&key).is_ok().then_some(Ok(key)),
                Err(unusable) => Some(Err(unusable)),
            })
            .unwrap_or(Err(UnusableKey("no key came out"))),
        Algorithm::RS256 => Backend::generate_rsa(),
        _ => Err(UnusableKey("keys are made for EdDSA, ES256 and RS256")),
    }
}

const TRIAL: &[u8] = b"a key is tried before it is used";

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests;
