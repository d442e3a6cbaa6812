use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

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
    /// By the first bits of the id, so that requests of different grants do not wait for one another.
    parts: [Mutex<HashMap<GrantId, Grant>>; PARTS],
    /// Held by whatever starts or forgets grants, before any part.
    index: Mutex<Index>,
    most: usize,
}

const PARTS: usize = 64;

#[derive(Default)]
struct Index {
    all: BTreeSet<Cursor>,
    of_actor: HashMap<IdentityKey, BTreeSet<Cursor>>,
    of_target: HashMap<IdentityKey, BTreeSet<Cursor>>,
}

impl MemoryStore {
    /// A store of at most that many grants, those that ended included; a start beyond them is refused.
    #[must_use]
    pub fn bounded(most: usize) -> Self {
        Self(Arc::new(Shared {
            parts: std::array::from_fn(|_| Mutex::default()),
            index: Mutex::default(),
            most,
        }))
    }

    fn part(&self, id: &GrantId) -> MutexGuard<'_, HashMap<GrantId, Grant>> {
        let first = id.as_bytes().first().copied().unwrap_or_default();
        let part = self.0.parts.get(usize::from(first) % PARTS);
        // The remainder is always a part.
        locked(part.unwrap_or(&self.0.parts[0]))
    }

    fn get(&self, id: &GrantId) -> Option<Grant> {
        self.part(id).get(id).cloned()
    }

    fn start_now(&self, grant: Grant, limit: StartLimit) -> Result<Started, StoreError> {
        let mut index = locked(&self.0.index);
        let of_actor = index.of_actor.get(grant.actor().key());
        let alive: Vec<Grant> = of_actor
            .into_iter()
            .flatten()
            .filter_map(|cursor| self.get(&cursor.id))
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
        if index.all.len() >= self.0.most {
            return Err(StoreError::full());
        }
        let end = End {
            reason: EndReason::Replaced,
            at: limit.now,
            by: Some(grant.actor().key().clone()),
        };
        let end = |other: &Grant| self.end_now(other.id(), end.clone());
        let replaced = replaced.into_iter().filter_map(end);
        let replaced = replaced.filter(|ended| ended.now).map(|ended| ended.grant);
        let replaced = replaced.collect();
        index.insert(&grant);
        self.part(grant.id()).insert(*grant.id(), grant.clone());
        Ok(Started::New(grant, replaced))
    }

    fn end_now(&self, id: &GrantId, end: End) -> Option<Ended> {
        let mut part = self.part(id);
        let grant = part.get_mut(id)?;
        let now = grant.state().end.is_none();
        if now {
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
        let index = locked(&self.0.index);
        let nobody = BTreeSet::new();
        let among = match (&filter.actor, &filter.target) {
            (Some(actor), _) => index.of_actor.get(actor).unwrap_or(&nobody),
            (None, Some(target)) => index.of_target.get(target).unwrap_or(&nobody),
            (None, None) => &index.all,
        };
        let before = page.after;
        let size = page.size.min(Page::MAX);
        let found = among
            .iter()
            .rev()
            .filter(|cursor| before.is_none_or(|before| **cursor < before))
            .filter_map(|cursor| self.get(&cursor.id))
            .filter(|grant| filter.fits(grant));
        found.take(size).collect()
    }

    fn lapsed_now(&self, now: Timestamp) -> Vec<Grant> {
        let mut lapsed = Vec::new();
        for part in &self.0.parts {
            let room = Page::MAX - lapsed.len();
            let part = locked(part);
            let over = |grant: &&Grant| grant.state().end.is_none() && !grant.is_alive_at(now);
            lapsed.extend(part.values().filter(over).take(room).cloned());
        }
        lapsed
    }

    fn forget_now(&self, ended_before: Timestamp) -> u64 {
        let mut index = locked(&self.0.index);
        let mut forgotten = 0;
        for part in &self.0.parts {
            locked(part).retain(|_, grant| {
                let end = grant.state().end.as_ref();
                let old = end.is_some_and(|end| end.at < ended_before);
                if old {
                    index.remove(grant);
                    forgotten += 1;
                }
                !old
            });
        }
        forgotten
    }
}

impl Index {
    fn insert(&mut self, grant: &Grant) {
        let cursor = Cursor::from(grant);
        self.all.insert(cursor);
        let (actor, target) = (grant.actor().key(), grant.target().key());
        { self.of_actor.entry(actor.clone()).or_default() }.insert(cursor);
        { self.of_target.entry(target.clone()).or_default() }.insert(cursor);
    }

    fn remove(&mut self, grant: &Grant) {
        let cursor = Cursor::from(grant);
        self.all.remove(&cursor);
        let own = [
            (&mut self.of_actor, grant.actor().key()),
            (&mut self.of_target, grant.target().key()),
        ];
        for (of, key) in own {
            if let Some(cursors) = of.get_mut(key) {
                cursors.remove(&cursor);
                if cursors.is_empty() {
                    of.remove(key);
                }
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
        self.change(id, |state, _| {
            if state.end.is_none() {
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
        Answer::now(Ok(self.end_now(id, end)))
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
            .field("grants", &locked(&self.0.index).all.len())
            .finish_non_exhaustive()
    }
}
