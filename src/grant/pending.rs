use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::grant::{End, Grant, State};
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
    /// How many ask the store for it at this moment.
    asking: usize,
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

    /// The first end stays.
    pub(super) fn add(&self, id: GrantId, end: End) -> Asking<'_> {
        let mut ends = self.locked();
        let waiting = ends.entry(id).or_insert(Waiting { end, asking: 0 });
        waiting.asking += 1;
        self.count.store(ends.len(), Ordering::Release);
        Asking { pending: self, id }
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

    /// Those for which nobody asks the store at this moment.
    pub(super) fn left(&self) -> Vec<(GrantId, End)> {
        if self.is_empty() {
            return Vec::new();
        }
        let ends = self.locked();
        ends.iter()
            .filter(|(_, waiting)| waiting.asking == 0)
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
