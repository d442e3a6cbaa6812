//! One contract, every store.

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use tower_impersonate::grant::{self, MemoryStore};
use tower_impersonate::testing::{StoreToTest, assert_grant_store};

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn memory() {
    assert_grant_store(|| {
        let store = MemoryStore::bounded(300);
        let same = store.clone();
        StoreToTest::new(store)
            .holds(300)
            .reopened_by(move || same.clone())
    })
    .await;
    // With nothing else known of it.
    assert_grant_store(grant::memory).await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn sqlite() {
    let folder = sinks::Folder::new();
    let number = std::sync::atomic::AtomicUsize::new(0);
    assert_grant_store(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.sqlite"));
        let open = move || {
            let busy = std::time::Duration::from_secs(5);
            grant::sqlite(&path).busy_timeout(busy).most(300)
        };
        StoreToTest::new(open()).holds(300).reopened_by(open)
    })
    .await;
}

/// A store that wakes what ended, forgets limits and gives pages twice: the suite says so, row by row.
mod broken {
    use std::time::Duration;

    use tower_impersonate::answer::Answer;
    use tower_impersonate::grant::{
        End, Ended, Filter, Grant, GrantStore, MemoryStore, Page, StartLimit, Started, StoreError,
    };
    use tower_impersonate::terms::GrantId;
    use tower_impersonate::time::Timestamp;

    #[derive(Clone, Copy, PartialEq)]
    pub(super) enum Fault {
        None,
        StartsWithoutLimit,
        EndsTwice,
        ExtendsTooFar,
        ListsWithoutCursor,
        LapsesTooEarly,
        ForgetsTooMuch,
        KeepsWhatEnded,
    }

    pub(super) struct Broken(pub(super) MemoryStore, pub(super) Fault);

    impl GrantStore for Broken {
        fn start(&self, grant: Grant, limit: StartLimit) -> Answer<Result<Started, StoreError>> {
            let per_actor = match self.1 {
                Fault::StartsWithoutLimit => usize::MAX,
                _ => limit.per_actor,
            };
            let keep_ended = match self.1 {
                Fault::KeepsWhatEnded => usize::MAX,
                _ => limit.keep_ended,
            };
            let limit = StartLimit {
                per_actor,
                keep_ended,
                ..limit
            };
            self.0.start(grant, limit)
        }

        fn find(&self, id: &GrantId) -> Answer<Result<Option<Grant>, StoreError>> {
            self.0.find(id)
        }

        fn used(&self, id: &GrantId, at: Timestamp) -> Answer<Result<(), StoreError>> {
            self.0.used(id, at)
        }

        fn extend(
            &self,
            id: &GrantId,
            deadline: Timestamp,
            now: Timestamp,
        ) -> Answer<Result<Option<Grant>, StoreError>> {
            let extended = self.0.extend(id, deadline, now);
            if self.1 != Fault::ExtendsTooFar {
                return extended;
            }
            extended.map(move |extended| {
                let state = |grant: &Grant| {
                    let mut state = grant.state().clone();
                    state.deadline = deadline;
                    state
                };
                Ok(extended?.map(|grant| Grant::new(grant.start().clone(), state(&grant))))
            })
        }

        fn end(&self, id: &GrantId, end: End) -> Answer<Result<Option<Ended>, StoreError>> {
            let twice = self.1 == Fault::EndsTwice;
            self.0.end(id, end).map(move |ended| {
                Ok(ended?.map(|ended| Ended {
                    now: ended.now || twice,
                    ..ended
                }))
            })
        }

        fn list(&self, filter: &Filter, page: &Page) -> Answer<Result<Vec<Grant>, StoreError>> {
            let mut page = *page;
            if let (Fault::ListsWithoutCursor, Some(after)) = (self.1, &mut page.after) {
                // The order of the ids is left out: what started at one moment comes again, or never.
                after.id = GrantId::from_bytes([0; 32]);
            }
            self.0.list(filter, &page)
        }

        fn lapsed(&self, now: Timestamp) -> Answer<Result<Vec<Grant>, StoreError>> {
            let early = Duration::from_secs(u64::from(self.1 == Fault::LapsesTooEarly));
            self.0.lapsed(now.saturating_add(early))
        }

        fn forget(&self, ended_before: Timestamp) -> Answer<Result<u64, StoreError>> {
            let more = Duration::from_secs(u64::from(self.1 == Fault::ForgetsTooMuch));
            self.0.forget(ended_before.saturating_add(more))
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_names_what_a_store_breaks() {
    use broken::{Broken, Fault};
    for (fault, rows) in [
        (Fault::None, &[][..]),
        (
            Fault::StartsWithoutLimit,
            &["a_person_has_one", "one_of_many_starts_wins"],
        ),
        (
            Fault::EndsTwice,
            &["the_first_end_stays", "one_of_many_ends_wins"],
        ),
        (
            Fault::ExtendsTooFar,
            &["an_extension_stops_at_the_latest_moment"],
        ),
        (
            Fault::ListsWithoutCursor,
            &["pages_have_no_gap_and_nothing_twice"],
        ),
        (
            Fault::LapsesTooEarly,
            &["what_lapsed_is_told_until_it_is_ended"],
        ),
        (Fault::ForgetsTooMuch, &["what_ended_long_ago_is_forgotten"]),
        (
            Fault::KeepsWhatEnded,
            &["an_actor_keeps_so_many_that_ended"],
        ),
    ] {
        let suite = tokio::spawn(assert_grant_store(move || {
            Broken(MemoryStore::bounded(10_000), fault)
        }));
        match suite.await {
            Ok(()) => assert!(rows.is_empty(), "{rows:?}"),
            Err(failed) => {
                let told = failed.into_panic().downcast::<String>().unwrap();
                assert!(!rows.is_empty(), "{told}");
                for row in rows {
                    assert!(told.contains(&format!("\n{row}: ")), "{row}: {told}");
                }
            }
        }
    }
}

#[test]
fn its_types_can_be_shared_shown_and_cloned_as_it_fits() {
    fn cloned<T: Clone + Send + Sync + std::fmt::Debug + 'static>() {}
    fn error<T: std::error::Error + Send + Sync + 'static>() {}
    cloned::<StoreToTest>();
    cloned::<tower_impersonate::testing::TestGrant>();
    cloned::<MemoryStore>();
    error::<tower_impersonate::grant::StartError>();
    #[cfg(feature = "sqlite")]
    cloned::<grant::sqlite::SqliteStore>();
}
