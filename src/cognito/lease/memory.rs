use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::answer::Answer;
use crate::cognito::lease::{Begun, Lease, LeaseStore, Loan, Membership, Stage, Standing, UNSURE};
use crate::grant::{End, Grant, State, StoreError};
use crate::identity::{IdentityKey, Names};
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Keeps leases in this process, for tests and trying out.
///
/// **What is lent stays lent when the process dies**: nobody knows any more that it was. Use it where the
/// pool is thrown away as well.
#[must_use]
pub fn memory() -> MemoryLeases {
    MemoryLeases(Arc::default())
}

/// The store made by [`memory`]. Clones share their leases.
#[derive(Clone)]
pub struct MemoryLeases(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    leases: HashMap<GrantId, Lease>,
    memberships: BTreeMap<Membership, Membered>,
}

#[derive(Clone, Copy, Default)]
struct Membered {
    /// Whether it is lent, once that is known.
    lent: Option<bool>,
    settled_at: Option<Timestamp>,
}

impl Known {
    /// Leases that count on it.
    fn counting<'k>(&'k self, on: &'k Membership) -> impl Iterator<Item = &'k Lease> {
        self.leases.values().filter(move |lease| {
            lease.agreed().state().end.is_none()
                && *lease.member() == on.member
                && lease.groups().contains(&on.group)
        })
    }

    fn is_owed(&self, membership: &Membership) -> bool {
        let known = self.memberships.get(membership);
        known.is_some_and(|known| known.lent == Some(true))
            && self.counting(membership).next().is_none()
    }

    fn begin(&mut self, lease: Lease, per_actor: usize) -> Result<Begun, StoreError> {
        if self.leases.contains_key(lease.id()) {
            return Err(StoreError::unavailable("there is a lease of that id"));
        }
        let now = lease.agreed().started_at();
        let own = |other: &&Lease| other.member() == lease.member() && other.is_alive_at(now);
        if self.leases.values().filter(own).count() >= per_actor {
            return Ok(Begun::TooMany);
        }
        let memberships = memberships(&lease);
        if memberships
            .iter()
            .any(|membership| self.is_owed(membership))
        {
            return Ok(Begun::Busy);
        }
        for membership in memberships {
            self.memberships.entry(membership).or_default();
        }
        self.leases.insert(*lease.id(), lease);
        Ok(Begun::New)
    }

    fn note(&mut self, id: &GrantId, had: &Names) -> Option<Names> {
        let lease = self.leases.get(id)?;
        if lease.agreed().state().end.is_some() {
            return None;
        }
        let mut lent = Vec::new();
        for membership in memberships(lease) {
            let known = self.memberships.entry(membership.clone()).or_default();
            if *known.lent.get_or_insert(!had.contains(&membership.group)) {
                lent.push(membership.group);
            }
        }
        Some(lent.into())
    }

    fn hold(&mut self, id: &GrantId, deadline: Timestamp, now: Timestamp) -> Option<Lease> {
        let lease = self.leases.get_mut(id)?;
        if !lease.is_alive_at(now) {
            return None;
        }
        let state = State {
            deadline: lease.deadline().max(deadline.min(lease.latest())),
            ..lease.agreed().state().clone()
        };
        *lease = changed(lease, state, Stage::Held);
        Some(lease.clone())
    }

    fn end(&mut self, issuer: &str, id: &GrantId, end: End) -> Option<Lease> {
        let lease = self.leases.get_mut(id)?;
        if lease.member().issuer() != issuer || lease.agreed().state().end.is_some() {
            return None;
        }
        let state = State {
            end: Some(end),
            ..lease.agreed().state().clone()
        };
        *lease = changed(lease, state, lease.stage());
        let ended = lease.clone();
        for membership in memberships(&ended) {
            if self.counting(&membership).next().is_none() {
                if let Some(known) = self.memberships.get_mut(&membership) {
                    known.lent = known.lent.filter(|lent| *lent);
                }
            }
        }
        Some(ended)
    }

    fn loans(&self, member: &IdentityKey, now: Timestamp) -> Vec<Loan> {
        let from = Membership {
            member: member.clone(),
            group: String::new(),
        };
        let of_member = self.memberships.range(from..);
        let of_member = of_member.take_while(|(membership, _)| membership.member == *member);
        let loan = |(membership, known): (&Membership, &Membered)| Loan {
            group: membership.group.clone(),
            standing: match known.lent {
                None | Some(false) => Standing::Own,
                Some(true) if self.counting(membership).any(|l| l.is_alive_at(now)) => {
                    Standing::Lent
                }
                Some(true) => Standing::Owed,
            },
            settled_at: known.settled_at,
        };
        of_member.map(loan).collect()
    }

