//! Under a grant: it must be alive and theirs, and what was decided at its start must still hold.

use std::sync::Arc;

use crate::answer::Answer;
use crate::directory::LookupErrorKind;
use crate::gate::{Admission, Gate, Refusal, wrong_person};
use crate::grant::{Grant, Grants, Look, Told};
use crate::identity::Identity;
use crate::policy::{Demand, Eligible, Refused, screen};
use crate::terms::{Ask, EndReason, GrantId, TargetRef};
use crate::time::Timestamp;
use crate::token::Verified;

impl Gate {
    /// Decides again about what goes on under a grant; it is no use of the grant.
    pub(crate) fn still(
        self: &Arc<Self>,
        actor: Verified<Identity>,
        ask: Ask,
        now: Timestamp,
    ) -> Answer<Admission> {
        match ask.grant().copied() {
            Some(id) => self.admit_granted(actor, ask, id, (now, Use::GoesOn)),
            None => refused(actor, ask, "grant_unknown"),
        }
    }

    /// Decides about a request under a grant. Whatever has changed since its start ends it.
    pub(super) fn admit_granted(
        self: &Arc<Self>,
        actor: Verified<Identity>,
        ask: Ask,
        id: GrantId,
        (now, made): (Timestamp, Use),
    ) -> Answer<Admission> {
        let Some(source) = &self.grants else {
            return refused(actor, ask, "grant_without_grants");
        };
        // Whoever speaks for others in `act` does not go on with what they were at the start of a grant.
        let by_token = ask.vouched().is_some();
        let believed = source.kept().is_none() || self.grant_issuers.contains(actor.voucher());
        if by_token && !believed {
            let refused = Refused::unasked(actor, "untrusted_grant_id", Some(ask));
            return Answer::now(Err(Refusal::Denied(Box::new(refused))));
        }
        let gate = Arc::clone(self);
        source.look(&id, now).then(move |look| match look {
            Err(error) => Answer::now(Err(Refusal::GrantsUnavailable(error))),
            Ok(Look::Unknown) => refused(actor, ask, "grant_unknown"),
            Ok(Look::Over(grant, end)) => {
                let rule = over(end.reason);
                if let Some(grants) = gate.kept() {
                    grants.ended_by_itself(&grant, end);
                }
                refused(actor, ask, rule)
            }
            Ok(Look::Here(grant)) => gate.go_on(grant, actor, ask, (now, made)),
            Ok(Look::Elsewhere(told)) => gate.go_on_elsewhere(*told, actor, ask, now),
        })
    }

    /// The grants, where they are kept here.
    pub(crate) fn kept(&self) -> Option<&Grants> {
        self.grants.as_ref()?.kept()
    }

    fn go_on(
        self: &Arc<Self>,
        grant: Grant,
        actor: Verified<Identity>,
        ask: Ask,
        (now, made): (Timestamp, Use),
    ) -> Answer<Admission> {
        let ask = match ask.target() {
            // What a cookie names is the grant alone.
            None => ask.aimed_at(TargetRef::from(grant.target().key())),
            Some(_) => ask,
        };
        let theirs = grant.actor().key() == actor.key() && { ask.target() }
            .is_some_and(|target| target.is(grant.target().key()));
        if !theirs {
            return refused(actor, ask, "grant_of_others");
        }
        if let (Use::Request, Some(grants)) = (made, self.kept()) {
            grants.used(&grant, now);
        }
        let ask = grant.agreed(ask);
        let gate = Arc::clone(self);
        self.standing_of(&actor)
            .then(move |found| gate.resume(grant, actor, ask, found, now))
    }

    /// Decides again, with what the directory knows now, and what was known at the start behind it.
    fn resume(
        self: Arc<Self>,
        grant: Grant,
        actor: Verified<Identity>,
        ask: Ask,
        found: Result<Option<Identity>, Refusal>,
        now: Timestamp,
    ) -> Answer<Admission> {
        let found = match found {
            Ok(found) => found,
            Err(refusal) => return Answer::now(Err(refusal)),
        };
        let gone = found.is_none() && grant.actor_was_found();
        let actor = match found {
            Some(found) => actor.completed_by(found),
            None => actor,
        };
        let actor = grant.resumed(actor);
        let admission = if gone {
            refused(actor, ask, "actor_gone")
        } else {
            match screen(&*self.policy, actor, ask, now) {
                Ok(eligible) => self.find_again(eligible, grant.target().clone(), now),
                Err(refused) => Answer::now(Err(refused.into())),
            }
        };
        admission.then(move |admission| match (&admission, self.kept()) {
            (Err(Refusal::Denied(refused)), Some(grants)) => match broken(refused) {
                Some(reason) => {
                    let (grants, id) = (grants.clone(), *grant.id());
                    Answer::later(async move {
                        // That it could not be kept is logged, and it is over here all the same.
                        drop(grants.end(&id, reason, None).await);
                        admission
                    })
                }
                None => Answer::now(admission),
            },
            _ => Answer::now(admission),
        })
    }

