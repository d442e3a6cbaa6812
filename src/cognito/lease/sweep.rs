use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::cognito::lease::leases::{Shared, log_store};
use crate::cognito::lease::{LeaseError, LeaseErrorKind, Leases, Loan, Membership, Standing};
use crate::terms::EndReason;

/// One task sweeps at a time; when its runtime ends, another one may.
struct Turn(Weak<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        // A runtime without a timer would panic again.
        if let (false, Some(shared)) = (std::thread::panicking(), self.0.upgrade()) {
            shared.sweeping.store(false, Ordering::Release);
        }
    }
}

impl Leases {
    /// Sweeps now, and then every 30 s on a task, for as long as there are these leases. Call it when the
    /// service starts: what a run before this one left is taken back here. Without it, sweeping begins with
    /// the first lease that is taken.
    ///
    /// # Errors
    ///
    /// As [`sweep`](Self::sweep); the task sweeps all the same.
    pub async fn start(&self) -> Result<(), LeaseError> {
        self.keep_sweeping();
        self.sweep().await
    }

    /// Ends leases past their deadline and those whose grant is over, takes back what is owed to the pool,
    /// and forgets what was settled longer ago than tokens live.
    ///
    /// Several processes may sweep at once, and so may leases of several pools that share a store: each
    /// sweeps those of its own pool.
    ///
    /// # Errors
    ///
    /// The last one that there was; whatever can be done is done. A lease whose grant cannot be asked for
    /// goes on until its deadline.
    pub async fn sweep(&self) -> Result<(), LeaseError> {
        let mut failed = self.end_lapsed().await.err();
        failed = self.end_without_grant().await.err().or(failed);
        failed = self.take_back_all().await.err().or(failed);
        failed = self.stop_watching().await.err().or(failed);
        let keep = self.0.token_lifetime + LEEWAY;
        let before = self.now().saturating_sub(keep);
        if let Err(error) = self.0.store.forget(&self.0.issuer, before).await {
            log_store(&error, "leases that ended long ago could not be forgotten");
        }
        failed.map_or(Ok(()), Err)
    }

    pub(super) fn keep_sweeping(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.0.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let turn = Turn(Arc::downgrade(&self.0));
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(BETWEEN_SWEEPS).await;
                let Some(leases) = turn.0.upgrade().map(Self) else {
                    return;
                };
                // A store or a pool that panics ends one sweep.
                let swept = tokio::spawn(async move { leases.sweep().await });
                match swept.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => log(&error),
                    Err(error) => log(&LeaseError::because(LeaseErrorKind::Pool, error)),
                }
            }
        });
    }

    async fn end_lapsed(&self) -> Result<(), LeaseError> {
        let lapsed = self.0.store.lapsed(&self.0.issuer, self.now()).await;
        let mut failed = None;
        for lease in lapsed.map_err(LeaseError::store)? {
            if let Some(end) = lease.agreed().end_at(self.now()) {
                failed = self.end_as(lease.id(), end).await.err().or(failed);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What ended a grant may have ended where nobody knew of its leases.
    async fn end_without_grant(&self) -> Result<(), LeaseError> {
        let (mut behind, mut failed) = (None, None);
        loop {
            let counting = self.0.store.counting(&self.0.issuer, behind.as_ref()).await;
            let counting = counting.map_err(LeaseError::store)?;
            let Some(last) = counting.last() else {
                return failed.map_or(Ok(()), Err);
            };
            behind = Some(*last.id());
            for lease in &counting {
                // Whoever is silent now is not asked for each of them.
                if self.is_without_grant(lease).await? {
                    let ended = self.end(lease.id(), EndReason::ActorSessionEnded).await;
                    failed = ended.err().or(failed);
                }
            }
        }
    }

    async fn take_back_all(&self) -> Result<(), LeaseError> {
        let owed = self.0.store.owed(&self.0.issuer).await;
        let mut failed = None;
        for membership in owed.map_err(LeaseError::store)? {
            let taken_back = match self.is_lent_again(&membership).await {
                Ok(true) => Ok(()),
                Ok(false) => self.take_back(&membership).await,
                Err(error) => Err(error),
            };
            failed = taken_back.err().or(failed);
        }
        failed.map_or(Ok(()), Err)
    }

    /// Whether another process took it back, and a lease lends it since.
    async fn is_lent_again(&self, membership: &Membership) -> Result<bool, LeaseError> {
        let loans = self.0.store.loans(&membership.member, self.now()).await;
        let lent = |loan: &Loan| loan.group == membership.group && loan.standing == Standing::Lent;
        Ok(loans.map_err(LeaseError::store)?.iter().any(lent))
    }
}

fn log(error: &LeaseError) {
    let cause = std::error::Error::source(error).map(ToString::to_string);
    tracing::error!(target: "impersonation", %error, cause, "groups that were lent are still to be taken back");
}

const BETWEEN_SWEEPS: Duration = Duration::from_secs(30);
const LEEWAY: Duration = Duration::from_secs(600);
