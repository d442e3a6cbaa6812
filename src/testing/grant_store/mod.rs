mod ends;
mod lists;
mod outcome;
mod races;
mod reopened;
mod starts;
mod sweeps;

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

use self::outcome::Outcome;
use crate::grant::GrantStore;

/// A fresh, empty store, and what else is known of it, for [`assert_grant_store`].
#[derive(Clone)]
pub struct StoreToTest {
    store: Arc<dyn GrantStore>,
    reopen: Option<Arc<dyn Fn() -> Arc<dyn GrantStore> + Send + Sync>>,
    holds: Option<usize>,
}

impl StoreToTest {
    /// A store that holds nothing yet.
    #[must_use]
    pub fn new(store: impl GrantStore + 'static) -> Self {
        Self {
            store: Arc::new(store),
            reopen: None,
            holds: None,
        }
    }

    /// Another handle on the same grants, as another process would open it.
    #[must_use]
    pub fn reopened_by<S: GrantStore + 'static>(
        self,
        reopen: impl Fn() -> S + Send + Sync + 'static,
    ) -> Self {
        Self {
            reopen: Some(Arc::new(move || Arc::new(reopen()))),
            ..self
        }
    }

    /// It refuses to hold more than so many that nobody ended, at least 300.
    #[must_use]
    pub fn holds(self, grants: usize) -> Self {
        Self {
            holds: Some(grants),
            ..self
        }
    }

    /// Another handle, or the same one.
    fn again(&self) -> Arc<dyn GrantStore> {
        let reopen = self.reopen.as_ref();
        reopen.map_or_else(|| Arc::clone(&self.store), |reopen| reopen())
    }
}

impl<S: GrantStore + 'static> From<S> for StoreToTest {
    fn from(store: S) -> Self {
        Self::new(store)
    }
}

impl fmt::Debug for StoreToTest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreToTest")
            .field("reopens", &self.reopen.is_some())
            .field("holds", &self.holds)
            .finish_non_exhaustive()
    }
}

/// Holds a store to the contract of [`GrantStore`].
///
/// `make` gives a store that is fresh and empty, once for every row. Rows that need a second handle, or a
/// bound, are about the store itself where it says nothing of them. Call it in a runtime of several
/// threads: some rows are races.
///
/// # Panics
///
/// With the names of all rows that do not hold, and what each of them saw.
///
/// ```
/// use tower_impersonate::grant::{self, MemoryStore};
/// use tower_impersonate::testing::{StoreToTest, assert_grant_store};
///
/// # #[tokio::main]
/// # async fn main() {
/// assert_grant_store(|| {
///     let store = MemoryStore::bounded(300);
///     let same = store.clone();
///     StoreToTest::new(store).holds(300).reopened_by(move || same.clone())
/// })
/// .await;
/// # }
/// ```
pub async fn assert_grant_store<T: Into<StoreToTest>>(make: impl Fn() -> T) {
    let mut wrong = Vec::new();
    for (name, row) in rows() {
        let store: StoreToTest = make().into();
        if let Err(saw) = store.store.check() {
            wrong.push(format!("{name}: the store is not ready: {saw}"));
        } else if let Err(saw) = row(store).await {
            wrong.push(format!("{name}: {saw}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "the store breaks {} of {} rows of the contract:\n{}",
        wrong.len(),
        rows().count(),
        wrong.join("\n")
    );
}

type Row = (
    &'static str,
    fn(StoreToTest) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
);

macro_rules! rows {
    ($($module:ident: $($row:ident),+ $(,)?;)+) => {
        &[$($((stringify!($row), |store| Box::pin($module::$row(store)))),+),+]
    };
}

const ROWS: &[Row] = rows! {
    starts: what_started_is_found_as_it_was,
        nobody_knows_an_unknown_id,
        times_survive_to_the_nanosecond,
        the_same_pair_stays,
        a_person_has_one,
        a_person_that_replaces_ends_the_other,
        replacing_the_same_pair_ends_it,
        a_machine_has_several,
        a_machine_that_replaces_ends_the_oldest,
        what_is_over_does_not_count,
        an_id_is_never_used_twice,
        actors_are_told_apart_by_issuer,
        a_start_that_does_not_happen_changes_nothing,
        a_clock_that_goes_back_starts_too,
        no_more_than_the_bound,
        what_ended_first_makes_room,
        an_actor_keeps_so_many_that_ended;
    ends: use_moves_forward_only,
        use_wakes_nothing_that_is_over,
        an_extension_moves_forward_only,
        an_extension_stops_at_the_latest_moment,
        nothing_that_is_over_is_extended,
        the_first_end_stays,
        every_reason_is_kept,
        an_end_before_the_start_is_an_end,
        what_lapsed_can_be_ended;
    lists: newest_start_comes_first,
        every_filter_finds_its_own,
        filters_are_combined,
        pages_have_no_gap_and_nothing_twice,
        pages_go_on_while_others_start_and_end;
    sweeps: what_lapsed_is_told_until_it_is_ended,
        lapsed_comes_in_portions,
        what_ended_long_ago_is_forgotten,
        what_nobody_ended_is_not_forgotten;
    races: one_of_many_starts_wins,
        one_of_many_ends_wins,
        a_start_against_ends_keeps_the_limit,
        an_extension_against_an_end_wakes_nothing,
        a_use_against_an_end_wakes_nothing,
        sweeps_against_starts_lose_nothing;
    reopened: another_handle_sees_everything,
        two_handles_are_one_store,
        a_transition_that_is_dropped_is_whole_or_not_at_all;
};

fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter()
}
