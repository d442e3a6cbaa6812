use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::token::algorithm::Algorithm;
use crate::token::crypto::{Mismatch, PublicKey, UnusableKey, VerifyingKey};

/// One public key, ready to check with, for one algorithm.
pub(crate) struct Key {
    kid: Option<Box<str>>,
    algorithm: Algorithm,
    public: PublicKey,
    verifier: VerifyingKey,
    /// Set when the issuer no longer publishes this key; tokens that were checked with it are out.
    retired: AtomicBool,
}

impl Key {
    pub(crate) fn new(
        kid: Option<&str>,
        algorithm: Algorithm,
        public: PublicKey,
    ) -> Result<Self, UnusableKey> {
        Ok(Self {
            kid: kid.map(Into::into),
            algorithm,
            verifier: VerifyingKey::new(algorithm, &public)?,
            public,
            retired: AtomicBool::new(false),
        })
    }

    pub(crate) fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    pub(crate) fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    pub(crate) fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Mismatch> {
        self.verifier.verify(message, signature)
    }

    pub(crate) fn is_retired(&self) -> bool {
        self.retired.load(Ordering::Acquire)
    }

    #[cfg(all(test, feature = "aws_lc_rs", feature = "rust_crypto"))]
    pub(crate) fn public(&self) -> &PublicKey {
        &self.public
    }

    fn same(&self, other: &Self) -> bool {
        self.kid == other.kid && self.algorithm == other.algorithm && self.public == other.public
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

/// The keys of one issuer; no two of them share a `kid`.
#[derive(Debug)]
pub(crate) struct KeySet(Vec<Arc<Key>>);

/// What a token gets that names no key of the set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fallback {
    /// Nothing.
    None,
    /// The only key of the set, if the token names none.
    OnlyKeyWithoutKid,
    /// The only key, which was configured without a name.
    OnlyKey,
}

impl KeySet {
    /// Two equal keys are one. Two different ones of the same `kid` are none: which of them was
    /// meant nobody can tell.
    pub(crate) fn new(keys: Vec<Key>, issuer: &str) -> Self {
        let mut set: Vec<Arc<Key>> = Vec::with_capacity(keys.len());
        let mut ambiguous: Vec<Box<str>> = Vec::new();
        for key in keys {
            let twin = set.iter().find(|other| other.kid == key.kid);
            match (twin, &key.kid) {
                (Some(twin), _) if twin.same(&key) => {}
                (Some(_), Some(kid)) => ambiguous.push(kid.clone()),
                _ => set.push(Arc::new(key)),
            }
        }
        set.retain(|key| !key.kid.as_ref().is_some_and(|kid| ambiguous.contains(kid)));
        for kid in ambiguous {
            tracing::warn!(
                target: "impersonation::token",
                issuer, kid = %kid.escape_debug(), "two different keys of the same kid, both dropped"
            );
        }
        Self(set)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn find(&self, kid: Option<&str>, fallback: Fallback) -> Option<&Arc<Key>> {
        let named = kid.and_then(|kid| self.0.iter().find(|key| key.kid() == Some(kid)));
        named.or_else(|| match (self.0.as_slice(), fallback) {
            ([only], Fallback::OnlyKey) => Some(only),
            ([only], Fallback::OnlyKeyWithoutKid) if kid.is_none() => Some(only),
            _ => None,
        })
    }

    /// Takes over the keys of the set before that are still there, so that tokens which were
    /// checked with them stay known; retires the others. That a name stays and its key does not is
    /// no rotation, and somebody should look at it.
    pub(crate) fn succeeding(self, before: &Self, issuer: &str) -> Self {
        let kept = |key: Arc<Key>| {
            before
                .0
                .iter()
                .find(|old| old.same(&key))
                .cloned()
                .unwrap_or(key)
        };
        let set = Self(self.0.into_iter().map(kept).collect());
        for old in &before.0 {
            if set.0.iter().any(|key| Arc::ptr_eq(key, old)) {
                continue;
            }
            old.retired.store(true, Ordering::Release);
            let Some(kid) = old.kid() else { continue };
            if set.0.iter().any(|key| key.kid() == Some(kid)) {
                tracing::warn!(
                    target: "impersonation::token",
                    issuer, kid = %kid.escape_debug(), "another key of the same kid, tokens of the one before are refused"
                );
            }
        }
        set
    }
}
