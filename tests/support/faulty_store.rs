//! Fakes for faults: a store of grants that fails as it is told, and one that answers with other rows.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::collections::HashSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tower_impersonate::answer::Answer;
use tower_impersonate::grant::{
    End, Ended, Filter, Grant, GrantStore, MemoryStore, Page, StartLimit, Started, StoreError,
    memory,
};
use tower_impersonate::terms::GrantId;
use tower_impersonate::time::Timestamp;

use crate::support::expect::Fault;

/// A transition, by which it is told what fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Step {
    Start,
    /// It fails after it kept the grant.
    StartIsKept,
    Find,
    End,
    List,
}

pub const STEPS: [Step; 4] = [Step::Start, Step::Find, Step::End, Step::List];

/// A store in memory that fails in some of its steps.
#[derive(Clone)]
pub struct FaultyStore {
    pub inner: MemoryStore,
    fails: Arc<Mutex<(HashSet<Step>, Fault)>>,
    instead: Arc<Mutex<Option<Grant>>>,
    pub asked: Arc<AtomicUsize>,
}

impl FaultyStore {
    pub fn new() -> Self {
        Self {
            inner: memory(),
            fails: Arc::new(Mutex::new((HashSet::new(), Fault::Errs))),
            instead: Arc::default(),
            asked: Arc::default(),
        }
    }

    /// From now on these steps fail so, and no others.
    pub fn fails(&self, steps: impl IntoIterator<Item = Step>, fault: Fault) {
        *self.fails.lock().unwrap() = (steps.into_iter().collect(), fault);
    }

    pub fn is_well(&self) {
        self.fails([], Fault::Errs);
    }

    /// From now on whoever looks for a grant is given this one.
    pub fn answers_with(&self, grant: Option<Grant>) {
        *self.instead.lock().unwrap() = grant;
    }

    fn step<T: Send + 'static>(
        &self,
        step: Step,
        done: impl FnOnce() -> Answer<Result<T, StoreError>>,
    ) -> Answer<Result<T, StoreError>> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let (steps, fault) = self.fails.lock().unwrap().clone();
        if !steps.contains(&step) {
            return done();
        }
        match fault {
            Fault::Errs => Answer::now(Err(StoreError::unavailable("the database is gone"))),
            Fault::Panics => panic!("a store that panics"),
            Fault::NeverAnswers => Answer::later(std::future::pending()),
        }
    }
}

impl GrantStore for FaultyStore {
    fn start(&self, grant: Grant, limit: StartLimit) -> Answer<Result<Started, StoreError>> {
        let keep = || self.inner.start(grant, limit);
        if self.fails.lock().unwrap().0.contains(&Step::StartIsKept) {
            drop(keep());
            return self.step(Step::StartIsKept, || unreachable!("it fails"));
        }
        self.step(Step::Start, keep)
    }

    fn find(&self, id: &GrantId) -> Answer<Result<Option<Grant>, StoreError>> {
        let instead = self.instead.lock().unwrap().clone();
        self.step(Step::Find, || match instead {
            Some(other) => Answer::now(Ok(Some(other))),
            None => self.inner.find(id),
        })
    }

    fn used(&self, id: &GrantId, at: Timestamp) -> Answer<Result<(), StoreError>> {
        self.inner.used(id, at)
    }

    fn extend(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Grant>, StoreError>> {
        self.inner.extend(id, deadline, now)
    }

    fn end(&self, id: &GrantId, end: End) -> Answer<Result<Option<Ended>, StoreError>> {
        self.step(Step::End, || self.inner.end(id, end))
    }

    fn list(&self, filter: &Filter, page: &Page) -> Answer<Result<Vec<Grant>, StoreError>> {
        self.step(Step::List, || self.inner.list(filter, page))
    }

    fn lapsed(&self, now: Timestamp) -> Answer<Result<Vec<Grant>, StoreError>> {
        self.inner.lapsed(now)
    }

    fn forget(&self, ended_before: Timestamp) -> Answer<Result<u64, StoreError>> {
        self.inner.forget(ended_before)
    }
}
