//! Who may do what beside impersonating, and for how long: the same people, the same directory.

use std::time::Duration;

use crate::answer::Answer;
use crate::gate::{Gate, Refusal};
use crate::identity::Identity;
use crate::policy::{Permit, Refused, Right, Rule, holds, screen};
use crate::time::Timestamp;
use crate::token::Verified;

impl Gate {
    /// Whether people are looked up at all.
    pub(crate) fn has_directory(&self) -> bool {
        self.directory.is_some()
    }

    /// Decides again about what is permitted already, were it for so long in all. Nothing ends for a refusal.
    pub(crate) fn for_as_long(
        &self,
        permit: &Permit,
        ttl: Duration,
        now: Timestamp,
    ) -> Result<Permit, Box<Refused>> {
        let ask = permit.ask().clone().with_ttl(ttl);
        let eligible = screen(&*self.policy, permit.actor().clone(), ask, now)?;
        eligible.decide(&*self.policy, permit.principal().clone(), now)
    }

    /// Whether the actor has the right; without a rule nobody has. The directory completes what is known of it.
    ///
    /// A directory that cannot be asked keeps nobody from ending a grant whose token gives it the right.
    pub(crate) fn may(
        &self,
        actor: Verified<Identity>,
        right: Right,
        rule: Option<&Rule>,
        now: Timestamp,
    ) -> Answer<Result<(), Refusal>> {
        let rule = rule.cloned();
        self.standing_of(&actor).map(move |found| {
            let actor = match found {
                Ok(Some(found)) => actor.completed_by(found),
                Ok(None) => actor,
                Err(_) if right == Right::GrantsRevoke => actor,
                Err(refusal) => return Err(refusal),
            };
            Ok(holds(right, rule.as_ref(), actor, now)?)
        })
    }
}
