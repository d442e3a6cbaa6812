use std::fmt;

use crate::identity::{Affiliation, Identity, Kind, Names};
use crate::policy::{Attempt, Demand, Denial, Limits, Policy, Ruling};
use crate::terms::{Ask, GrantId, Mode, TargetRef, Wanted};
use crate::time::Timestamp;
use crate::token::Verified;

/// Step one: the actor alone, before anything is looked up.
///
/// # Errors
///
/// [`Refused`] when the policy denies whatever the target will be, when the actor is disabled or an
/// app client that the policy does not name, or when somebody asks to act as itself.
pub fn screen(
    policy: &dyn Policy,
    actor: Verified<Identity>,
    ask: Ask,
    now: Timestamp,
) -> Result<Eligible, Box<Refused>> {
    let eligible = Eligible {
        actor,
        ask,
        actor_was_found: false,
        lacks_facts: true,
    };
    eligible.screened(policy, now)
}

fn oneself() -> Denial {
    Denial::by("self").demanding(Demand::AnotherTarget)
}

/// The actor alone passed: the proof that something may be looked up on its behalf.
#[must_use]
pub struct Eligible {
    actor: Verified<Identity>,
    ask: Ask,
    actor_was_found: bool,
    /// Whether the policy may say something else of the actor when more is known of it.
    lacks_facts: bool,
}

impl Eligible {
    fn screened(mut self, policy: &dyn Policy, now: Timestamp) -> Result<Self, Box<Refused>> {
        match self.screen(policy, now) {
            Ok(ruling) => {
                self.lacks_facts = matches!(ruling, Ruling::Unknown(_));
                Ok(self)
            }
            Err(denial) => Err(self.refused(denial)),
        }
    }

    /// What the policy says of the actor alone, which is no denial.
    fn screen(&self, policy: &dyn Policy, now: Timestamp) -> Result<Ruling, Denial> {
        self.may_act(policy)?;
        let ruling = match policy.judge(&self.attempt(None, None, now)) {
            Ruling::Deny(denial) => return Err(denial),
            ruling => ruling,
        };
        let is_oneself = |target: &TargetRef| target.is(self.actor.key());
        match self.wanted().is_some_and(is_oneself) {
            true => Err(oneself()),
            false => Ok(ruling),
        }
    }

    /// What no policy is asked about.
    fn may_act(&self, policy: &dyn Policy) -> Result<(), Denial> {
        if self.actor.enabled() == Some(false) {
            return Err(Denial::by("actor_disabled"));
        }
        if self.actor.kind() == Kind::Machine && !policy.names_machine(self.actor.key()) {
            return Err(Denial::by("machine"));
        }
        Ok(())
    }

