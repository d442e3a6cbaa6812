use std::fmt::{self, Debug};
use std::time::Duration;

use super::Stores;
use crate::cognito::lease::{Begun, Lease, LeaseStore, Loan, Membership, Standing};
use crate::grant::{End, StoreError};
use crate::identity::Names;
use crate::terms::EndReason;
use crate::time::Timestamp;

/// What a row saw that it should not have seen.
#[derive(Debug)]
pub(super) struct Saw(String);

pub(super) type Outcome<T = ()> = Result<T, Saw>;

impl fmt::Display for Saw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<StoreError> for Saw {
    fn from(error: StoreError) -> Self {
        let cause = std::error::Error::source(&error);
        let cause = cause.map(ToString::to_string).unwrap_or_default();
        Self(format!("an error: {error}: {cause}"))
    }
}

impl From<tokio::task::JoinError> for Saw {
    fn from(error: tokio::task::JoinError) -> Self {
        Self(format!("a task that failed: {error}"))
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "what is compared is made for it"
)]
pub(super) fn same<T: PartialEq + Debug>(what: &str, saw: T, wanted: T) -> Outcome {
    match saw == wanted {
        true => Ok(()),
        false => Err(Saw(format!("{what}: {saw:?} and not {wanted:?}"))),
    }
}

/// Whose people those of [`test_lease`](super::test_lease) are.
pub(super) const ISSUER: &str = "https://issuer.example.com";

pub(super) fn after(seconds: u64) -> Timestamp {
    Timestamp::from_unix_seconds(1_700_000_000).saturating_add(Duration::from_secs(seconds))
}

pub(super) fn stopped(at: Timestamp) -> End {
    End {
        reason: EndReason::Stopped,
        at,
        by: None,
    }
}

pub(super) fn membership(lease: &Lease, group: &str) -> Membership {
    Membership {
        member: lease.member().clone(),
        group: group.to_owned(),
    }
}

impl Stores {
    /// Begins, notes what was there, and holds it until its deadline.
    pub(super) async fn taken(&self, lease: &Lease, had: &[&str]) -> Outcome<Option<Names>> {
        let lent = self.half_taken(lease, had).await?;
        let held = self
            .one
            .hold(lease.id(), lease.deadline(), after(0))
            .await?;
        same("whether it is held", held.is_some(), true)?;
        Ok(lent)
    }

    /// Begins, and notes what was there.
    pub(super) async fn half_taken(&self, lease: &Lease, had: &[&str]) -> Outcome<Option<Names>> {
        self.begun(lease, Begun::New).await?;
        let had = had.to_vec().into();
        Ok(sorted(self.one.note(lease.id(), &had).await?))
    }

    pub(super) async fn begun(&self, lease: &Lease, wanted: Begun) -> Outcome {
        same(
            "what came of it",
            self.one.begin(lease.clone(), usize::MAX).await?,
            wanted,
        )
    }

    pub(super) async fn ended(&self, lease: &Lease, at: Timestamp) -> Outcome<bool> {
        Ok({
            self.other
                .end(lease.member().issuer(), lease.id(), stopped(at))
        }
        .await?
        .is_some())
    }

    pub(super) async fn owed(&self) -> Outcome<Vec<Membership>> {
        let mut owed = self.other.owed(ISSUER).await?;
        owed.sort_unstable();
        Ok(owed)
    }

    /// How it stands with all memberships of the member at that moment, by group.
    pub(super) async fn loans(
        &self,
        of: &Lease,
        now: Timestamp,
    ) -> Outcome<Vec<(String, Standing)>> {
        let mut loans = self.other.loans(of.member(), now).await?;
        loans.sort_unstable_by(|one, other| one.group.cmp(&other.group));
        let loan = |loan: Loan| (loan.group, loan.standing);
        Ok(loans.into_iter().map(loan).collect())
    }
}

pub(super) fn sorted(names: Option<Names>) -> Option<Names> {
    let mut names: Vec<String> = names?.iter().map(str::to_owned).collect();
    names.sort_unstable();
    Some(names.into())
}

pub(super) fn names(names: &[&str]) -> Option<Names> {
    Some(names.to_vec().into())
}

/// By whom nothing is lent that counts.
pub(super) async fn none_owed(store: &dyn LeaseStore) -> Outcome {
    same("what is owed", store.owed(ISSUER).await?, Vec::new())
}
