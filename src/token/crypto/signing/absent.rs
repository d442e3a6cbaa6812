//! The twin for a build without any cryptography: there is no key, so nothing is signed.

use crate::token::crypto::signing::{PrivateKey, SigningFailed};
use crate::token::crypto::{PublicKey, UnusableKey};

pub(super) enum Backend {}

impl Backend {
    pub(super) fn new(_: &PrivateKey) -> Result<Self, UnusableKey> {
        Err(ABSENT)
    }

    pub(super) fn public(&self) -> Result<PublicKey, UnusableKey> {
        match *self {}
    }

    pub(super) fn sign(&self, _: &[u8]) -> Result<Vec<u8>, SigningFailed> {
        match *self {}
    }

    pub(super) fn generate_rsa() -> Result<PrivateKey, UnusableKey> {
        Err(ABSENT)
    }
}

const ABSENT: UnusableKey = UnusableKey("no cryptography is compiled in");
