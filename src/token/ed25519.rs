use crate::token::Algorithm;
use crate::token::crypto::{PublicKey, UnusableKey, VerifyingKey};

/// A key that checks signatures over bytes that are no token.
#[derive(Debug)]
pub(crate) struct Ed25519(VerifyingKey);

impl Ed25519 {
    /// The reason, where the key cannot be used or nothing can check it.
    pub(crate) fn new(key: &[u8; 32]) -> Result<Self, &'static str> {
        VerifyingKey::new(Algorithm::EdDSA, &PublicKey::Ed25519(*key))
            .map(Self)
            .map_err(|UnusableKey(why)| why)
    }

    pub(crate) fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        self.0.verify(message, signature).is_ok()
    }
}
