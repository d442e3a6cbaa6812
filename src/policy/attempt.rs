use std::fmt;
use std::time::Duration;

use crate::identity::{Identity, Names};
use crate::terms::{Ask, Mode, Reason, Strategy, TargetRef, Ticket};
use crate::time::Timestamp;
use crate::token::Verified;

/// What a policy judges: an actor, what it asks for, and the target once it was found.
pub struct Attempt<'a> {
    pub(super) actor: &'a Verified<Identity>,
    pub(super) ask: &'a Ask,
    pub(super) target: Option<&'a Identity>,
    pub(super) role: Option<&'a str>,
    pub(super) now: Timestamp,
}

impl<'a> Attempt<'a> {
    /// Who really sends the request.
    #[must_use]
    pub fn actor(&self) -> &'a Identity {
        self.actor
    }

    /// The issuer whose token names the actor. For a token with `act` this need not be the actor's own.
    #[must_use]
    pub fn voucher(&self) -> &'a str {
        self.actor.voucher()
    }

    /// Whether the token is the actor's own, so that its claims speak of the actor; or was, when the grant
    /// started under which it goes on.
    #[must_use]
    pub fn has_own_token(&self) -> bool {
        self.actor.speaks_for_itself()
    }

    /// The target; `None` before it was looked up. For a role: the actor itself, with that one group.
    #[must_use]
    pub fn target(&self) -> Option<&'a Identity> {
        self.target
    }

    /// Whom the actor asks for; `None` for a role.
    #[must_use]
    pub fn wanted(&self) -> Option<&'a TargetRef> {
        self.ask.target()
    }

    /// The group that is asked for as a role. Each is judged by itself; `None` in the first step.
    #[must_use]
    pub fn role(&self) -> Option<&'a str> {
        self.role
    }

    /// All groups that are asked for as a role; `None` when a target is asked for.
    #[must_use]
    pub fn roles(&self) -> Option<&'a Names> {
        match self.ask.wanted() {
            crate::terms::Wanted::Role(groups) => Some(groups),
            crate::terms::Wanted::User { .. } | crate::terms::Wanted::OfGrant => None,
        }
    }

    /// The reason that was given.
    #[must_use]
    pub fn reason(&self) -> Option<&'a Reason> {
        self.ask.reason()
    }

    /// When it was asked for: at the start of the grant under which it goes on, else now.
    #[must_use]
    pub fn asked_at(&self) -> Timestamp {
        self.ask.asked_at().unwrap_or(self.now)
    }

    /// The ticket that was named.
    #[must_use]
    pub fn ticket(&self) -> Option<&'a Ticket> {
        self.ask.ticket()
    }

    /// The scopes that were asked for; `None` when none were named.
    #[must_use]
    pub fn scopes(&self) -> Option<&'a Names> {
        self.ask.scopes()
    }

    /// For how long it is asked; `None` when that was not said.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.ask.ttl()
    }

    /// The mode that was asked for.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.ask.mode()
    }

    /// How the request said that it impersonates.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.ask.strategy()
    }

    /// The time of the request.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.now
    }
}

impl fmt::Debug for Attempt<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Attempt")
            .field("actor", &self.actor.key())
            .field("target", &self.target.map(Identity::key))
            .field("strategy", &self.strategy())
            .finish_non_exhaustive()
    }
}
