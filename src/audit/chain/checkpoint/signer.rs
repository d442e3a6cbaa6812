use std::error::Error;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::audit::chain::checkpoint::note;
use crate::audit::chain::checkpoint::{KeyError, NoteKey};
use crate::audit::chain::tree::Tree;
use crate::token::Ed25519;

/// What a signing closure may fail with.
pub type SignError = Box<dyn Error + Send + Sync>;

type Sign = dyn Fn(&[u8]) -> Result<[u8; 64], SignError> + Send + Sync;

/// Who signs checkpoints: a name, a public key, and a closure that has the private one.
///
/// The closure is given the bytes to be signed and returns an Ed25519 signature of them (RFC 8032).
/// It runs on the thread of the sink, so it may wait for a key store; while it does, events wait.
pub struct Signer {
    key: NoteKey,
    sign: Box<Sign>,
}

impl Signer {
    /// Whoever has the private key of `key`.
    pub fn new<F>(key: NoteKey, sign: F) -> Self
    where
        F: Fn(&[u8]) -> Result<[u8; 64], SignError> + Send + Sync + 'static,
    {
        Self {
            key,
            sign: Box::new(sign),
        }
    }

    /// What its signatures are checked with.
    #[must_use]
    pub const fn key(&self) -> &NoteKey {
        &self.key
    }

    pub(super) fn verifier(&self) -> Result<Ed25519, KeyError> {
        self.key.verifier()
    }

    /// The signed note of this head.
    pub(super) fn note(&self, tree: &Tree, verifier: &Ed25519) -> Result<String, SignError> {
        let text = note::text(self.key.name(), tree);
        let signed = catch_unwind(AssertUnwindSafe(|| (self.sign)(text.as_bytes())));
        let signature = signed.map_err(|_| "the signer panicked")??;
        if !verifier.verifies(text.as_bytes(), &signature) {
            return Err("the signature is not one by the public key".into());
        }
        Ok(note::signed(&text, &self.key, &signature))
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
