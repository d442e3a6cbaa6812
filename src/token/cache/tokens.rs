//! Tokens with what was read from them.

use std::hash::{Hash, Hasher};

use quick_cache::sync::{Cache, DefaultLifecycle};
use quick_cache::{Equivalent, OptionsBuilder, Weighter};

use crate::time::Timestamp;
use crate::token::claims::Claims;
use crate::token::error::TokenErrorKind;
use crate::token::verified::Verified;

/// A bounded map from token to claims. The claims are shared with the requests; the text of the token goes with
/// its entry.
pub(crate) struct Tokens(Cache<Known, Verified<Claims>, Weigh, foldhash::quality::RandomState>);

impl Tokens {
    pub(super) fn new(entries: usize, bytes: usize) -> Option<Self> {
        let options = OptionsBuilder::new()
            .estimated_items_capacity(entries)
            .weight_capacity(bytes as u64)
            .build();
        // The seed is random: nobody can choose tokens that collide.
        let hasher = foldhash::quality::RandomState::default();
        let least = (bytes / entries.max(1)) as u64;
        let weigh = Weigh { least };
        let lifecycle = DefaultLifecycle::default();
        let cache = Cache::with_options(options.ok()?, weigh, hasher, lifecycle);
        Some(Self(cache))
    }

    /// The claims of a token that is known, `Err` when it is known and no longer valid.
    pub(super) fn get(
        &self,
        token: &[u8],
        now: Timestamp,
    ) -> Option<Result<Verified<Claims>, TokenErrorKind>> {
        let claims = self.0.get(&Sought(token))?;
        if !claims.kept().is_some_and(|kept| kept.signer.still_counts()) {
            self.0.remove(&Sought(token));
            return None;
        }
        match claims.check_time(now) {
            Ok(()) => Some(Ok(claims)),
            Err(kind) => {
                self.0.remove(&Sought(token));
                Some(Err(kind))
            }
        }
    }

    pub(super) fn insert(&self, token: &str, claims: &Verified<Claims>) {
        if claims.kept().is_some() {
            self.0.insert(Known(token.into()), claims.clone());
        }
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}

/// The text of a token that is known.
#[derive(PartialEq, Eq)]
struct Known(Box<str>);

impl Hash for Known {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Sought(self.0.as_bytes()).hash(state);
    }
}

/// The text of a token that may be known.
struct Sought<'t>(&'t [u8]);

/// By its end alone, which is the signature's and as good as random; the whole is compared.
impl Hash for Sought<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let text = self.0;
        state.write(&text[text.len().saturating_sub(END)..]);
    }
}

const END: usize = 64;

impl Equivalent<Known> for Sought<'_> {
    fn equivalent(&self, known: &Known) -> bool {
        *self.0 == *known.0.as_bytes()
    }
}

/// Weighs bytes, and no entry less than its share of them: so one number bounds both.
#[derive(Clone)]
struct Weigh {
    least: u64,
}

impl Weighter<Known, Verified<Claims>> for Weigh {
    fn weight(&self, _: &Known, claims: &Verified<Claims>) -> u64 {
        claims.kept().map_or(0, |kept| kept.bytes).max(self.least)
    }
}
