mod index;

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use self::index::{Index, List};
use crate::answer::Answer;
use crate::grant::{
    Cursor, End, Ended, Filter, Grant, GrantStore, Others, Page, StartLimit, Started, State,
    StoreError,
};
use crate::identity::IdentityKey;
use crate::terms::{EndReason, GrantId};
use crate::time::Timestamp;

/// Keeps grants in this process: they are gone when it ends, and no other process sees them.
///
/// For one process, tests and trying out. At most 100,000 grants; [`MemoryStore::bounded`] says
/// otherwise.
#[must_use]
pub fn memory() -> MemoryStore {
    MemoryStore::bounded(100_000)
}

/// The store made by [`memory`].
#[derive(Clone)]
pub struct MemoryStore(Arc<Shared>);

struct Shared {
    /// By the first byte of the id, so that requests of different grants do not wait for one another.
    /// Held for one grant at a time, and after the index where both are.
    parts: [Mutex<HashMap<GrantId, Grant>>; PARTS],
    /// Held by whatever starts, ends, lists or forgets, for a portion of the grants at a time. A request
    /// under a grant does not need it.
    index: Mutex<Index>,
    most: usize,
}

/// As many as a byte has values.
const PARTS: usize = 256;

/// How many grants are looked at while the index is held.
const PORTION: usize = 128;

impl MemoryStore {
    /// A store of at most that many grants, those that ended included; a start beyond them forgets one that
    /// ended, and is refused where there is none.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self(Arc::new(Shared {
            parts: std::array::from_fn(|_| Mutex::default()),
            index: Mutex::default(),
            most,
        }))
    }

    fn part(&self, id: &GrantId) -> MutexGuard<'_, HashMap<GrantId, Grant>> {
        let [first, ..] = id.as_bytes();
        // There is a part for every byte.
        let part = self.0.parts.get(usize::from(*first));
        locked(part.unwrap_or(&self.0.parts[0]))
    }

    fn get(&self, id: &GrantId) -> Option<Grant> {
        self.part(id).get(id).cloned()
    }

    fn start_now(&self, grant: Grant, limit: StartLimit) -> Result<Started, StoreError> {
        let mut index = locked(&self.0.index);
        if self.part(grant.id()).contains_key(grant.id()) {
            return Err(StoreError::unavailable("there is a grant of that id"));
        }
        let alive: Vec<Grant> = { index.unended_of(grant.actor().key()) }
            .filter_map(|cursor| self.get(&cursor.id))
            .filter(|other| other.actor().key() == grant.actor().key())
            .filter(|other| other.is_alive_at(limit.now))
            .collect();
        let is_same = |other: &Grant| other.target().key() == grant.target().key();
        let same = alive.iter().find(|other| is_same(other));
        let replaced = match limit.others {
            Others::Stay => {
                if let Some(same) = same {
                    return Ok(Started::Same(same.clone()));
                }
                match alive.first() {
                    Some(other) if alive.len() >= limit.per_actor => {
                        return Ok(Started::TooMany(other.clone()));
                    }
                    _ => Vec::new(),
                }
            }
            Others::Replaced => limit.replaces(&alive, is_same),
        };
        let keep = limit.keep_ended.saturating_sub(replaced.len());
        self.make_room(&mut index, grant.actor().key(), keep)?;
        let end = End {
            reason: EndReason::Replaced,
            at: limit.now,
            by: Some(grant.actor().key().clone()),
        };
        let end = |other: &Grant| self.end_in(&mut index, other.id(), end.clone());
        let replaced = replaced.into_iter().filter_map(end);
        let replaced = replaced.filter(|ended| ended.now).map(|ended| ended.grant);
        let replaced = replaced.collect();
        index.insert(&grant);
        self.part(grant.id()).insert(*grant.id(), grant.clone());
        Ok(Started::New(grant, replaced))
    }

    /// Room for one more, of an actor of which so many that ended are kept.
    fn make_room(
        &self,
        index: &mut Index,
        actor: &IdentityKey,
        keep: usize,
    ) -> Result<(), StoreError> {
        let ended: Vec<Cursor> = index.ended_of(actor).copied().collect();
        let beyond = ended.len().saturating_sub(keep);
        for Cursor { id, .. } in ended.into_iter().take(beyond) {
            let grant = self.get(&id);
            let own = grant.filter(|grant| grant.actor().key() == actor);
            if let Some(end) = own.and_then(|grant| grant.state().end.clone()) {
                self.forget_in(index, end.at, &id);
            }
        }
        if index.len() < self.0.most {
            return Ok(());
        }
        let (at, id) = index.first_ended().ok_or_else(StoreError::full)?;
        self.forget_in(index, at, &id);
        Ok(())
    }

    /// Whether it was there.
    fn forget_in(&self, index: &mut Index, at: Timestamp, id: &GrantId) -> bool {
        let gone = self.part(id).remove(id);
        index.remove(at, id, gone.as_ref());
        gone.is_some()
    }

    fn end_in(&self, index: &mut Index, id: &GrantId, end: End) -> Option<Ended> {
        let mut part = self.part(id);
        let grant = part.get_mut(id)?;
        let now = grant.state().end.is_none();
        if now {
            index.ended(grant, end.at);
            let state = State {
                end: Some(end),
                ..grant.state().clone()
            };
            *grant = Grant::new(Arc::clone(grant.start()), state);
        }
        Some(Ended {
            grant: grant.clone(),
            now,
        })
    }

    fn change(&self, id: &GrantId, change: impl FnOnce(&mut State, &Grant)) -> Option<Grant> {
        let mut part = self.part(id);
        let grant = part.get_mut(id)?;
        let mut state = grant.state().clone();
        change(&mut state, grant);
        *grant = Grant::new(Arc::clone(grant.start()), state);
        Some(grant.clone())
    }

    fn list_now(&self, filter: &Filter, page: &Page) -> Vec<Grant> {
        let size = page.size.min(Page::MAX);
        let mut list = List::new(&locked(&self.0.index), filter, page.after);
        let mut found = Vec::new();
        while found.len() < size {
            let portion = list.portion(&locked(&self.0.index), PORTION);
            if portion.is_empty() {
                break;
            }
            let grants = portion.iter().filter_map(|cursor| self.get(&cursor.id));
            found.extend(grants.filter(|grant| filter.fits(grant)));
        }
        found.truncate(size);
        found
    }

    fn lapsed_now(&self, now: Timestamp) -> Vec<Grant> {
        let (mut lapsed, mut after) = (Vec::new(), None);
        while lapsed.len() < Page::MAX {
            let mut index = locked(&self.0.index);
            let portion = index.over(now, after, PORTION.min(Page::MAX - lapsed.len()));
            let Some(last) = portion.last() else { break };
            after = Some(*last);
            for (at, id) in portion {
                let grant = self.get(&id).filter(|grant| grant.state().end.is_none());
                let own = grant.as_ref().and_then(|grant| grant.end_at(now));
                if own.is_some() {
                    lapsed.extend(grant);
                } else {
                    // It was used or extended since.
                    index.over_later(at, &id, grant.as_ref());
                }
            }
        }
        lapsed
    }

    fn forget_now(&self, ended_before: Timestamp) -> u64 {
        let mut forgotten = 0;
        loop {
            let mut index = locked(&self.0.index);
            let old = index.ended_before(ended_before, PORTION);
            if old.is_empty() {
                return forgotten;
            }
            for (at, id) in old {
                forgotten += u64::from(self.forget_in(&mut index, at, &id));
            }
        }
    }
}

