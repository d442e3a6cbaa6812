use std::sync::Arc;

use crate::token::keys::{Key, Source};

/// By which key, of which source, a token was signed.
#[derive(Clone)]
pub(crate) struct Signer {
    key: Arc<Key>,
    source: Arc<Source>,
}

impl Signer {
    pub(super) fn new(key: &Arc<Key>, source: &Arc<Source>) -> Self {
        Self {
            key: Arc::clone(key),
            source: Arc::clone(source),
        }
    }

    /// Whether the key is still published, and the keys of its source have not come to their end.
    pub(super) fn still_counts(&self) -> bool {
        self.source.still_serves() && !self.key.is_retired()
    }
}

/// A token that the cache is to keep, with its signer.
pub(crate) struct Keep<'a> {
    pub(crate) token: &'a str,
    pub(crate) key: &'a Arc<Key>,
    pub(crate) source: &'a Arc<Source>,
}

/// What stands with claims that the cache keeps.
pub(crate) struct Kept {
    pub(super) signer: Signer,
    pub(super) bytes: u64,
}

impl Kept {
    pub(crate) fn new(keep: &Keep<'_>, bytes: u64) -> Self {
        Self {
            signer: Signer::new(keep.key, keep.source),
            bytes,
        }
    }
}
