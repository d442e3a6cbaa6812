use std::fmt;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::answer::Answer;
use crate::audit::{AuditError, EndInfo, Trail};
use crate::cognito::UserPoolApi;
use crate::cognito::budget::Budget;
use crate::cognito::lease::recheck::Recheck;
use crate::cognito::lease::{Lease, LeaseError, LeaseErrorKind, LeaseStore, Membership};
use crate::cognito::people::{self, Found};
use crate::grant::{End, StoreError};
use crate::identity::{IdentityKey, Names};
use crate::terms::{EndReason, GrantId};
use crate::time::{Clock, Timestamp};

/// Lends groups of a user pool, and takes them back. Cheap to clone.
#[derive(Clone)]
pub struct Leases(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) issuer: Arc<str>,
    pub(super) api: Arc<dyn UserPoolApi>,
    pub(super) store: Arc<dyn LeaseStore>,
    pub(super) groups: Names,
    pub(super) trail: Trail,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) lifetime: Duration,
    pub(super) longest: Duration,
    pub(super) token_lifetime: Duration,
    pub(super) patience: Duration,
    pub(super) sweeping: OnceLock<()>,
}

impl Leases {
    /// Moves the deadline of a lease that is held, by a lifetime from now, within its limit.
    ///
    /// # Errors
    ///
    /// [`LeaseErrorKind::Over`] where it is not alive, [`LeaseErrorKind::Store`] where it could not be kept:
    /// it goes on until the deadline that it had.
    pub async fn renew(&self, id: &GrantId) -> Result<Lease, LeaseError> {
        let shared = &*self.0;
        let now = shared.clock.now();
        let deadline = now.saturating_add(shared.lifetime);
        let held = shared.store.hold(id, deadline, now).await;
        let Some(lease) = held.map_err(LeaseError::store)? else {
            return Err(LeaseError::new(LeaseErrorKind::Over));
        };
        let (ask, people) = (lease.agreed().ask(), [lease.actor(), lease.target()]);
        told(shared.trail.extended(ask, people, lease.deadline(), now));
        Ok(lease)
    }

    /// Ends a lease, and takes back what no other one lends; does nothing to one that is over. Whether the
    /// caller may is for the application to say.
    ///
    /// It goes on when nobody waits for it any more.
    ///
    /// # Errors
    ///
    /// [`LeaseErrorKind::Store`] where the end could not be kept: it ends by its deadline.
    /// [`LeaseErrorKind::Pool`] where the pool could not be asked: the lease is over, and every sweep tries
    /// again.
    pub async fn release(&self, id: &GrantId) -> Result<(), LeaseError> {
        let (leases, id) = (self.clone(), *id);
        on_a_task(async move { leases.end(&id, EndReason::Stopped).await }).await
    }

    /// Ends somebody else's lease, as [`release`](Self::release): `by` is who does.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    pub async fn revoke(&self, id: &GrantId, by: &IdentityKey) -> Result<(), LeaseError> {
        let end = End {
            reason: EndReason::Revoked,
            at: self.now(),
            by: Some(by.clone()),
        };
        let (leases, id) = (self.clone(), *id);
        on_a_task(async move { leases.end_as(&id, end).await }).await
    }

    /// For [`Builder::recheck_groups`](crate::middleware::Builder::recheck_groups): takes groups that are
    /// not lent any more off tokens that were minted while they were.
    #[must_use]
    pub fn recheck(&self) -> Recheck {
        let shared = &*self.0;
        Recheck {
            issuer: Arc::clone(&shared.issuer),
            store: Arc::clone(&shared.store),
            groups: shared.groups.clone(),
            clock: Arc::clone(&shared.clock),
        }
    }

    pub(super) async fn end(&self, id: &GrantId, reason: EndReason) -> Result<(), LeaseError> {
        let end = End {
            reason,
            at: self.0.clock.now(),
            by: None,
        };
        self.end_as(id, end).await
    }

    /// The store first, then the pool, and the audit last: it must not hold anything up.
    pub(super) async fn end_as(&self, id: &GrantId, end: End) -> Result<(), LeaseError> {
        let shared = &*self.0;
        let ended = shared.store.end(id, end.clone()).await;
        let Some(lease) = ended.map_err(LeaseError::store)? else {
            return Ok(());
        };
        let told_end = EndInfo::new(end.reason, end.by.as_ref());
        let (ask, people) = (lease.agreed().ask(), [lease.actor(), lease.target()]);
        told(
            shared
                .trail
                .ended(ask, people, told_end, shared.clock.now()),
        );
        let owed = shared.store.owed().await.map_err(LeaseError::store)?;
        let own = |one: &&Membership| {
            one.member == *lease.member() && lease.groups().contains(&one.group)
        };
        let mut failed = None;
        for membership in owed.iter().filter(own) {
            if let Err(error) = self.take_back(membership).await {
                failed = Some(error);
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Takes back one membership that is owed.
    pub(super) async fn take_back(&self, owed: &Membership) -> Result<(), LeaseError> {
        let shared = &*self.0;
        self.remove(owed).await?;
        let at = shared.clock.now();
        shared
            .store
            .settle(owed, at)
            .await
            .map_err(LeaseError::store)
    }

    async fn remove(&self, owed: &Membership) -> Result<(), LeaseError> {
        let (api, budget) = (&*self.0.api, Budget::of(self.0.patience));
        let found = people::by_sub(api, owed.member.subject(), budget).await;
        let user = match found.map_err(LeaseError::pool)? {
            Found::One(user) => user,
            // Whoever is gone is in no group.
            Found::Nobody => return Ok(()),
            Found::Several => {
                let several = "several users have one sub";
                return Err(LeaseError::because(LeaseErrorKind::Pool, several));
            }
        };
        let removed = budget
            .call(|| api.remove_from_group(user.username(), &owed.group))
            .await;
        let Err(error) = removed else { return Ok(()) };
        // The group may be gone, or the user; a fault it is only if the membership is still there.
        let groups = crate::cognito::directory::groups(api, user.username(), budget).await;
        match groups {
            Ok(groups) if !groups.contains(&owed.group) => Ok(()),
            _ => Err(LeaseError::pool(error)),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.0.clock.now()
    }
}

/// Goes on when nobody waits for it any more.
pub(super) async fn on_a_task<T: Send + 'static>(
    work: impl Future<Output = Result<T, LeaseError>> + Send + 'static,
) -> Result<T, LeaseError> {
    match Handle::try_current() {
        Ok(runtime) => match runtime.spawn(work).await {
            Ok(done) => done,
            Err(error) => Err(LeaseError::because(LeaseErrorKind::Pool, error)),
        },
        Err(_) => work.await,
    }
}

/// Nobody waits for the audit of what has happened already.
fn told(mut written: Answer<Result<(), AuditError>>) {
    match written.take_now() {
        Some(Ok(())) => {}
        Some(Err(error)) => unrecorded(&error),
        None => {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(async move {
                    if let Err(error) = written.await {
                        unrecorded(&error);
                    }
                });
            }
        }
    }
}

fn unrecorded(error: &AuditError) {
    tracing::error!(target: "impersonation::audit", %error, "what became of a lease could not be recorded");
}

/// A fault of the store, for who must go on.
pub(super) fn log_store(error: &StoreError, what: &'static str) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::error!(target: "impersonation", %error, cause, "{what}");
}

impl fmt::Debug for Leases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leases")
            .field("issuer", &self.0.issuer)
            .field("groups", &self.0.groups)
            .finish_non_exhaustive()
    }
}
