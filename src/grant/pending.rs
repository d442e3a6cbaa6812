use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::grant::{End, Grant, State};
use crate::terms::GrantId;

/// Ends that the store has not kept yet. For this process they are ends already.
#[derive(Debug, Default)]
pub(super) struct Pending {
    ends: Mutex<HashMap<GrantId, End>>,
    /// How many there are, because there is hardly ever one.
    count: AtomicUsize,
}

impl Pending {
    pub(super) fn is_empty(&self) -> bool {
        self.count.load(Ordering::Acquire) == 0
    }

    /// The first end stays.
    pub(super) fn add(&self, id: GrantId, end: End) {
        let mut ends = self.locked();
        ends.entry(id).or_insert(end);
        self.count.store(ends.len(), Ordering::Release);
    }

    pub(super) fn remove(&self, id: &GrantId) {
        let mut ends = self.locked();
        ends.remove(id);
        self.count.store(ends.len(), Ordering::Release);
    }

    pub(super) fn all(&self) -> Vec<(GrantId, End)> {
        if self.is_empty() {
            return Vec::new();
        }
        let ends = self.locked();
        ends.iter().map(|(id, end)| (*id, end.clone())).collect()
    }

    /// The grant, ended if it is to be.
    pub(super) fn apply(&self, grant: Grant) -> Grant {
        if grant.state().end.is_some() || self.is_empty() {
            return grant;
        }
        let Some(end) = self.locked().get(grant.id()).cloned() else {
            return grant;
        };
        let state = State {
            end: Some(end),
            ..grant.state().clone()
        };
        Grant::new(Arc::clone(grant.start()), state)
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<GrantId, End>> {
        self.ends.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
