//! Tokens that have been verified, found again by their whole text, or by its digest.
//!
//! Rules: a permission is never kept here, and neither is a refusal. An entry counts only as long as its
//! token's times do, its key is still published, and the issuer's keys have not come to their end. With digests nothing
//! of the claims is kept: a text that was verified is read and judged anew.
//!
//! Caveat: bounds are those of the whole, and kept in parts; what is pushed out early is verified again.
//!
//! ```
//! use tower_impersonate::token::CacheLimits;
//!
//! assert_ne!(CacheLimits::new(1_000, 4 << 20), CacheLimits::digests(1_000));
//! assert_eq!(CacheLimits::new(0, 4 << 20), CacheLimits::digests(0), "no cache");
//! ```

mod digests;
mod kept;
mod limits;
mod tokens;

use std::fmt;
use std::sync::Arc;

use crate::time::Timestamp;
use crate::token::cache::digests::Digests;
use crate::token::cache::limits::Mode;
use crate::token::cache::tokens::Tokens;
use crate::token::claims::Claims;
use crate::token::compact::{Compact, text};
use crate::token::error::TokenErrorKind;
use crate::token::keys::{Key, Source};
use crate::token::verified::Verified;

pub(crate) use self::digests::Digest;
use self::kept::Signer;
pub(crate) use self::kept::{Keep, Kept};
pub use self::limits::CacheLimits;

/// A bounded memory of tokens.
pub(crate) enum TokenCache {
    Off,
    Tokens(Tokens),
    Digests(Digests),
}

/// What is known of a token.
pub(crate) enum Found<'t> {
    /// What it says; `Err` when that is no longer valid.
    Claims(Result<Verified<Claims>, TokenErrorKind>),
    /// That its text was verified, and nothing else.
    Signed(&'t str, Signed),
    Nothing(Place),
}

/// The proof that a text was verified, by a key that is still published.
pub(crate) struct Signed(Digest);

/// Where a token goes that is not known yet.
#[derive(Clone, Copy)]
pub(crate) enum Place {
    Nowhere,
    Tokens,
    Digests(Digest),
}

impl TokenCache {
    pub(crate) fn new(limits: CacheLimits) -> Self {
        let cache = match limits.mode() {
            Mode::Off => None,
            Mode::Tokens { entries, bytes } => Tokens::new(entries, bytes).map(Self::Tokens),
            Mode::Digests { entries } => Digests::new(entries).map(Self::Digests),
        };
        cache.unwrap_or(Self::Off)
    }

    pub(crate) fn find<'t>(&self, token: &'t [u8], now: Timestamp) -> Found<'t> {
        match self {
            Self::Off => Found::Nothing(Place::Nowhere),
            Self::Tokens(tokens) => match tokens.get(token, now) {
                Some(claims) => Found::Claims(claims),
                None => Found::Nothing(Place::Tokens),
            },
            Self::Digests(digests) => {
                // What is not even three parts is not hashed.
                let whole = |token: &&str| Compact::split(token).is_some();
                let Some(token) = text(token).ok().filter(whole) else {
                    return Found::Nothing(Place::Nowhere);
                };
                let digest = Digest::of(token);
                match digests.has(digest) {
                    true => Found::Signed(token, Signed(digest)),
                    false => Found::Nothing(Place::Digests(digest)),
                }
            }
        }
    }

    pub(crate) fn insert(
        &self,
        place: Place,
        token: &str,
        claims: &Verified<Claims>,
        (key, source): (&Arc<Key>, &Arc<Source>),
    ) {
        match (self, place) {
            (Self::Tokens(tokens), Place::Tokens) => tokens.insert(token, claims),
            (Self::Digests(digests), Place::Digests(digest)) => {
                digests.insert(digest, Signer::new(key, source));
            }
            _ => {}
        }
    }

    /// What is to be kept with the claims of a token.
    pub(crate) fn keep<'a>(
        place: Place,
        token: &'a str,
        key: &'a Arc<Key>,
        source: &'a Arc<Source>,
    ) -> Option<Keep<'a>> {
        matches!(place, Place::Tokens).then_some(Keep { token, key, source })
    }

    /// Forgets that a text was verified.
    pub(crate) fn remove(&self, signed: &Signed) {
        if let Self::Digests(digests) = self {
            digests.remove(signed.0);
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Off => 0,
            Self::Tokens(tokens) => tokens.len(),
            Self::Digests(digests) => digests.len(),
        }
    }
}

impl fmt::Debug for TokenCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenCache")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
