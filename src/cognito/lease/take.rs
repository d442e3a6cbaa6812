use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::audit::Lent;
use crate::cognito::PoolUser;
use crate::cognito::budget::Budget;
use crate::cognito::directory::groups as groups_of;
use crate::cognito::lease::leases::on_a_task;
use crate::cognito::lease::{
    Begun, Lease, LeaseError, LeaseErrorKind, Leases, Loan, Membership, Stage, Standing,
};
use crate::cognito::people::{self, Found};
use crate::grant::{Grant, Start, State};
use crate::identity::{Kind, Names};
use crate::principal::Impersonation;
use crate::terms::{EndReason, GrantSecret, Mode};
use crate::time::Timestamp;

impl Leases {
    /// Lends these groups of the target to the actor.
    ///
    /// When it has answered, the actor is in all of them, and the next token that it gets from the pool
    /// names them. It goes on when nobody waits for it any more; what it could not finish is taken back. A
    /// lease under a grant ends with the grant, at the latest with the next sweep. The impersonation must be
    /// one in full mode.
    ///
    /// # Errors
    ///
    /// [`LeaseErrorKind`] says which; nothing is lent then, or it is taken back by the next sweep.
    pub async fn take(
        &self,
        impersonation: &Impersonation,
        groups: impl Into<Names>,
    ) -> Result<Lease, LeaseError> {
        self.keep_sweeping();
        let groups = once_each(&groups.into());
        self.may_lend(impersonation, &groups)?;
        { impersonation.require_write().await }
            .map_err(|_| LeaseError::new(LeaseErrorKind::ReadOnly))?;
        // Whatever a mode holds back, whoever reads the pool's groups does not.
        if impersonation.mode() != Mode::Full {
            return Err(LeaseError::new(LeaseErrorKind::Scoped));
        }
        if impersonation.grant_id().is_some() && self.0.grants.is_none() {
            return Err(LeaseError::new(LeaseErrorKind::NoGrants));
        }
        self.are_the_targets_own(impersonation, &groups).await?;
        let user = self.member(impersonation).await?;
        let now = self.now();
        let lease = self.agree(impersonation, &user, groups, now)?;
        let deadline = now.saturating_add(self.0.lifetime);
        self.record(impersonation, &lease, deadline, now).await?;
        let grant = impersonation.grant_id().map(|_| impersonation.ended());
        let leases = self.clone();
        on_a_task(async move {
            let Some(ended) = grant else {
                return leases.lend(lease, &user, deadline).await;
            };
            let id = *lease.id();
            let over = leases.watch(id, ended);
            let lent = leases.lend(lease, &user, deadline).await;
            if lent.is_err() {
                leases.0.watches.stop(&id);
            } else if over.load(Ordering::Acquire) {
                leases.end(&id, EndReason::ActorSessionEnded).await?;
                return Err(LeaseError::new(LeaseErrorKind::Over));
            }
            lent
        })
        .await
    }

    fn may_lend(&self, impersonation: &Impersonation, groups: &Names) -> Result<(), LeaseError> {
        let here = |issuer: &str| issuer == &*self.0.issuer;
        let actor = impersonation.actor();
        let Some(target) = impersonation.target() else {
            return Err(LeaseError::new(LeaseErrorKind::OutOfReach));
        };
        if !here(actor.issuer()) || !here(target.issuer()) || actor.kind() == Kind::Machine {
            return Err(LeaseError::new(LeaseErrorKind::OutOfReach));
        }
        let has = |group| target.groups().is_some_and(|groups| groups.contains(group));
        let may = |group| self.0.groups.contains(group) && has(group);
        if groups.is_empty() || !groups.iter().all(may) {
            return Err(LeaseError::new(LeaseErrorKind::NotOffered));
        }
        Ok(())
    }

    /// What the target has by a lease, or had until a moment ago, is not its to lend.
    async fn are_the_targets_own(
        &self,
        impersonation: &Impersonation,
        groups: &Names,
    ) -> Result<(), LeaseError> {
        let Some(target) = impersonation.target() else {
            return Err(LeaseError::new(LeaseErrorKind::OutOfReach));
        };
        let now = self.now();
        let loans = self.0.store.loans(target.key(), now).await;
        let just_settled =
            |loan: &Loan| { loan.settled_at }.is_some_and(|at| now <= at.saturating_add(KEPT));
        let borrowed = |loan: &Loan| {
            groups.contains(&loan.group) && (loan.standing != Standing::Own || just_settled(loan))
        };
        match loans.map_err(LeaseError::store)?.iter().any(borrowed) {
            true => Err(LeaseError::new(LeaseErrorKind::NotOffered)),
            false => Ok(()),
        }
    }

    async fn member(&self, impersonation: &Impersonation) -> Result<PoolUser, LeaseError> {
        let budget = Budget::of(self.0.patience);
        let sub = impersonation.actor().subject();
        let found = people::by_sub(&*self.0.api, sub, budget).await;
        match found.map_err(LeaseError::pool)? {
            Found::One(user) if user.is_enabled() => Ok(user),
            _ => Err(LeaseError::new(LeaseErrorKind::OutOfReach)),
        }
    }

