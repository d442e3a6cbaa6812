use std::sync::Arc;
use std::time::Duration;

use crate::cognito::lease::leases::log_store;
use crate::cognito::lease::{LeaseError, Leases, Loan, Membership, Standing};

impl Leases {
    /// Sweeps now, and then every 30 s on a task, for as long as there are these leases. Call it when the
    /// service starts: what a run before this one left is taken back here.
    ///
    /// # Errors
    ///
    /// As [`sweep`](Self::sweep); the task sweeps all the same.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub async fn start(&self) -> Result<(), LeaseError> {
        if self.0.sweeping.set(()).is_ok() {
            let shared = Arc::downgrade(&self.0);
            tokio::spawn(async move {
                loop {
                    tokio::time::sleep(BETWEEN_SWEEPS).await;
                    let Some(leases) = shared.upgrade().map(Self) else {
                        return;
                    };
                    if let Err(error) = leases.sweep().await {
                        let cause = std::error::Error::source(&error).map(ToString::to_string);
                        tracing::error!(target: "impersonation", %error, cause, "groups that were lent are still to be taken back");
                    }
                }
            });
        }
        self.sweep().await
    }

    /// Ends leases past their deadline, takes back what is owed to the pool, and forgets what was settled
    /// longer ago than tokens live.
    ///
    /// Several processes may sweep at once.
    ///
    /// # Errors
    ///
    /// The last one that there was; whatever can be done is done.
    pub async fn sweep(&self) -> Result<(), LeaseError> {
        let mut failed = None;
        let lapsed = self.0.store.lapsed(self.now()).await;
        for lease in lapsed.map_err(LeaseError::store)? {
            if let Some(end) = lease.agreed().end_at(self.now()) {
                failed = self.end_as(lease.id(), end).await.err().or(failed);
            }
        }
        for membership in self.0.store.owed().await.map_err(LeaseError::store)? {
            let taken_back = match self.is_lent_again(&membership).await {
                Ok(true) => Ok(()),
                Ok(false) => self.take_back(&membership).await,
                Err(error) => Err(error),
            };
            failed = taken_back.err().or(failed);
        }
        let keep = self.0.token_lifetime + LEEWAY;
        let before = self.now().saturating_sub(keep);
        if let Err(error) = self.0.store.forget(before).await {
            log_store(&error, "leases that ended long ago could not be forgotten");
        }
        failed.map_or(Ok(()), Err)
    }
}

impl Leases {
    /// Whether another process took it back, and a lease lends it since.
    async fn is_lent_again(&self, membership: &Membership) -> Result<bool, LeaseError> {
        let loans = self.0.store.loans(&membership.member, self.now()).await;
        let lent = |loan: &Loan| loan.group == membership.group && loan.standing == Standing::Lent;
        Ok(loans.map_err(LeaseError::store)?.iter().any(lent))
    }
}

const BETWEEN_SWEEPS: Duration = Duration::from_secs(30);
const LEEWAY: Duration = Duration::from_secs(600);
