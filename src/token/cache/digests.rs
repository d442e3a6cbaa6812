//! Digests of tokens, and by which key each was signed.

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, UnitWeighter};

use crate::token::cache::Signer;
use crate::token::crypto;

/// The SHA-256 of a token: nobody can make another text with the same one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Digest([u8; 32]);

impl Digest {
    pub(super) fn of(token: &str) -> Self {
        Self(crypto::sha256(token.as_bytes()))
    }
}

/// A bounded map from digest to signer.
pub(crate) struct Digests(Cache<Digest, Signer, UnitWeighter, foldhash::quality::RandomState>);

impl Digests {
    pub(super) fn new(entries: usize) -> Option<Self> {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(entries as u64)
            .build();
        let hasher = foldhash::quality::RandomState::default();
        let lifecycle = DefaultLifecycle::default();
        let cache = Cache::with_options(options.ok()?, UnitWeighter, hasher, lifecycle);
        Some(Self(cache))
    }

    pub(super) fn has(&self, digest: Digest) -> bool {
        let signer = self.0.get(&digest);
        let counts = signer.as_ref().is_some_and(Signer::still_counts);
        if signer.is_some() && !counts {
            self.0.remove(&digest);
        }
        counts
    }

    pub(super) fn insert(&self, digest: Digest, signer: Signer) {
        self.0.insert(digest, signer);
    }

    pub(super) fn remove(&self, digest: Digest) {
        self.0.remove(&digest);
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
