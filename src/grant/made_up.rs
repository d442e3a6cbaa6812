use std::sync::Arc;
use std::time::Duration;

use crate::grant::{ActorSession, Grant, Start, State};
use crate::identity::Identity;
use crate::terms::{Ask, GrantId, GrantSecret, Mode, Reason, Strategy, TargetRef};
use crate::time::Timestamp;

/// A grant that nobody permitted, for tests of stores.
///
/// Elsewhere a grant begins with a decision that the audit took. Unless told otherwise, it starts at
/// 2023-11-14T22:13:20Z, lives for an hour, can be extended to eight and has no idle limit.
///
/// ```
/// use std::time::Duration;
/// use tower_impersonate::testing::TestGrant;
///
/// let grant = TestGrant::new("carol", "alice").lives(Duration::from_secs(60)).build();
/// assert_eq!(grant.actor().subject(), "carol");
/// assert!(grant.is_alive_at(grant.started_at()));
/// assert!(!grant.is_alive_at(grant.started_at().saturating_add(Duration::from_secs(60))));
/// ```
#[derive(Debug, Clone)]
#[must_use = "it is no grant yet"]
pub struct TestGrant {
    start: Start,
    lives: Duration,
    longest: Duration,
}

impl TestGrant {
    /// One for the person with that `sub` as the person with the other one, both of the issuer
    /// `https://issuer.example.com`, under an id that no other grant has.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    #[allow(clippy::expect_used, reason = "a test could not go on")]
    pub fn new(actor: impl Into<Arc<str>>, target: impl Into<Arc<str>>) -> Self {
        let target = Identity::new(ISSUER, target).enabled_account();
        let ask = Ask::user(TargetRef::from(target.key()), Strategy::Header);
        let start = Start {
            id: GrantSecret::new().expect("randomness").id(),
            actor: Identity::new(ISSUER, actor).with_groups(["support"]),
            voucher: ISSUER.into(),
            spoke_for_itself: true,
            actor_was_found: true,
            target,
            ask,
            session: ActorSession::default(),
            client_id: None,
            started_at: Timestamp::from_unix_seconds(1_700_000_000),
            latest: Timestamp::from_unix_seconds(0),
            idle_limit: None,
        };
        Self {
            start,
            lives: Duration::from_secs(3600),
            longest: Duration::from_secs(8 * 3600),
        }
    }

    /// Of that actor, with its facts.
    pub fn actor(mut self, actor: Identity) -> Self {
        self.start.actor = actor;
        self
    }

    /// On that target, with its facts; what was asked for stays as it is.
    pub fn target(mut self, target: Identity) -> Self {
        self.start.target = target;
        self
    }

    /// Under that id.
    pub fn id(mut self, id: GrantId) -> Self {
        self.start.id = id;
        self
    }

    /// Asked for like this.
    pub fn ask(mut self, ask: Ask) -> Self {
        self.start.ask = ask;
        self
    }

    /// In that mode.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.start.ask = self.start.ask.with_mode(mode);
        self
    }

    /// For that reason.
    pub fn reason(mut self, reason: Reason) -> Self {
        self.start.ask = self.start.ask.with_reason(reason);
        self
    }

    /// Begun in that session of the actor.
    pub fn session(mut self, session: ActorSession) -> Self {
        self.start.session = session;
        self
    }

    /// Begun by a token of that app client.
    pub fn client_id(mut self, client: impl Into<Arc<str>>) -> Self {
        self.start.client_id = Some(client.into());
        self
    }

    /// Begun by an actor whom the directory did not know.
    pub fn unknown_actor(mut self) -> Self {
        self.start.actor_was_found = false;
        self
    }

    /// Started at that moment.
    pub fn at(mut self, start: Timestamp) -> Self {
        self.start.started_at = start;
        self
    }

    /// Ends by itself so long after its start.
    pub fn lives(mut self, lifetime: Duration) -> Self {
        self.lives = lifetime;
        self
    }

    /// Can be extended to so long after its start.
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// Ends by itself when it lay unused for so long.
    pub fn idle(mut self, idle: Duration) -> Self {
        self.start.idle_limit = Some(idle);
        self
    }

    /// The grant.
    #[must_use]
    pub fn build(mut self) -> Grant {
        let started_at = self.start.started_at;
        self.start.latest = started_at.saturating_add(self.longest);
        let state = State {
            deadline: started_at.saturating_add(self.lives),
            last_used_at: started_at,
            end: None,
        };
        Grant::new(Arc::new(self.start), state)
    }

    /// The grant, and what a client would hold of it: its id is the one of a fresh secret.
    ///
    /// # Panics
    ///
    /// When the system has no randomness.
    #[must_use]
    #[allow(clippy::expect_used, reason = "a test could not go on")]
    pub fn build_with_secret(self) -> (Grant, GrantSecret) {
        let secret = GrantSecret::new().expect("randomness");
        (self.id(secret.id()).build(), secret)
    }
}

const ISSUER: &str = "https://issuer.example.com";
