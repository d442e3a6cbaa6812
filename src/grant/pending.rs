use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::grant::{End, Grant, State};
use crate::identity::IdentityKey;
use crate::terms::GrantId;

/// Ends that the store has not kept yet. For this process they are ends already.
#[derive(Debug, Default)]
pub(super) struct Pending {
    ends: Mutex<HashMap<GrantId, Waiting>>,
    /// How many there are, because there is hardly ever one.
    count: AtomicUsize,
}

#[derive(Debug)]
struct Waiting {
    end: End,
    sight: Sight,
    /// How many ask the store for it at this moment.
    asking: usize,
}

/// Whether somebody saw that there is such a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Sight {
    Seen,
    /// The store was silent, and whoever asked may have made up its id.
    Unseen,
}

/// Somebody asks the store for an end, until dropped: whoever waits for the store may leave before it answers.
#[derive(Debug)]
pub(super) struct Asking<'p> {
    pending: &'p Pending,
    id: GrantId,
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.pending.locked().get_mut(&self.id) {
            waiting.asking = waiting.asking.saturating_sub(1);
        }
    }
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The first end stays. `None` where too many wait already that nobody saw.
    pub(super) fn add(&self, id: GrantId, end: End, sight: Sight) -> Option<Asking<'_>> {
        let mut ends = self.locked();
        if sight == Sight::Unseen && !ends.contains_key(&id) {
            let by_the_same = |by: Option<&IdentityKey>| by == end.by.as_ref();
            let (mut all, mut of_one) = (0, 0);
            for waiting in ends.values().filter(|other| other.sight == Sight::Unseen) {
                all += 1;
                of_one += usize::from(by_the_same(waiting.end.by.as_ref()));
            }
            if all >= MOST_UNSEEN || of_one >= MOST_UNSEEN_BY_ONE {
                return None;
            }
        }
        let waiting = ends.entry(id).or_insert(Waiting {
            end,
            sight,
            asking: 0,
        });
        waiting.sight = waiting.sight.min(sight);
        waiting.asking += 1;
        self.count.store(ends.len(), Ordering::Release);
        Some(Asking { pending: self, id })
    }

    /// Whether it was there.
    pub(super) fn remove(&self, id: &GrantId) -> bool {
        let mut ends = self.locked();
        let removed = ends.remove(id).is_some();
        self.count.store(ends.len(), Ordering::Release);
        removed
    }

    pub(super) fn contains(&self, id: &GrantId) -> bool {
        !self.is_empty() && self.locked().contains_key(id)
    }

    /// Those for which nobody asks the store at this moment; first those that somebody saw.
    pub(super) fn left(&self) -> Vec<(GrantId, End)> {
        if self.is_empty() {
            return Vec::new();
        }
        let ends = self.locked();
        let mut left: Vec<_> = { ends.iter() }
            .filter(|(_, waiting)| waiting.asking == 0)
            .collect();
        left.sort_by_key(|(_, waiting)| (waiting.sight, waiting.end.at));
        left.into_iter()
            .map(|(id, waiting)| (*id, waiting.end.clone()))
            .collect()
    }

    /// The grant, ended if it is to be.
    pub(super) fn apply(&self, grant: Grant) -> Grant {
        if grant.state().end.is_some() || self.is_empty() {
            return grant;
        }
        let ends = self.locked();
        let Some(waiting) = ends.get(grant.id()) else {
            return grant;
        };
        let state = State {
            end: Some(waiting.end.clone()),
            ..grant.state().clone()
        };
        Grant::new(Arc::clone(grant.start()), state)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<GrantId, Waiting>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A person has one grant; who asks more often made them up.
const MOST_UNSEEN_BY_ONE: usize = 8;
const MOST_UNSEEN: usize = 1_000;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::EndReason;
    use crate::time::Timestamp;

    fn id(number: u16) -> GrantId {
        let mut bytes = [0; 32];
        bytes[..2].copy_from_slice(&number.to_be_bytes());
        GrantId::from_bytes(bytes)
    }

    fn end(by: &str) -> End {
        End {
            reason: EndReason::Stopped,
            at: Timestamp::from_unix_seconds(0),
            by: Some(IdentityKey::new("https://issuer.example.com", by)),
        }
    }

    #[test]
    fn what_nobody_saw_is_bounded_and_comes_last() {
        let pending = Pending::default();
        let unseen = |number, by: &str| pending.add(id(number), end(by), Sight::Unseen).is_some();
        for number in 0..8 {
            assert!(unseen(number, "mallory"));
        }
        assert!(!unseen(8, "mallory"), "of one actor");
        assert!(unseen(7, "mallory"), "the same once more");
        let mut number = 8;
        while unseen(number, &number.to_string()) {
            number += 1;
        }
        assert_eq!(number, 1_000);
        // What was seen always counts, and is the first to be kept.
        assert!(pending.add(id(2_000), end("carol"), Sight::Seen).is_some());
        assert!(pending.add(id(500), end("carol"), Sight::Seen).is_some());
        assert!(unseen(number, "dora"), "one of them turned out to be real");
        let first: Vec<_> = pending
            .left()
            .into_iter()
            .take(2)
            .map(|(id, _)| id)
            .collect();
        assert!(first.contains(&id(2_000)) && first.contains(&id(500)));
        pending.remove(&id(0));
        assert!(unseen(3_000, "mallory"), "there is room again");
    }
}