    fn attempt<'a>(
        &'a self,
        target: Option<&'a Identity>,
        role: Option<&'a str>,
        now: Timestamp,
    ) -> Attempt<'a> {
        Attempt {
            actor: &self.actor,
            ask: &self.ask,
            target,
            role,
            now,
        }
    }

    fn refused(self, denial: Denial) -> Box<Refused> {
        Box::new(Refused {
            denial,
            actor: self.actor,
            ask: Some(self.ask),
            target: None,
        })
    }

    /// Who asks.
    #[must_use]
    pub fn actor(&self) -> &Verified<Identity> {
        &self.actor
    }

    /// What is asked for.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whom to look up; `None` for a role.
    #[must_use]
    pub fn wanted(&self) -> Option<&TargetRef> {
        self.ask.target()
    }

    /// Step one again, with what the directory knows of the actor. What the verified token says
    /// stays; the directory only completes it. A policy that allowed without those facts does not need
    /// them, and is asked about the pair only.
    ///
    /// # Errors
    ///
    /// As [`screen`].
    pub fn with_actor_facts(
        mut self,
        policy: &dyn Policy,
        found: Identity,
        now: Timestamp,
    ) -> Result<Self, Box<Refused>> {
        self.actor = self.actor.completed_by(found);
        self.actor_was_found = true;
        if self.lacks_facts {
            return self.screened(policy, now);
        }
        match self.may_act(policy) {
            Ok(()) => Ok(self),
            Err(denial) => Err(self.refused(denial)),
        }
    }

    /// Refuses without asking the policy again, as when the target is not to be found.
    #[must_use]
    pub fn refuse(self, rule: &'static str) -> Box<Refused> {
        self.refused(Denial::by(rule))
    }

    /// Step two: the pair.
    ///
    /// # Errors
    ///
    /// [`Refused`] unless the policy allows, and in any case when the target is the actor, is not
    /// known to be enabled, belongs to another tenant, or lacks a group that was asked for. No demand
    /// of the policy's is told any more.
    pub fn decide(
        self,
        policy: &dyn Policy,
        target: Identity,
        now: Timestamp,
    ) -> Result<Permit, Box<Refused>> {
        match self.judge(policy, &target, now) {
            Ok(limits) => {
                let principal = match self.ask.groups() {
                    Some(groups) => target.with_groups(groups.clone()),
                    None => target,
                };
                let principal = match self.ask.scopes() {
                    Some(scopes) => principal.with_scopes(scopes.clone()),
                    None => principal,
                };
                Ok(self.permit(principal, limits))
            }
            Err(denial) => {
                let mut refused = self.refused(denial);
                refused.target = Some(target);
                Err(refused)
            }
        }
    }

    /// Step two for a role: each group by itself, as if the actor were in that group alone.
    ///
    /// # Errors
    ///
    /// [`Refused`] unless the policy allows every group, and when a target was asked for instead.
    pub fn decide_role(self, policy: &dyn Policy, now: Timestamp) -> Result<Permit, Box<Refused>> {
        match self.judge_role(policy, now) {
            Ok((groups, limits)) => {
                let principal = Identity::clone(&self.actor).in_role(groups);
                Ok(self.permit(principal, limits))
            }
            Err(denial) => Err(self.refused(denial)),
        }
    }

    fn permit(self, principal: Identity, limits: Limits) -> Permit {
        let mode = self.ask.mode().min(limits.mode);
        Permit {
            actor: self.actor,
            principal,
            mode,
            ask: self.ask,
            actor_was_found: self.actor_was_found,
        }
    }

    fn judge(
        &self,
        policy: &dyn Policy,
        target: &Identity,
        now: Timestamp,
    ) -> Result<Limits, Denial> {
        let Wanted::User { narrowed, .. } = self.ask.wanted() else {
            return Err(Denial::by("role_without_target"));
        };
        if target.key() == self.actor.key() {
            return Err(oneself());
        }
        match target.enabled() {
            Some(true) => {}
            Some(false) => return Err(Denial::by("target_disabled")),
            None => return Err(Denial::by("unknown:target_enabled")),
        }
        let tenants = self.actor.tenant().zip(target.tenant());
        let shared = match tenants {
            Some((own, other)) => own == other,
            // Whoever keeps the grant decided about it.
            None => self.ask.is_kept_elsewhere(),
        };
        if !shared && self.actor.affiliation() != Affiliation::Staff {
            return Err(Denial::by("tenant"));
        }
        let limits = self.rule(policy, Some(target), None, now)?;
        let has = |group| target.groups().is_some_and(|groups| groups.contains(group));
        if narrowed.is_some_and(|groups| !groups.iter().all(has)) {
            return Err(Denial::by("narrowed_groups"));
        }
        Ok(limits)
    }

    fn judge_role(&self, policy: &dyn Policy, now: Timestamp) -> Result<(Names, Limits), Denial> {
        let Wanted::Role(groups) = self.ask.wanted() else {
            return Err(Denial::by("target_without_role"));
        };
        let mut mode = Mode::Full;
        for group in groups.iter() {
            let target = Identity::clone(&self.actor).with_groups([group]);
            mode = mode.min(self.rule(policy, Some(&target), Some(group), now)?.mode);
        }
        if groups.is_empty() {
            return Err(Denial::by("role_without_group"));
        }
        Ok((groups.clone(), Limits { mode }))
    }

    fn rule(
        &self,
        policy: &dyn Policy,
        target: Option<&Identity>,
        role: Option<&str>,
        now: Timestamp,
    ) -> Result<Limits, Denial> {
        match policy.judge(&self.attempt(target, role, now)) {
            Ruling::Allow(limits) => Ok(limits),
            // A demand would tell that the target exists: all that can be demanded was demanded before
            // anybody was looked up.
            Ruling::Deny(denial) => Err(Denial::by(denial.rule)),
            Ruling::Unknown(gap) => Err(Denial::by(format!("unknown:{}", gap.rule))),
        }
    }
}

impl fmt::Debug for Eligible {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Eligible")
            .field("actor", &self.actor.key())
            .finish_non_exhaustive()
    }
}

/// The policy allowed this pair, now. Nothing follows from it until it was written to the audit.
#[must_use]
pub struct Permit {
    actor: Verified<Identity>,
    principal: Identity,
    mode: Mode,
    ask: Ask,
    actor_was_found: bool,
}

impl Permit {
    /// Who really acts.
    #[must_use]
    pub fn actor(&self) -> &Verified<Identity> {
        &self.actor
    }

    /// The identity that takes effect: the target, or the actor itself in another role.
    #[must_use]
    pub fn principal(&self) -> &Identity {
        &self.principal
    }

    /// The target; `None` for a role.
    #[must_use]
    pub fn target(&self) -> Option<&Identity> {
        self.ask.target().map(|_| &self.principal)
    }

    /// The groups that were asked for by name: a role, or some of the target's.
    #[must_use]
    pub fn groups(&self) -> Option<&Names> {
        self.ask.groups()
    }

    /// How far it goes.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// What was asked for.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }

    /// Whether the directory knew the actor.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn actor_was_found(&self) -> bool {
        self.actor_was_found
    }

    /// Says under which grant it is used.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn under(mut self, grant: GrantId) -> Self {
        self.ask = self.ask.under(grant);
        self
    }

    /// A refusal of what the request wants to do beyond the permit.
    #[must_use]
    pub fn refuse(&self, rule: &'static str) -> Box<Refused> {
        Box::new(Refused {
            denial: Denial::by(rule),
            actor: self.actor.clone(),
            ask: Some(self.ask.clone()),
            target: self.target().cloned(),
        })
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Permit")
            .field("actor", &self.actor.key())
            .field("principal", &self.principal.key())
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}

/// An attempt that was denied, with what the audit must know of it.
#[derive(Debug)]
#[non_exhaustive]
pub struct Refused {
    /// Why.
    pub denial: Denial,
    /// Who asked.
    pub actor: Verified<Identity>,
    /// For what; `None` when it was refused before that could be told.
    pub ask: Option<Ask>,
    /// The target, where it was found.
    pub target: Option<Identity>,
}

impl Refused {
    /// An attempt that is refused before anybody decided about it.
    #[must_use]
    pub fn unasked(actor: Verified<Identity>, rule: &'static str, ask: Option<Ask>) -> Self {
        Self {
            denial: Denial::by(rule),
            actor,
            ask,
            target: None,
        }
    }
}
