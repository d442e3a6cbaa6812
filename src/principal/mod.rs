//! Whom handlers see.
//!
//! The layer puts one [`Principal`] into the extensions of every request it lets through: the caller
//! itself, or the target while somebody impersonates it. It cannot be made anywhere else, it cannot
//! be changed, and nothing of the actor's (groups, scopes, attributes) is in it while impersonating:
//! whoever wants to know about the actor asks [`Principal::impersonation`]. Only who takes a role
//! stays itself, by key and name, with the groups that were asked for: its scopes are unknown then,
//! and there are no attributes.
//!
//! - [`Principal::side_effects`] tells what the application must not do meanwhile: note a login, send
//!   mails, ask for a second factor.
//! - [`Principal::require_write`] is for what reads by its method and writes all the same, and for hooks
//!   where all writes pass: in `read_only` mode it refuses and records.
//!
//! Caveat: neither does anything by itself. A handler that does not ask writes.
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
//!
//! # use http::{Request, Response, StatusCode};
//! # use tower::{Layer, ServiceExt, service_fn};
//! # use tower_impersonate::{ImpersonationLayer, testing::TestIssuer};
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let issuer = TestIssuer::offline("https://issuer.example.com");
//! # let layer = ImpersonationLayer::builder().issuer(issuer.issuer()).build()?;
//! let handler = service_fn(|request: Request<String>| async move {
//!     let greeting = request.extensions().get().map(greet);
//!     Ok::<_, std::convert::Infallible>(Response::new(greeting.unwrap_or_default()))
//! });
//! # let token = issuer.token("alice-sub").sign();
//! # let request = Request::get("/").header("authorization", format!("Bearer {token}"));
//! # let response = layer.layer(handler).oneshot(request.body(String::new())?).await?;
//! # use http_body_util::BodyExt;
//! let body = response.into_body().collect().await.map_err(|e| e.to_string())?.to_bytes();
//! assert_eq!(body, "hello alice-sub");
//! # Ok(())
//! # }
//! ```

mod effects;
#[cfg(feature = "cognito")]
mod lent;
mod warden;

pub use self::effects::{Effect, SideEffects};
pub(crate) use self::warden::Warden;

use std::fmt;
use std::future::Future;
use std::sync::{Arc, LazyLock};

use http::request::Parts;

