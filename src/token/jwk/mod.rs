//! Key sets as issuers publish them (RFC 7517).
//!
//! Each key is read alone: an issuer that adds a kind of key that is unknown here, or publishes one
//! broken key, loses that key and not the others.

mod key;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::token::keys::{Key, KeyRules, KeySet};

/// Why a whole set is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetError {
    NotASet,
    TooManyKeys,
    NoUsableKey,
}

impl SetError {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NotASet => "not a key set",
            Self::TooManyKeys => "a key set of more than 100 keys",
            Self::NoUsableKey => "a key set without a usable key",
        }
    }
}

#[derive(Deserialize)]
struct Document<'a> {
    #[serde(borrow)]
    keys: Vec<&'a RawValue>,
}

/// Reads a set; `issuer` is for the log.
pub(crate) fn key_set(text: &[u8], rules: &KeyRules, issuer: &str) -> Result<KeySet, SetError> {
    let document: Document<'_> = serde_json::from_slice(text).map_err(|_| SetError::NotASet)?;
    if document.keys.len() > MAX_KEYS {
        return Err(SetError::TooManyKeys);
    }
    let mut keys = Vec::<Key>::new();
    for (index, raw) in document.keys.iter().enumerate() {
        match key::read(raw.get().as_bytes(), rules) {
            Ok(key) => keys.push(key),
            Err(reason) => tracing::warn!(
                target: "impersonation::token",
                issuer, index, reason = reason.0, "skipped a key of a key set"
            ),
        }
    }
    let set = KeySet::new(keys, issuer);
    if set.is_empty() {
        return Err(SetError::NoUsableKey);
    }
    Ok(set)
}

const MAX_KEYS: usize = 100;

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests;
