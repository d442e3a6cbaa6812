mod memberships;
mod outcome;
mod pools;
mod races;
mod transitions;

use std::pin::Pin;
use std::sync::Arc;

use self::outcome::Outcome;
use crate::cognito::lease::{Lease, LeaseStore, Stage};
use crate::terms::{Ask, Strategy, TargetRef};
use crate::testing::TestGrant;
use crate::time::Timestamp;

/// A lease that nobody permitted, for tests of stores: these groups of `alice`, lent to that person, both
/// of `https://issuer.example.com`. It begins at 2023-11-14T22:13:20Z, lasts a minute and can be renewed to
/// ten; it is [being taken](Stage::Taking).
///
/// ```
/// use tower_impersonate::testing::test_lease;
///
/// let lease = test_lease("carol", &["org-acme"]);
/// assert_eq!(lease.member().subject(), "carol");
/// assert!(lease.groups().contains("org-acme"));
/// ```
#[must_use]
pub fn test_lease(member: &str, groups: &[&str]) -> Lease {
    let target = TargetRef::subject("https://issuer.example.com", "alice");
    let ask = Ask::user(target, Strategy::Header);
    let agreed = TestGrant::new(member, "alice")
        .ask(ask.narrowed_to(groups.to_vec().into()))
        .lives(std::time::Duration::from_secs(60))
        .longest(std::time::Duration::from_secs(600))
        .at(Timestamp::from_unix_seconds(1_700_000_000));
    Lease::new(agreed.build(), Stage::Taking)
}

/// Holds a store to the contract of [`LeaseStore`].
///
/// `make` gives two handles on one store that is fresh and empty, as two processes would open it, once for
/// every row. Call it in a runtime of several threads: some rows are races.
///
/// # Panics
///
/// With the names of all rows that do not hold, and what each of them saw.
///
/// ```
/// use std::sync::Arc;
/// use tower_impersonate::cognito::lease;
/// use tower_impersonate::testing::assert_lease_store;
///
/// # #[tokio::main]
/// # async fn main() {
/// assert_lease_store(|| {
///     let store = lease::memory();
///     [Arc::new(store.clone()), Arc::new(store)]
/// })
/// .await;
/// # }
/// ```
pub async fn assert_lease_store<S: LeaseStore + 'static>(make: impl Fn() -> [Arc<S>; 2]) {
    let mut wrong = Vec::new();
    for (name, row) in ROWS {
        let [one, other] = make();
        let store = Stores { one, other };
        if let Err(saw) = store.one.check() {
            wrong.push(format!("{name}: the store is not ready: {saw}"));
        } else if let Err(saw) = row(store).await {
            wrong.push(format!("{name}: {saw}"));
        }
    }
    assert!(
        wrong.is_empty(),
        "the store breaks {} of {} rows of the contract:\n{}",
        wrong.len(),
        ROWS.len(),
        wrong.join("\n")
    );
}

/// Two handles on one store.
#[derive(Clone)]
struct Stores {
    one: Arc<dyn LeaseStore>,
    other: Arc<dyn LeaseStore>,
}

type Row = (
    &'static str,
    fn(Stores) -> Pin<Box<dyn Future<Output = Outcome> + Send>>,
);

macro_rules! rows {
    ($($module:ident: $($row:ident),+ $(,)?;)+) => {
        &[$($((stringify!($row), |store| Box::pin($module::$row(store)))),+),+]
    };
}

const ROWS: &[Row] = rows! {
    transitions: what_began_is_as_it_was,
        an_id_is_never_used_twice,
        holding_moves_forward_only_and_stops_at_the_latest_moment,
        what_is_over_is_not_held,
        the_first_end_stays,
        what_lapsed_is_told_until_it_ends;
    memberships: what_was_there_before_is_not_lent,
        what_is_noted_stays_while_leases_count,
        the_last_lease_owes,
        an_end_without_a_note_owes_nothing,
        what_is_owed_keeps_leases_out,
        only_what_is_owed_is_settled,
        people_and_issuers_are_told_apart,
        a_loan_is_over_at_its_deadline,
        what_is_settled_is_forgotten_later;
    pools: nothing_is_said_of_another_pools_leases,
        what_counts_is_told_by_its_id,
        the_last_end_is_told,
        what_was_never_held_is_settled_a_minute_later,
        a_person_has_so_many_leases_and_no_more;
    races: of_many_leases_one_owes,
        notes_agree,
        a_beginning_against_an_end_loses_nothing;
};
