use std::time::Duration;

use crate::answer::Answer;
use crate::cognito::lease::Lease;
use crate::grant::{End, StoreError};
use crate::identity::{IdentityKey, Names};
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Keeps leases, and which memberships are lent by them.
///
/// Every method is one transition: it happens as a whole or not at all, whoever else asks for one at the
/// same moment, and when it has answered it is not lost. A lease *counts* from [`begin`](Self::begin) to
/// [`end`](Self::end), whatever its deadline. Of each membership (a person and a group) it is known whether
/// it was lent: [`note`](Self::note) says so once, as long as leases count on it. One that was lent, and on
/// which no lease counts any more, is *owed* to the pool until it is [settled](Self::settle).
/// Several pools may share a store: what is said of an issuer is said of the members that are its people.
/// `testing::assert_lease_store` holds a store to all of it.
///
/// A store asks no pool and looks at no clock; `now` is told. Moments may be kept to the millisecond.
pub trait LeaseStore: Send + Sync {
    /// Keeps a new lease, before anything is asked of the pool. Not while one of its memberships is owed,
    /// nor where its member has `per_actor` leases that are alive when it starts. An id that is there already
    /// is an error.
    fn begin(&self, lease: Lease, per_actor: usize) -> Answer<Result<Begun, StoreError>>;

    /// Says which groups the member was seen to be in since the lease began: those of the lease of which
    /// nothing was known are lent, or were there before. Answers with all groups of the lease that are lent;
    /// `None` where the lease does not count.
    fn note(&self, id: &GrantId, had: &Names) -> Answer<Result<Option<Names>, StoreError>>;

    /// Holds a lease that is alive at `now`, and moves its deadline, forward only and never beyond
    /// [`Lease::latest`]. `None` where it is not alive.
    fn hold(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Lease>, StoreError>>;

    /// Ends a lease of a person of that issuer. Answers with it if it was this that ended it; `None` where
    /// there is none, or it has ended before. Memberships that were there before are known no more when no
    /// lease counts on them.
    fn end(
        &self,
        issuer: &str,
        id: &GrantId,
        end: End,
    ) -> Answer<Result<Option<Lease>, StoreError>>;

    /// The lease of that id, whether it counts or not; `None` where there is none.
    fn find(&self, id: &GrantId) -> Answer<Result<Option<Lease>, StoreError>>;

    /// Leases of people of that issuer that count, whatever their deadline, by their ids and behind that
    /// one; at most a few hundred.
    fn counting(
        &self,
        issuer: &str,
        behind: Option<&GrantId>,
    ) -> Answer<Result<Vec<Lease>, StoreError>>;

    /// Leases of people of that issuer that count and whose deadline has passed; at most a few hundred.
    fn lapsed(&self, issuer: &str, now: Timestamp) -> Answer<Result<Vec<Lease>, StoreError>>;

    /// Memberships of people of that issuer that are owed to the pool; at most a few hundred.
    fn owed(&self, issuer: &str) -> Answer<Result<Vec<Membership>, StoreError>>;

    /// The lease on that membership that ended last; `None` where there is none any more.
    fn last(&self, membership: &Membership) -> Answer<Result<Option<Lease>, StoreError>>;

    /// Says that a membership that was owed was taken back at that moment. Does nothing to one that is not
    /// owed, nor within [`UNSURE`] of the end of a lease on it that was never held: a group
    /// that was being added then may come after it was taken back.
    fn settle(&self, membership: &Membership, at: Timestamp) -> Answer<Result<(), StoreError>>;

    /// All that is known of the memberships of one person at that moment.
    ///
    /// Asked on every request whose token names a group that may be lent.
    fn loans(&self, member: &IdentityKey, now: Timestamp) -> Answer<Result<Vec<Loan>, StoreError>>;

    /// Forgets leases of people of that issuer that ended before that, and what of theirs was settled
    /// before that.
    fn forget(&self, issuer: &str, before: Timestamp) -> Answer<Result<(), StoreError>>;

    /// Whether it is ready; asked when leases are built.
    ///
    /// # Errors
    ///
    /// Why it is not.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// What came of a beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Begun {
    /// It counts.
    New,
    /// One of its memberships is being taken back: try again in a moment.
    Busy,
    /// Its member has as many leases as it may have.
    TooMany,
}

/// How long a membership stays owed behind the end of a lease that was never held: 1 min.
pub const UNSURE: Duration = Duration::from_secs(60);

/// One person in one group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Membership {
    /// The person.
    pub member: IdentityKey,
    /// The group.
    pub group: String,
}

/// What is known of one membership.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loan {
    /// The group.
    pub group: String,
    /// How it stands with it now.
    pub standing: Standing,
    /// When it was last taken back.
    pub settled_at: Option<Timestamp>,
}

/// How it stands with a membership.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is not lent: whatever the pool says is so.
    Own,
    /// It is lent by a lease that is alive.
    Lent,
    /// It was lent, and no lease that lends it is alive.
    Owed,
}
