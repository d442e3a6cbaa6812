use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use tokio::runtime::Handle;

use crate::answer::Answer;
use crate::audit::{AuditError, EndInfo, Trail};
use crate::cognito::budget::Budget;
use crate::cognito::lease::recheck::Recheck;
use crate::cognito::lease::watch::Watches;
use crate::cognito::lease::{Lease, LeaseError, LeaseErrorKind, LeaseStore, Membership};
use crate::cognito::people::{self, Found};
use crate::cognito::{PoolUser, UserPoolApi};
use crate::grant::{End, GrantSource, Look, StoreError};
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
    pub(super) per_actor: usize,
    pub(super) grants: Option<GrantSource>,
    pub(super) sweeping: AtomicBool,
    pub(super) watches: Watches,
}

impl Leases {
    /// Moves the deadline of a lease that is held, by a lifetime from now, within its limit.
    ///
    /// # Errors
    ///
    /// [`LeaseErrorKind::Over`] where it is not alive, or its grant is not; [`LeaseErrorKind::OutOfReach`]
    /// for one of another pool. [`LeaseErrorKind::Store`] where it could not be kept, and
    /// [`LeaseErrorKind::Grants`] where its grant could not be asked for: it goes on until the deadline that
    /// it had.
    pub async fn renew(&self, id: &GrantId) -> Result<Lease, LeaseError> {
        let shared = &*self.0;
        let found = shared.store.find(id).await.map_err(LeaseError::store)?;
        match found {
            Some(lease) if self.is_foreign(&lease) => {
                return Err(LeaseError::new(LeaseErrorKind::OutOfReach));
            }
            Some(lease)
                if lease.is_alive_at(self.now()) && self.is_without_grant(&lease).await? =>
            {
                let (leases, id) = (self.clone(), *id);
                on_a_task(async move { leases.end(&id, EndReason::ActorSessionEnded).await })
                    .await?;
            }
            _ => {}
        }
        let now = shared.clock.now();
        let deadline = now.saturating_add(shared.lifetime);
        let held = shared.store.hold(id, deadline, now).await;
        let Some(lease) = held.map_err(LeaseError::store)? else {
            return Err(LeaseError::new(LeaseErrorKind::Over));
        };
        let (ask, people) = (lease.told(), [lease.actor(), lease.target()]);
        told(shared.trail.extended(&ask, people, lease.deadline(), now));
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
    /// again. [`LeaseErrorKind::OutOfReach`] for one of another pool, which goes on.
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
        let ended = shared.store.end(&shared.issuer, id, end.clone()).await;
        let Some(lease) = ended.map_err(LeaseError::store)? else {
            let found = shared.store.find(id).await.map_err(LeaseError::store)?;
            return match found {
                Some(lease) if self.is_foreign(&lease) => {
                    Err(LeaseError::new(LeaseErrorKind::OutOfReach))
                }
                _ => Ok(()),
            };
        };
        shared.watches.stop(id);
        let told_end = EndInfo::new(end.reason, end.by.as_ref());
        let (ask, people) = (lease.told(), [lease.actor(), lease.target()]);
        told(
            shared
                .trail
                .ended(&ask, people, told_end, shared.clock.now()),
        );
        let owed = shared
            .store
            .owed(&shared.issuer)
            .await
            .map_err(LeaseError::store)?;
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
            Found::Nobody => match self.by_username(owed, budget).await? {
                Some(user) => user,
                // Whoever is gone is in no group.
                None => return Ok(()),
            },
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

    /// Whom a list did not name may be there all the same, under the name that it had.
    async fn by_username(
        &self,
        owed: &Membership,
        budget: Budget,
    ) -> Result<Option<PoolUser>, LeaseError> {
        let last = self.0.store.last(owed).await.map_err(LeaseError::store)?;
        let Some(username) = last.as_ref().and_then(|lease| lease.actor().username()) else {
            return Ok(None);
        };
        let found = budget.call(|| self.0.api.get_user(username)).await;
        let is_it = |user: &PoolUser| user.sub() == Some(owed.member.subject());
        Ok(found.map_err(LeaseError::pool)?.filter(is_it))
    }

    pub(super) fn is_foreign(&self, lease: &Lease) -> bool {
        lease.member().issuer() != &*self.0.issuer
    }

    /// Whether it was taken under a grant that is over.
    pub(super) async fn is_without_grant(&self, lease: &Lease) -> Result<bool, LeaseError> {
        let Some(grant) = lease.grant() else {
            return Ok(false);
        };
        let Some(grants) = &self.0.grants else {
            return Err(LeaseError::new(LeaseErrorKind::NoGrants));
        };
        let looked = tokio::time::timeout(self.0.patience, grants.look(grant, self.now())).await;
        match looked {
            Ok(Ok(Look::Here(_) | Look::Elsewhere(_))) => Ok(false),
            Ok(Ok(Look::Over(..) | Look::Unknown)) => Ok(true),
            Ok(Err(error)) => Err(LeaseError::because(LeaseErrorKind::Grants, error)),
            Err(elapsed) => Err(LeaseError::because(LeaseErrorKind::Grants, elapsed)),
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