impl GrantStore for MemoryStore {
    fn start(&self, grant: Grant, limit: StartLimit) -> Answer<Result<Started, StoreError>> {
        Answer::now(self.start_now(grant, limit))
    }

    fn find(&self, id: &GrantId) -> Answer<Result<Option<Grant>, StoreError>> {
        Answer::now(Ok(self.get(id)))
    }

    fn used(&self, id: &GrantId, at: Timestamp) -> Answer<Result<(), StoreError>> {
        self.change(id, |state, grant| {
            if grant.is_alive_at(at) {
                state.last_used_at = state.last_used_at.max(at);
            }
        });
        Answer::now(Ok(()))
    }

    fn extend(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Grant>, StoreError>> {
        let extended = self.change(id, |state, grant| {
            if grant.is_alive_at(now) {
                state.deadline = state.deadline.max(deadline.min(grant.latest()));
            }
        });
        Answer::now(Ok(extended))
    }

    fn end(&self, id: &GrantId, end: End) -> Answer<Result<Option<Ended>, StoreError>> {
        let mut index = locked(&self.0.index);
        Answer::now(Ok(self.end_in(&mut index, id, end)))
    }

    fn list(&self, filter: &Filter, page: &Page) -> Answer<Result<Vec<Grant>, StoreError>> {
        Answer::now(Ok(self.list_now(filter, page)))
    }

    fn lapsed(&self, now: Timestamp) -> Answer<Result<Vec<Grant>, StoreError>> {
        Answer::now(Ok(self.lapsed_now(now)))
    }

    fn forget(&self, ended_before: Timestamp) -> Answer<Result<u64, StoreError>> {
        Answer::now(Ok(self.forget_now(ended_before)))
    }

    fn poll_interval(&self) -> Option<Duration> {
        None
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore")
            .field("grants", &locked(&self.0.index).len())
            .finish_non_exhaustive()
    }
}
