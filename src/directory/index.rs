use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use foldhash::quality::RandomState;

use crate::directory::LookupError;
use crate::identity::{Identity, IdentityKey};

/// People by one text each, a `sub` or a name; the same text may name people of several issuers.
///
/// It is split, so that no lock is shared by all requests. No lock is held longer than it takes to
/// read or change one entry.
#[derive(Default)]
pub(super) struct Index {
    shards: [Shard; 16],
}

// What is kept comes from the application; seeded at random, as the standard's hasher is, and quicker.
type Shard = RwLock<HashMap<Box<str>, Vec<Identity>, RandomState>>;

impl Index {
    /// The one person of that text at that issuer.
    pub(super) fn find(&self, issuer: &str, text: &str) -> Result<Identity, LookupError> {
        let people = self
            .shard(text)
            .read()
            .unwrap_or_else(PoisonError::into_inner);
        let bearers = people.get(text).map_or(&[][..], Vec::as_slice);
        let mut there = bearers.iter().filter(|one| one.issuer() == issuer);
        match (there.next(), there.next()) {
            (None, _) => Err(LookupError::not_found()),
            (Some(one), None) => Ok(one.clone()),
            (Some(_), Some(_)) => Err(LookupError::ambiguous()),
        }
    }

    /// Adds somebody, or replaces who has the same key.
    pub(super) fn put(&self, text: &str, identity: Identity) -> Option<Identity> {
        let mut people = self
            .shard(text)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let bearers = people.entry(text.into()).or_default();
        let known = bearers
            .iter_mut()
            .find(|known| known.key() == identity.key());
        if let Some(known) = known {
            return Some(std::mem::replace(known, identity));
        }
        bearers.push(identity);
        None
    }

    pub(super) fn remove(&self, text: &str, key: &IdentityKey) -> Option<Identity> {
        let mut people = self
            .shard(text)
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let bearers = people.get_mut(text)?;
        let at = bearers.iter().position(|known| known.key() == key)?;
        let removed = bearers.swap_remove(at);
        if bearers.is_empty() {
            people.remove(text);
        }
        Some(removed)
    }

    /// By the last letters: they differ where texts are many, and nothing has to be hashed for it.
    fn shard(&self, text: &str) -> &Shard {
        let letters = text.bytes().rev().take(2);
        let mixed = letters.fold(0_usize, |mixed, letter| mixed * 7 + usize::from(letter));
        &self.shards[mixed % self.shards.len()]
    }
}
