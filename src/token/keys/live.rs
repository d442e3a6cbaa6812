use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use crate::token::jwk;
use crate::token::keys::{Fallback, Key, KeyRules, KeySet};

/// Keys that are here from the start; clones share them, and whoever gave them may replace them.
#[derive(Clone)]
pub(crate) struct LiveKeys(Arc<RwLock<Arc<KeySet>>>);

impl LiveKeys {
    pub(crate) fn new(set: KeySet) -> Self {
        Self(Arc::new(RwLock::new(Arc::new(set))))
    }

    pub(crate) fn find(&self, kid: Option<&str>, fallback: Fallback) -> Option<Arc<Key>> {
        self.now().find(kid, fallback).cloned()
    }

    fn now(&self) -> Arc<KeySet> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

#[cfg_attr(
    not(feature = "mint"),
    allow(dead_code, reason = "only a minter replaces its keys")
)]
impl LiveKeys {
    /// Reads a set as an issuer publishes it; `issuer` is for the log.
    pub(crate) fn from_jwks(text: &[u8], issuer: &str) -> Result<Self, &'static str> {
        read(text, issuer).map(Self::new)
    }

    /// Tokens that were checked with a key which is no longer there end with it.
    pub(crate) fn replace(&self, text: &[u8], issuer: &str) -> Result<(), &'static str> {
        let set = read(text, issuer)?;
        let mut keys = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let next = set.succeeding(&keys, issuer);
        *keys = Arc::new(next);
        Ok(())
    }
}

fn read(text: &[u8], issuer: &str) -> Result<KeySet, &'static str> {
    jwk::key_set(text, &KeyRules::any(), issuer).map_err(jwk::SetError::reason)
}

impl fmt::Debug for LiveKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("LiveKeys").field(&self.now()).finish()
    }
}
