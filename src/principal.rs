//! Whom handlers see.
//!
//! The layer puts one [`Principal`] into the extensions of every request it lets through: the caller
//! itself, or the target while somebody impersonates it. It cannot be made anywhere else, it cannot
//! be changed, and nothing of the actor's (groups, scopes, attributes) is in it while impersonating:
//! whoever wants to know about the actor asks [`Principal::impersonation`]. Only who takes a role
//! stays itself, by key and name, with the groups that were asked for: its scopes are unknown then,
//! and there are no attributes.
//!
//! In optional mode a request without a credential has a principal, too, and
//! [`Principal::is_anonymous`] tells; its issuer and subject are empty, which no token's can be.
//!
//! ```
//! use tower_impersonate::Principal;
//!
//! fn greet(principal: &Principal) -> String {
//!     match principal.impersonation() {
//!         None => format!("hello {}", principal.subject()),
//!         Some(i) => format!("hello {}, through {}", principal.subject(), i.actor().subject()),
//!     }
//! }
//! # let _ = greet;
//! ```

use std::fmt;
use std::future::Future;
use std::sync::LazyLock;

use crate::audit::{EventId, Recorded};
use crate::gate::Live;
use crate::identity::{Identity, IdentityKey, Names};
use crate::policy::Permit;
use crate::terms::{GrantId, Mode, Strategy, Ticket};
use crate::token::{Claims, Verified};

/// The identity that a request runs as. Cheap to clone.
#[derive(Clone)]
pub struct Principal(Inner);

#[derive(Clone)]
enum Inner {
    Caller(Verified<Claims>),
    Impersonated(Impersonation),
    Anonymous,
}

static NOBODY: LazyLock<Identity> = LazyLock::new(|| Identity::new("", ""));

impl Principal {
    pub(crate) fn caller(claims: Verified<Claims>) -> Self {
        Self(Inner::Caller(claims))
    }

    pub(crate) fn impersonated(recorded: Recorded, live: Option<Live>) -> Self {
        Self(Inner::Impersonated(Impersonation { recorded, live }))
    }

    pub(crate) fn anonymous() -> Self {
        Self(Inner::Anonymous)
    }

    /// The identity: the target while impersonating, else the caller.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        match &self.0 {
            Inner::Caller(claims) => claims.identity(),
            Inner::Impersonated(impersonation) => impersonation.permit().principal(),
            Inner::Anonymous => &NOBODY,
        }
    }

    /// What people are compared by.
    #[must_use]
    pub fn key(&self) -> &IdentityKey {
        self.identity().key()
    }

    /// The issuer.
    #[must_use]
    pub fn issuer(&self) -> &str {
        self.identity().issuer()
    }

    /// The `sub`.
    #[must_use]
    pub fn subject(&self) -> &str {
        self.identity().subject()
    }

    /// The groups; `None` when they are unknown.
    #[must_use]
    pub fn groups(&self) -> Option<&Names> {
        self.identity().groups()
    }

    /// Whether the identity is known to be in the group.
    #[must_use]
    pub fn is_in_group(&self, name: &str) -> bool {
        self.groups().is_some_and(|groups| groups.contains(name))
    }

    /// Whether there was no credential. Only in optional mode.
    #[must_use]
    pub fn is_anonymous(&self) -> bool {
        matches!(self.0, Inner::Anonymous)
    }

    /// Who is really there, while impersonating.
    #[must_use]
    pub fn impersonation(&self) -> Option<&Impersonation> {
        match &self.0 {
            Inner::Impersonated(impersonation) => Some(impersonation),
            Inner::Caller(_) | Inner::Anonymous => None,
        }
    }

    /// Who really sends the request: the actor while impersonating, else the caller itself.
    #[must_use]
    pub fn actor(&self) -> &Identity {
        self.impersonation()
            .map_or_else(|| self.identity(), Impersonation::actor)
    }
}

#[cfg(feature = "manage")]
impl Principal {
    /// Who really sends the request, with the proof; `None` without a credential.
    pub(crate) fn verified_actor(&self) -> Option<Verified<Identity>> {
        match &self.0 {
            Inner::Caller(claims) => Some(claims.caller()),
            Inner::Impersonated(impersonation) => Some(impersonation.permit().actor().clone()),
            Inner::Anonymous => None,
        }
    }
}

#[cfg(feature = "manage")]
impl Impersonation {
    /// What was asked for.
    pub(crate) fn ask(&self) -> &crate::terms::Ask {
        self.permit().ask()
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut debug = f.debug_struct("Principal");
        match &self.0 {
            Inner::Anonymous => debug.field("anonymous", &true),
            Inner::Caller(_) => debug.field("key", self.key()),
            Inner::Impersonated(impersonation) => debug
                .field("key", self.key())
                .field("actor", impersonation.actor().key()),
        };
        debug.finish_non_exhaustive()
    }
}

/// An impersonation that is going on: who acts, as whom, how far and why. Cheap to clone.
#[derive(Clone)]
pub struct Impersonation {
    recorded: Recorded,
    live: Option<Live>,
}

impl Impersonation {
    fn permit(&self) -> &Permit {
        self.recorded.permit()
    }

    /// Who really acts.
    #[must_use]
    pub fn actor(&self) -> &Identity {
        self.permit().actor()
    }

    /// Who is impersonated; `None` when the actor took a role and stays itself.
    #[must_use]
    pub fn target(&self) -> Option<&Identity> {
        self.permit().target()
    }

    /// Whether the request's token is the actor's own, and so would act as the actor elsewhere.
    pub(crate) fn has_actors_token(&self) -> bool {
        self.permit().actor().is_own()
    }

    /// How far it goes.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.permit().mode()
    }

    /// How the request said so.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.permit().ask().strategy()
    }

    /// The reason that was given.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        self.permit().ask().reason().map(|reason| reason.as_str())
    }

    /// The grant under which it goes on; `None` without one.
    #[must_use]
    pub fn grant_id(&self) -> Option<&GrantId> {
        self.permit().ask().grant()
    }

    /// The ticket that was named.
    #[must_use]
    pub fn ticket(&self) -> Option<&str> {
        self.permit().ask().ticket().map(Ticket::as_str)
    }

    /// The scopes that were asked for by name; `None` when none were.
    #[must_use]
    pub fn scopes(&self) -> Option<&Names> {
        self.permit().ask().scopes()
    }

    /// Waits until the grant ends, or what was decided at its start does not hold any more; without a
    /// grant, forever.
    ///
    /// For what the layer cannot cut by itself, such as an upgraded socket. It is told within one second;
    /// it needs a tokio runtime with a timer.
    pub fn ended(&self) -> impl Future<Output = ()> + Send + 'static {
        let live = self.live.clone();
        async move {
            match live {
                Some(live) => live.ended().await,
                None => std::future::pending().await,
            }
        }
    }

    /// The event in the audit that was written before the handler.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.recorded.event_id()
    }
}

impl fmt::Debug for Impersonation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Impersonation")
            .field("actor", &self.actor().key())
            .field("target", &self.target().map(Identity::key))
            .field("mode", &self.mode())
            .finish_non_exhaustive()
    }
}
