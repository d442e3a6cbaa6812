use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::grant::ActorSession;
use crate::identity::{Identity, IdentityKey};
use crate::terms::{Ask, EndReason, GrantId, Mode};
use crate::time::Timestamp;

/// The stored permission for one actor to act as one target. Cheap to clone.
///
/// A value of it is what a store said at one moment. What was agreed at the start never changes; its
/// [`state`](Self::state) goes from alive to ended, once, and its deadline may move before that.
#[derive(Clone)]
pub struct Grant {
    start: Arc<Start>,
    state: State,
}

/// What was agreed when a grant started.
#[derive(Clone)]
pub struct Start {
    pub(super) id: GrantId,
    /// With what was known of it then.
    pub(super) actor: Identity,
    pub(super) voucher: Arc<str>,
    pub(super) spoke_for_itself: bool,
    pub(super) actor_was_found: bool,
    pub(super) target: Identity,
    pub(super) ask: Ask,
    pub(super) session: ActorSession,
    pub(super) client_id: Option<Arc<str>>,
    pub(super) started_at: Timestamp,
    pub(super) latest: Timestamp,
    pub(super) idle_limit: Option<Duration>,
}

/// What changes of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct State {
    /// When it ends by itself.
    pub deadline: Timestamp,
    /// When it was last used; at first, when it started. A store may be some seconds behind.
    pub last_used_at: Timestamp,
    /// How it ended; `None` as long as nobody ended it.
    pub end: Option<End>,
}

/// How a grant ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// Why.
    pub reason: EndReason,
    /// When.
    pub at: Timestamp,
    /// Who ended it; `None` where nobody did, as by its deadline.
    pub by: Option<IdentityKey>,
}

impl Grant {
    /// A grant in this state, as a store found it.
    #[must_use]
    pub fn new(start: Arc<Start>, state: State) -> Self {
        Self { start, state }
    }

    /// Which.
    #[must_use]
    pub fn id(&self) -> &GrantId {
        &self.start.id
    }

    /// Who may act. With the facts of the start: what is true now the directory says.
    #[must_use]
    pub fn actor(&self) -> &Identity {
        &self.start.actor
    }

    /// As whom. With the facts of the start.
    #[must_use]
    pub fn target(&self) -> &Identity {
        &self.start.target
    }

    /// What was asked for: reason, ticket, mode and scopes are those of the grant.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.start.ask
    }

    /// How far it goes.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.start.ask.mode()
    }

    /// The session in which the actor had signed in.
    #[must_use]
    pub fn session(&self) -> &ActorSession {
        &self.start.session
    }

    /// The app client of the actor's token, where it names one.
    #[must_use]
    pub fn client_id(&self) -> Option<&str> {
        self.start.client_id.as_deref()
    }

    /// When it started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.start.started_at
    }

    /// When it ends by itself.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.state.deadline
    }

    /// The moment beyond which nobody can extend it.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.start.latest
    }

    /// How long it may lie unused; `None` for as long as it lives.
    #[must_use]
    pub fn idle_limit(&self) -> Option<Duration> {
        self.start.idle_limit
    }

    /// What was agreed at the start, for a store to keep.
    #[must_use]
    pub fn start(&self) -> &Arc<Start> {
        &self.start
    }

    /// What changes, for a store to keep.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// How it ended, or has to be ended now; `None` while it is alive.
    #[must_use]
    pub fn end_at(&self, now: Timestamp) -> Option<End> {
        if let Some(end) = &self.state.end {
            return Some(end.clone());
        }
        let by_itself = |reason, at| End {
            reason,
            at,
            by: None,
        };
        let deadline = self.state.deadline;
        let idle = self
            .start
            .idle_limit
            .map(|limit| self.state.last_used_at.saturating_add(limit));
        match idle {
            Some(idle) if idle < deadline && now >= idle => Some(by_itself(EndReason::Idle, idle)),
            _ if now >= deadline => Some(by_itself(EndReason::Expired, deadline)),
            _ => None,
        }
    }

    /// Whether it may be used.
    #[must_use]
    pub fn is_alive_at(&self, now: Timestamp) -> bool {
        self.end_at(now).is_none()
    }

    /// Whether the directory knew the actor when it started.
    pub(crate) fn actor_was_found(&self) -> bool {
        self.start.actor_was_found
    }
}

impl Start {
    /// Which grant.
    #[must_use]
    pub fn id(&self) -> &GrantId {
        &self.id
    }

    /// Who may act.
    #[must_use]
    pub fn actor(&self) -> &IdentityKey {
        self.actor.key()
    }

    /// As whom.
    #[must_use]
    pub fn target(&self) -> &IdentityKey {
        self.target.key()
    }

    /// When it started.
    #[must_use]
    pub fn started_at(&self) -> Timestamp {
        self.started_at
    }

    /// The session in which the actor had signed in.
    #[must_use]
    pub fn session(&self) -> &ActorSession {
        &self.session
    }
}

impl fmt::Debug for Grant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grant")
            .field("start", &self.start)
            .field("state", &self.state)
            .finish()
    }
}

impl fmt::Debug for Start {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Start")
            .field("id", &self.id)
            .field("actor", self.actor.key())
            .field("target", self.target.key())
            .field("mode", &self.ask.mode())
            .finish_non_exhaustive()
    }
}
