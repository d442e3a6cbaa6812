use std::time::Duration;

use crate::identity::{Identity, Names};
use crate::terms::{GrantId, Mode, Reason, Strategy, TargetRef, Ticket};
use crate::time::Timestamp;

/// What an actor asks for: whom to be, why, how far, and by which strategy it was said.
#[derive(Debug, Clone)]
pub struct Ask {
    whom: Whom,
    strategy: Strategy,
    mode: Mode,
    reason: Option<Reason>,
    /// What only some asks say.
    more: Option<Box<More>>,
}

#[derive(Debug, Clone)]
enum Whom {
    User(TargetRef),
    Role(Names),
    OfGrant,
}

#[derive(Debug, Clone, Default)]
struct More {
    narrowed: Option<Names>,
    vouched: Option<Identity>,
    ticket: Option<Ticket>,
    scopes: Option<Names>,
    ttl: Option<Duration>,
    grant: Option<GrantId>,
    asked_at: Option<Timestamp>,
    kept_elsewhere: bool,
}

/// Whom or what an actor asks to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Wanted<'a> {
    /// Another user, with all of its groups or only some.
    #[non_exhaustive]
    User {
        /// Whom.
        target: &'a TargetRef,
        /// Only these of the target's groups; `None` for all it has.
        narrowed: Option<&'a Names>,
    },
    /// Itself, with these groups in place of its own.
    Role(&'a Names),
    /// The target of a grant, whoever that is.
    OfGrant,
}

impl Ask {
    /// Asks to be another user.
    #[must_use]
    pub fn user(target: TargetRef, strategy: Strategy) -> Self {
        Self::new(Whom::User(target), strategy)
    }

    /// Asks for what a grant allows, whoever its target is.
    #[must_use]
    pub fn of_grant(grant: GrantId, strategy: Strategy) -> Self {
        Self::of_any_grant(strategy).under(grant)
    }

    /// The same, before it is said which.
    pub(crate) fn of_any_grant(strategy: Strategy) -> Self {
        Self::new(Whom::OfGrant, strategy)
    }

    /// Asks to have these groups in place of the actor's own.
    #[must_use]
    pub fn role(groups: Names) -> Self {
        Self::new(Whom::Role(groups), Strategy::Role)
    }

    fn new(whom: Whom, strategy: Strategy) -> Self {
        Self {
            whom,
            strategy,
            mode: Mode::Full,
            reason: None,
            more: None,
        }
    }

    fn more(&mut self) -> &mut More {
        self.more.get_or_insert_default()
    }

    /// Only these of the target's groups. For a role, this changes nothing.
    #[must_use]
    pub fn narrowed_to(mut self, groups: Names) -> Self {
        if let Whom::User(_) = self.whom {
            self.more().narrowed = Some(groups);
        }
        self
    }

    /// Says why.
    #[must_use]
    pub fn with_reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }

    /// Says why, where nobody said it before.
    pub(crate) fn add_reason(&mut self, reason: Reason) {
        self.reason.get_or_insert(reason);
    }

    /// Says how far. The policy may still allow less.
    #[must_use]
    pub fn with_mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self
    }

    /// Names the ticket for which it is done.
    #[must_use]
    pub fn with_ticket(mut self, ticket: Ticket) -> Self {
        self.more().ticket = Some(ticket);
        self
    }

    /// Only these scopes. The mode is not changed by it.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl Into<Names>) -> Self {
        self.more().scopes = Some(scopes.into());
        self
    }

    /// Says for how long. Whoever makes a grant of it may cut it down.
    #[must_use]
    pub fn with_ttl(mut self, ttl: Duration) -> Self {
        self.more().ttl = Some(ttl);
        self
    }

    /// Says under which grant, which has to be asked whether it is alive.
    #[must_use]
    pub fn under(mut self, grant: GrantId) -> Self {
        self.more().grant = Some(grant);
        self
    }

    /// Says that it was asked for then, and goes on since.
    pub(crate) fn since(mut self, asked_at: Timestamp) -> Self {
        self.more().asked_at = Some(asked_at);
        self
    }

    /// Says whom the grant is for.
    pub(crate) fn aimed_at(mut self, target: TargetRef) -> Self {
        if let Whom::OfGrant = self.whom {
            self.whom = Whom::User(target);
        }
        self
    }

    /// Says that another service keeps the grant, which said that it is alive.
    pub(crate) fn kept_elsewhere(mut self) -> Self {
        self.more().kept_elsewhere = true;
        self
    }

    /// Whether another service keeps the grant, and said that it is alive.
    pub(crate) fn is_kept_elsewhere(&self) -> bool {
        self.more.as_ref().is_some_and(|more| more.kept_elsewhere)
    }

    /// Says by which strategy it was said.
    pub(crate) fn said_by(mut self, strategy: Strategy) -> Self {
        self.strategy = strategy;
        self
    }

    /// Says what a verified token already tells of the target.
    pub(crate) fn vouched_for(mut self, target: Identity) -> Self {
        self.more().vouched = Some(target);
        self
    }

    /// Whom or what is asked for.
    #[must_use]
    pub fn wanted(&self) -> Wanted<'_> {
        match &self.whom {
            Whom::User(target) => Wanted::User {
                target,
                narrowed: self.narrowed(),
            },
            Whom::Role(groups) => Wanted::Role(groups),
            Whom::OfGrant => Wanted::OfGrant,
        }
    }

    fn narrowed(&self) -> Option<&Names> {
        self.more.as_ref()?.narrowed.as_ref()
    }

    /// The groups that are named: a role, or some of the target's.
    #[must_use]
    pub fn groups(&self) -> Option<&Names> {
        match &self.whom {
            Whom::User(_) => self.narrowed(),
            Whom::Role(groups) => Some(groups),
            Whom::OfGrant => None,
        }
    }

    /// The target that is asked for; `None` for a role, and for that of a grant before it was found.
    #[must_use]
    pub fn target(&self) -> Option<&TargetRef> {
        match &self.whom {
            Whom::User(target) => Some(target),
            Whom::Role(_) | Whom::OfGrant => None,
        }
    }

    /// How it was said.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.strategy
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> Option<&Reason> {
        self.reason.as_ref()
    }

    /// For which ticket.
    #[must_use]
    pub fn ticket(&self) -> Option<&Ticket> {
        self.more.as_ref()?.ticket.as_ref()
    }

    /// How far.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// With which scopes alone; `None` when none were named.
    #[must_use]
    pub fn scopes(&self) -> Option<&Names> {
        self.more.as_ref()?.scopes.as_ref()
    }

    /// For how long; `None` when it was not said.
    #[must_use]
    pub fn ttl(&self) -> Option<Duration> {
        self.more.as_ref()?.ttl
    }

    /// Under which grant; `None` without one.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantId> {
        self.more.as_ref()?.grant.as_ref()
    }

    /// When it was asked for, where that was before this request.
    #[must_use]
    pub fn asked_at(&self) -> Option<Timestamp> {
        self.more.as_ref()?.asked_at
    }

    /// What a verified token already tells of the target.
    pub(crate) fn vouched(&self) -> Option<&Identity> {
        self.more.as_ref()?.vouched.as_ref()
    }
}