    /// What the directory knows of the actor now; `None` where it does not know it, or is none.
    pub(super) fn standing_of(
        &self,
        actor: &Verified<Identity>,
    ) -> Answer<Result<Option<Identity>, Refusal>> {
        let Some(directory) = &self.directory else {
            return Answer::now(Ok(None));
        };
        if !self.knows_issuer(actor.issuer()) {
            return Answer::now(Ok(None));
        }
        let key = actor.key().clone();
        directory.find_person(&key).map(move |found| match found {
            Ok(found) if *found.key() == key => Ok(Some(found)),
            Ok(_) => Err(wrong_person()),
            Err(error) if error.kind() == LookupErrorKind::Unavailable => {
                Err(Refusal::Unavailable(error))
            }
            Err(_) => Ok(None),
        })
    }

    /// The target as it is now. What the token or the start of the grant says only fills the gaps.
    fn find_again(
        self: &Arc<Self>,
        eligible: Eligible,
        known: Identity,
        now: Timestamp,
    ) -> Answer<Admission> {
        let known = match eligible.ask().vouched() {
            Some(vouched) => vouched.clone().completed_by(known),
            None => known,
        };
        let asked = { eligible.wanted() }.is_some_and(|wanted| self.knows_issuer(wanted.issuer()));
        if self.directory.is_none() || !asked {
            return Answer::now(self.decide(eligible, known.enabled_account(), now));
        }
        self.decide_found(eligible, now, move |found| found.completed_by(known))
    }

    /// The service that keeps the grant says that it is alive: the policy here decides with what the
    /// token says, and where this service does not know the tenants, they were decided about there.
    fn go_on_elsewhere(
        self: &Arc<Self>,
        told: Told,
        actor: Verified<Identity>,
        ask: Ask,
        now: Timestamp,
    ) -> Answer<Admission> {
        let Some(known) = ask.vouched().cloned() else {
            return refused(actor, ask, "grant_unknown");
        };
        let theirs =
            { told.people.as_ref() }.is_none_or(|[of, on]| of == actor.key() && on == known.key());
        if !theirs {
            return refused(actor, ask, "grant_of_others");
        }
        let ask = told.agreed(ask);
        let gate = Arc::clone(self);
        self.standing_of(&actor).then(move |found| {
            let actor = match found {
                Ok(Some(found)) => actor.completed_by(found),
                Ok(None) => actor,
                Err(refusal) => return Answer::now(Err(refusal)),
            };
            match screen(&*gate.policy, actor, ask, now) {
                Ok(eligible) => gate.find_again(eligible, known, now),
                Err(refused) => Answer::now(Err(refused.into())),
            }
        })
    }
}

/// What use is made of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Use {
    /// A request begins.
    Request,
    /// Something goes on that a request began.
    GoesOn,
}

/// A credential that is none, or none any more.
fn refused(actor: Verified<Identity>, ask: Ask, rule: &'static str) -> Answer<Admission> {
    let mut refused = Refused::unasked(actor, rule, Some(ask));
    refused.denial = refused.denial.demanding(Demand::AnotherToken);
    Answer::now(Err(Refusal::Denied(Box::new(refused))))
}

/// The rule that refuses what comes after the end, by its reason.
fn over(reason: EndReason) -> &'static str {
    match reason {
        EndReason::Stopped => "grant_stopped",
        EndReason::Expired => "grant_expired",
        EndReason::Idle => "grant_idle",
        EndReason::Revoked => "grant_revoked",
        EndReason::ActorDemoted => "grant_actor_demoted",
        EndReason::ActorDisabled => "grant_actor_disabled",
        EndReason::ActorSessionEnded => "grant_actor_session_ended",
        EndReason::TargetPromoted => "grant_target_promoted",
        EndReason::TargetDisabled => "grant_target_disabled",
        EndReason::TargetGone => "grant_target_gone",
        EndReason::Replaced => "grant_replaced",
    }
}

/// Why a grant ends when this is refused; `None` where only this request is.
fn broken(refused: &Refused) -> Option<EndReason> {
    match &*refused.denial.rule {
        "actor_disabled" | "actor_gone" => Some(EndReason::ActorDisabled),
        "target_disabled" => Some(EndReason::TargetDisabled),
        "target_not_found" => Some(EndReason::TargetGone),
        // A fact is missing, or the request asks for something of its own.
        rule if rule.starts_with("unknown:") => None,
        "narrowed_groups" | "target_ambiguous" | "actor_ambiguous" | "no_directory" => None,
        _ if refused.target.is_some() => Some(EndReason::TargetPromoted),
        _ => Some(EndReason::ActorDemoted),
    }
}