    /// Until it is held, it lasts no longer than it may take: who begins it may die.
    fn agree(
        &self,
        impersonation: &Impersonation,
        user: &PoolUser,
        groups: Names,
        now: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let id = GrantSecret::new()
            .map_err(|error| LeaseError::because(LeaseErrorKind::Store, error.to_string()))?
            .id();
        let latest = now.saturating_add(self.0.longest);
        let permit = impersonation.permitted();
        let start = Start::of_lease(permit, user.username(), id, groups, now, latest);
        let state = State {
            deadline: now.saturating_add(TAKING),
            last_used_at: now,
            end: None,
        };
        Ok(Lease::new(
            Grant::new(Arc::new(start), state),
            Stage::Taking,
        ))
    }

    async fn record(
        &self,
        impersonation: &Impersonation,
        lease: &Lease,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<(), LeaseError> {
        let permit = impersonation.permitted();
        let ask = lease.told();
        let lent = Lent {
            ask: &ask,
            people: [permit.actor(), permit.principal()],
            groups: &lease.groups(),
            deadline,
        };
        let written = self.0.trail.lent(&lent, &impersonation.request(), now);
        let written = tokio::time::timeout(self.0.patience, written).await;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(LeaseError::because(LeaseErrorKind::Audit, error)),
            Err(elapsed) => Err(LeaseError::because(LeaseErrorKind::Audit, elapsed)),
        }
    }

    /// The store knows of everything before the pool does.
    async fn lend(
        &self,
        lease: Lease,
        user: &PoolUser,
        deadline: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let id = *lease.id();
        self.begin(&lease).await?;
        match self.add(&lease, user, deadline).await {
            Ok(held) => Ok(held),
            Err(error) => {
                // What could not be taken back now is taken back by a sweep.
                if let Err(second) = self.end(&id, EndReason::Stopped).await {
                    tracing::warn!(target: "impersonation", error = %second, "groups that were lent are still to be taken back");
                }
                Err(error)
            }
        }
    }

    async fn begin(&self, lease: &Lease) -> Result<(), LeaseError> {
        let until = tokio::time::Instant::now() + self.0.patience;
        loop {
            let begun = self.0.store.begin(lease.clone(), self.0.per_actor).await;
            match begun.map_err(LeaseError::store)? {
                Begun::New => return Ok(()),
                Begun::Busy if tokio::time::Instant::now() < until => {
                    tokio::time::sleep(PAUSE).await;
                }
                Begun::Busy => return Err(LeaseError::new(LeaseErrorKind::Busy)),
                Begun::TooMany => return Err(LeaseError::new(LeaseErrorKind::TooMany)),
            }
        }
    }

    async fn add(
        &self,
        lease: &Lease,
        user: &PoolUser,
        deadline: Timestamp,
    ) -> Result<Lease, LeaseError> {
        let (store, api) = (&*self.0.store, &*self.0.api);
        let over = || LeaseError::new(LeaseErrorKind::Over);
        let budget = Budget::of(self.0.patience);
        let had = groups_of(api, user.username(), budget).await;
        let had: Names = had.map_err(LeaseError::pool)?.into();
        let noted = store.note(lease.id(), &had).await;
        let lent = noted.map_err(LeaseError::store)?.ok_or_else(over)?;
        for group in lent.iter() {
            if !lease.is_alive_at(self.now()) {
                return Err(over());
            }
            let added = budget
                .call(|| api.add_to_group(user.username(), group))
                .await;
            added.map_err(LeaseError::pool)?;
        }
        self.went_to(user, &lent, budget).await?;
        let held = store.hold(lease.id(), deadline, self.now()).await;
        if let Some(held) = held.map_err(LeaseError::store)? {
            return Ok(held);
        }
        self.undo(lease, &lent).await?;
        Err(over())
    }

    /// Groups are given to a username, which may have become somebody else's meanwhile.
    async fn went_to(
        &self,
        user: &PoolUser,
        lent: &Names,
        budget: Budget,
    ) -> Result<(), LeaseError> {
        let (api, username) = (&*self.0.api, user.username());
        let found = budget.call(|| api.get_user(username)).await;
        let is_it = |found: &PoolUser| found.sub() == user.sub();
        if found.map_err(LeaseError::pool)?.as_ref().is_some_and(is_it) {
            return Ok(());
        }
        for group in lent.iter() {
            let removed = budget.call(|| api.remove_from_group(username, group)).await;
            removed.map_err(LeaseError::pool)?;
        }
        let somebody = "the username has become somebody else's";
        Err(LeaseError::because(LeaseErrorKind::Pool, somebody))
    }

    /// The lease was swept while its groups were added, and they may have been added after that.
    async fn undo(&self, lease: &Lease, lent: &Names) -> Result<(), LeaseError> {
        self.end(lease.id(), EndReason::Expired).await?;
        let loans = self.0.store.loans(lease.member(), self.now()).await;
        for loan in loans.map_err(LeaseError::store)? {
            if loan.standing != Standing::Lent && lent.contains(&loan.group) {
                let membership = Membership {
                    member: lease.member().clone(),
                    group: loan.group,
                };
                self.take_back(&membership).await?;
            }
        }
        Ok(())
    }
}

fn once_each(groups: &Names) -> Names {
    groups.iter().collect::<BTreeSet<_>>().into_iter().collect()
}

const TAKING: Duration = Duration::from_secs(30);
/// How long a directory may remember groups.
const KEPT: Duration = Duration::from_secs(60);
const PAUSE: Duration = Duration::from_millis(100);
