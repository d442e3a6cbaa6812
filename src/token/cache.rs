//! Tokens that have been verified, found again by their whole text.
//!
//! A permission is never kept here, and neither is a refusal. An entry counts only as long as its
//! token's times do, its key is still published, and the issuer's keys have not come to their end.

use std::fmt;
use std::sync::Arc;

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{OptionsBuilder, Weighter};

use crate::time::Timestamp;
use crate::token::claims::Claims;
use crate::token::error::TokenErrorKind;
use crate::token::keys::{Key, Source};
use crate::token::verified::Verified;
use crate::token::weight;

/// How much the cache of verified tokens may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheLimits {
    entries: usize,
    bytes: usize,
}

impl CacheLimits {
    /// At most so many tokens and so many bytes; zero entries turn the cache off.
    ///
    /// The bytes are those of the tokens and of what was read from them, estimated a little above
    /// the truth. The index comes on top, with less than 150 bytes for each of `entries`.
    #[must_use]
    pub const fn new(entries: usize, bytes: usize) -> Self {
        Self { entries, bytes }
    }
}

impl CacheLimits {
    /// Room for the entries is made at once.
    pub(crate) fn are_sound(self) -> bool {
        self.entries <= 10_000_000 && self.bytes as u64 <= 64 << 30
    }
}

impl Default for CacheLimits {
    /// 10,000 tokens, 32 MiB.
    fn default() -> Self {
        Self::new(10_000, 32 * 1024 * 1024)
    }
}

/// A bounded map from token to claims.
pub(crate) struct TokenCache(Option<Map>);

type Map = Cache<Box<str>, Arc<Entry>, Weigh, foldhash::quality::RandomState>;

struct Entry {
    claims: Verified<Claims>,
    key: Arc<Key>,
    source: Arc<Source>,
    bytes: u64,
}

impl TokenCache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let per_entry = limits.bytes.checked_div(limits.entries);
        let options = OptionsBuilder::new()
            .estimated_items_capacity(limits.entries)
            .weight_capacity(limits.bytes as u64)
            .build();
        let map = per_entry.zip(options.ok()).map(|(per_entry, options)| {
            // The seed is random: nobody can choose tokens that collide.
            let hasher = foldhash::quality::RandomState::default();
            let weigh = Weigh {
                least: per_entry as u64,
            };
            Cache::with_options(options, weigh, hasher, DefaultLifecycle::default())
        });
        Self(map)
    }

    /// The claims of a token that is known, `Err` when it is known and no longer valid.
    pub(crate) fn get(
        &self,
        token: &str,
        now: Timestamp,
    ) -> Option<Result<Verified<Claims>, TokenErrorKind>> {
        let map = self.0.as_ref()?;
        let entry = map.get(token)?;
        if !entry.source.still_serves() || entry.key.is_retired() {
            map.remove(token);
            return None;
        }
        match entry.claims.check_time(now) {
            Ok(()) => Some(Ok(entry.claims.clone())),
            Err(kind) => {
                map.remove(token);
                Some(Err(kind))
            }
        }
    }

    pub(crate) fn insert(
        &self,
        token: &str,
        claims: &Verified<Claims>,
        key: &Arc<Key>,
        source: &Arc<Source>,
    ) {
        if let Some(map) = &self.0 {
            let entry = Entry {
                claims: claims.clone(),
                key: Arc::clone(key),
                source: Arc::clone(source),
                bytes: weight::of(token, claims),
            };
            map.insert(token.into(), Arc::new(entry));
        }
    }

    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.0.as_ref().map_or(0, Cache::len)
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let len = self.0.as_ref().map_or(0, Cache::len);
        f.debug_struct("TokenCache")
            .field("len", &len)
            .finish_non_exhaustive()
    }
}

/// Weighs bytes, and no entry less than its share of them: so one number bounds both.
#[derive(Clone)]
struct Weigh {
    least: u64,
}

impl Weighter<Box<str>, Arc<Entry>> for Weigh {
    fn weight(&self, _: &Box<str>, entry: &Arc<Entry>) -> u64 {
        entry.bytes.max(self.least)
    }
}