use crate::audit::{EventId, Recorded};
use crate::gate::Live;
use crate::identity::{Identity, IdentityKey, Names};
use crate::policy::Permit;
use crate::rejection::{Declined, RejectionKind};
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

    pub(crate) fn impersonated(
        recorded: Recorded,
        live: Option<Live>,
        warden: &Arc<Warden>,
    ) -> Self {
        Self(Inner::Impersonated(Impersonation {
            recorded,
            live,
            warden: Arc::clone(warden),
        }))
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

    /// What the application may do beside what it was asked for: all on a plain request, and while
    /// somebody impersonates only what
    /// [`Builder::allow_effects`](crate::middleware::Builder::allow_effects) names, which is nothing
    /// by default. Who takes a role impersonates, too.
    ///
    /// ```
    /// use tower_impersonate::Principal;
    /// use tower_impersonate::principal::Effect;
    ///
    /// fn may_note_the_login(principal: &Principal) -> bool {
    ///     principal.side_effects().allow(Effect::LastLogin)
    /// }
    /// # let _ = may_note_the_login;
    /// ```
    #[must_use]
    pub fn side_effects(&self) -> SideEffects {
        self.impersonation()
            .map_or(SideEffects::ALL, |impersonation| {
                impersonation.warden.effects
            })
    }

    /// Whether the request may write: always, but for an impersonation that may only read.
    #[must_use]
    pub fn allows_writes(&self) -> bool {
        self.impersonation()
            .is_none_or(Impersonation::allows_writes)
    }

    /// Refuses in an impersonation that may only read: [`Impersonation::require_write`]. Every other
    /// request passes.
    ///
    /// # Errors
    ///
    /// [`Declined`], which is recorded: return it.
    pub async fn require_write(&self) -> Result<(), Declined> {
        match self.impersonation() {
            Some(impersonation) => impersonation.require_write().await,
            None => Ok(()),
        }
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
///
/// It goes where a job goes that the request starts: the job then knows that it must only read, and
/// what it refuses stands in the audit. [`stamp::spawn`](crate::stamp::spawn) takes span and stamp
/// along, too.
///
/// ```
/// use tower_impersonate::{Principal, rejection::Declined, stamp};
///
/// async fn rebuild_the_index(principal: Principal) -> Result<&'static str, Declined> {
///     // The job asks, like every handler.
///     principal.require_write().await?;
///     Ok("rebuilt")
/// }
///
/// async fn handler(principal: Principal) -> String {
///     let job = stamp::spawn(rebuild_the_index(principal));
///     match job.await {
///         Ok(Ok(done)) => done.to_owned(),
///         Ok(Err(declined)) => declined.to_string(),
///         Err(_) => "the job panicked".to_owned(),
///     }
/// }
///
/// # use http::{Request, Response};
/// # use tower::{Layer, ServiceExt, service_fn};
/// # use tower_impersonate::testing::{RecordingSink, TestIssuer};
/// # use tower_impersonate::{Identity, ImpersonationLayer, directory, policy, resolve};
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let name = "https://issuer.example.com";
/// # let issuer = TestIssuer::offline(name);
/// let layer = ImpersonationLayer::builder()
///     .policy(policy::in_group("support").and(policy::read_only()))
///     // issuers, strategies, directory and audit as ever
/// #   .issuer(issuer.issuer())
/// #   .resolve(resolve::header("impersonate-user"))
/// #   .directory(directory::memory([Identity::new(name, "alice-sub").enabled_account()]))
/// #   .audit(RecordingSink::new())
///     .build()?;
/// # let service = layer.layer(service_fn(|request: Request<String>| async move {
/// #     let text = match request.extensions().get::<Principal>() {
/// #         Some(principal) => handler(principal.clone()).await,
/// #         None => String::new(),
/// #     };
/// #     Ok::<_, std::convert::Infallible>(Response::new(text))
/// # }));
/// # let token = issuer.token("carol-sub").groups(["support"]).sign();
/// # let request = Request::get("/").header("authorization", format!("Bearer {token}"));
/// # let request = request.header("impersonate-user", "alice-sub").body(String::new())?;
/// # use http_body_util::BodyExt;
/// # let body = service.oneshot(request).await?.into_body().collect().await;
/// # let answer = body.map_err(|e| e.to_string())?.to_bytes();
/// assert_eq!(answer, "this impersonation may only read");
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Impersonation {
    recorded: Recorded,
    live: Option<Live>,
    /// By whom the rest of it is watched.
    warden: Arc<Warden>,
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

    /// Whether it may only read.
    #[must_use]
    pub fn is_read_only(&self) -> bool {
        self.mode() == Mode::ReadOnly
    }

    /// Whether it may do more than read. In `scoped` mode what it may write is for the handlers to say.
    #[must_use]
    pub fn allows_writes(&self) -> bool {
        !self.is_read_only()
    }

    /// Refuses if it may only read, and records the attempt as `impersonation.denied` by the rule
    /// `read_only`.
    ///
    /// For what the layer cannot see: a GET that writes after all, a hook of a database through which
    /// all writes pass, a job. Ask before the write, at every write; nothing is remembered. The audit
    /// is waited for, as long as the layer's [`deadline`](crate::middleware::Builder::deadline) says.
    /// In the request's outline that a responder of one's own gets here are method, URI, version and
    /// the headers `accept`, `accept-language`, `content-type`, `te`, `user-agent` and `x-request-id`.
    ///
    /// # Errors
    ///
    /// [`Declined`]: return it. [`RejectionKind::Unavailable`] where the audit did not take the event,
    /// else [`RejectionKind::ReadOnly`].
    pub async fn require_write(&self) -> Result<(), Declined> {
        if self.allows_writes() {
            return Ok(());
        }
        let request = self.recorded.request();
        Err(self.decline(RejectionKind::ReadOnly, &request).await)
    }

    /// Refuses, records and answers.
    pub(crate) async fn decline(&self, kind: RejectionKind, request: &Parts) -> Declined {
        self.warden.decline(kind, &self.recorded, request).await
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