    /// Leases on it that ended, and when.
    fn ended<'k>(&'k self, on: &'k Membership) -> impl Iterator<Item = (Timestamp, &'k Lease)> {
        let on_it = move |lease: &&Lease| {
            *lease.member() == on.member && lease.groups().contains(&on.group)
        };
        let ended = |lease: &'k Lease| Some((ended_at(lease)?, lease));
        self.leases.values().filter(on_it).filter_map(ended)
    }

    fn settle(&mut self, membership: &Membership, at: Timestamp) {
        let unsure = |(ended_at, lease): (Timestamp, &Lease)| {
            lease.stage() == Stage::Taking && at < ended_at.saturating_add(UNSURE)
        };
        if !self.is_owed(membership) || self.ended(membership).any(unsure) {
            return;
        }
        let settled = Membered {
            lent: None,
            settled_at: Some(at),
        };
        self.memberships.insert(membership.clone(), settled);
    }

    fn forget(&mut self, issuer: &str, before: Timestamp) {
        self.leases.retain(|_, lease| {
            lease.member().issuer() != issuer || ended_at(lease).is_none_or(|at| at >= before)
        });
        let old: Vec<_> = { self.memberships.iter() }
            .filter(|(membership, _)| membership.member.issuer() == issuer)
            .filter(|(_, known)| known.lent.is_none())
            .filter(|(_, known)| known.settled_at.is_none_or(|at| at < before))
            .filter(|(membership, _)| self.counting(membership).next().is_none())
            .map(|(membership, _)| membership.clone())
            .collect();
        for membership in old {
            self.memberships.remove(&membership);
        }
    }
}

fn ended_at(lease: &Lease) -> Option<Timestamp> {
    lease.agreed().state().end.as_ref().map(|end| end.at)
}

fn changed(lease: &Lease, state: State, stage: Stage) -> Lease {
    Lease::new(Grant::new(Arc::clone(lease.agreed().start()), state), stage)
}

fn memberships(lease: &Lease) -> Vec<Membership> {
    let membership = |group: &str| Membership {
        member: lease.member().clone(),
        group: group.to_owned(),
    };
    lease.groups().iter().map(membership).collect()
}

impl MemoryLeases {
    fn locked(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl LeaseStore for MemoryLeases {
    fn begin(&self, lease: Lease, per_actor: usize) -> Answer<Result<Begun, StoreError>> {
        Answer::now(self.locked().begin(lease, per_actor))
    }

    fn note(&self, id: &GrantId, had: &Names) -> Answer<Result<Option<Names>, StoreError>> {
        Answer::now(Ok(self.locked().note(id, had)))
    }

    fn hold(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Lease>, StoreError>> {
        Answer::now(Ok(self.locked().hold(id, deadline, now)))
    }

    fn end(
        &self,
        issuer: &str,
        id: &GrantId,
        end: End,
    ) -> Answer<Result<Option<Lease>, StoreError>> {
        Answer::now(Ok(self.locked().end(issuer, id, end)))
    }

    fn find(&self, id: &GrantId) -> Answer<Result<Option<Lease>, StoreError>> {
        Answer::now(Ok(self.locked().leases.get(id).cloned()))
    }

    fn counting(
        &self,
        issuer: &str,
        behind: Option<&GrantId>,
    ) -> Answer<Result<Vec<Lease>, StoreError>> {
        let known = self.locked();
        let counts = |lease: &&Lease| {
            ended_at(lease).is_none()
                && lease.member().issuer() == issuer
                && behind.is_none_or(|behind| lease.id().as_bytes() > behind.as_bytes())
        };
        let mut counting: Vec<_> = known.leases.values().filter(counts).cloned().collect();
        counting.sort_unstable_by_key(|lease| *lease.id().as_bytes());
        counting.truncate(PORTION);
        Answer::now(Ok(counting))
    }

    fn lapsed(&self, issuer: &str, now: Timestamp) -> Answer<Result<Vec<Lease>, StoreError>> {
        let known = self.locked();
        let lapsed = known.leases.values().filter(|lease| {
            lease.member().issuer() == issuer
                && ended_at(lease).is_none()
                && !lease.is_alive_at(now)
        });
        Answer::now(Ok(lapsed.take(PORTION).cloned().collect()))
    }

    fn owed(&self, issuer: &str) -> Answer<Result<Vec<Membership>, StoreError>> {
        let known = self.locked();
        let own = |one: &&Membership| one.member.issuer() == issuer && known.is_owed(one);
        let owed = known.memberships.keys().filter(own);
        Answer::now(Ok(owed.take(PORTION).cloned().collect()))
    }

    fn last(&self, membership: &Membership) -> Answer<Result<Option<Lease>, StoreError>> {
        let known = self.locked();
        let last = known
            .ended(membership)
            .max_by_key(|(ended_at, _)| *ended_at);
        Answer::now(Ok(last.map(|(_, lease)| lease.clone())))
    }

    fn settle(&self, membership: &Membership, at: Timestamp) -> Answer<Result<(), StoreError>> {
        self.locked().settle(membership, at);
        Answer::now(Ok(()))
    }

    fn loans(&self, member: &IdentityKey, now: Timestamp) -> Answer<Result<Vec<Loan>, StoreError>> {
        Answer::now(Ok(self.locked().loans(member, now)))
    }

    fn forget(&self, issuer: &str, before: Timestamp) -> Answer<Result<(), StoreError>> {
        self.locked().forget(issuer, before);
        Answer::now(Ok(()))
    }
}

const PORTION: usize = 200;

impl fmt::Debug for MemoryLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryLeases")
            .field("leases", &self.locked().leases.len())
            .finish_non_exhaustive()
    }
}
