//! Strategies: how a request says that it impersonates.
//!
//! The strategies are asked on every authenticated request in which something could speak to one of them, [`role`] only
//! when nothing else has something to say, and what they say must agree: a header that names somebody else than the token
//! does is refused, never ignored, and so is a token with `act` or a trusted claim that nothing reads. A strategy that has nothing to
//! say answers [`Resolution::NotRequested`]; one that cannot make sense of what it sees answers
//! [`Resolution::Failed`], and the request ends there.
//!
//! | strategy | who is the actor | who is the target | needs |
//! |---|---|---|---|
//! | [`claim`] | the token's `sub` | `impersonating.sub` | `Issuer::trust_claim`, of one issuer at least |
//! | [`act`] | `act.sub` (RFC 8693) | the token's `sub` | `Issuer::trust_act` |
//! | [`header`] | the token's `sub` | the `impersonate-user` header | a directory |
//! | [`role`] | the token's `sub` | nobody: named groups in place of the actor's own, no scopes | a closed list |
//! | [`custom`] | the token's `sub` or `act` | whatever the closure says | a directory |
//!
//! No strategy can invent an actor: a [`Requested`] takes a `Verified<Identity>`, and only a verified
//! token gives one. A strategy decides nothing: what is asked for goes to the policy. What is asked
//! for from outside of this module is recorded as `custom`, whatever it calls itself; where its targets
//! come from says [`Resolve::nature`].
//!
//! ```
//! use tower_impersonate::resolve::{self, Resolve};
//!
//! let strategy = resolve::header("impersonate-user").names();
//! assert_eq!(strategy.headers()[0], "impersonate-user");
//! assert!(resolve::header("not a header").check().is_err());
//! ```

mod act;
mod claim;
mod cookie;
mod custom;
mod error;
mod header;
mod hygiene;
mod listed;
mod role;
mod seen;
mod settle;
mod values;

pub(crate) use self::act::sender;
pub use self::act::{Act, act};
pub use self::claim::{Claim, claim};
pub use self::cookie::{GrantCookie, cookie};
pub use self::custom::custom;
pub use self::error::{ResolveError, ResolveErrorKind};
pub use self::header::{Header, header};
pub(crate) use self::hygiene::OwnHeaders;
pub(crate) use self::listed::Listed;
pub use self::role::{Role, role};
pub(crate) use self::seen::Seen;
pub(crate) use self::settle::{GrantTokens, Settlement, agree};
pub use self::values::{GROUP, ISSUER, REASON};

use http::HeaderName;
use http::request::Parts;

use crate::answer::Answer;
use crate::browser::Origins;
use crate::identity::Identity;
use crate::terms::{Ask, Strategy};
use crate::token::{Claims, Verified};

/// One way in which a request can say that it impersonates.
///
/// Asked at most once per authenticated request, after the token was verified. The built-in strategies
/// answer now; one that has to wait takes what it needs out of `parts` first. It must not decide:
/// that is the policy's.
pub trait Resolve: Send + Sync {
    /// Reads the request.
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution>;

    /// The request headers that it reads: they are taken off the request before the handler, and
    /// `Vary` names them on every response.
    fn headers(&self) -> &[HeaderName] {
        &[]
    }

    /// What else must be known of it when the layer is built.
    fn nature(&self) -> Nature<'_> {
        Nature::default()
    }

    /// Whether it is configured soundly; asked at build time.
    ///
    /// # Errors
    ///
    /// A sentence for whoever configured it.
    fn check(&self) -> Result<(), String> {
        Ok(())
    }
}

/// What must be known of a strategy when the layer is built. By default it is always asked, reads no
/// claim, and lets the actor name anybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub struct Nature<'a> {
    /// Where its targets come from.
    pub targets: Targets,
    /// When it is asked.
    pub asked: Asked,
    /// What it looks at.
    pub reads: Reads,
    /// The claim that it reads. A token with a trusted claim that nothing reads is refused.
    pub claim: Option<&'a str>,
    /// The cookie that it reads: it is taken off the request before the handler, and off the browser when
    /// what it names is over.
    pub cookie: Option<&'a str>,
    /// The pages that this cookie is for: the routes of `manage` hand it out to them alone.
    pub origins: Option<&'a Origins>,
}

impl<'a> Nature<'a> {
    /// A strategy whose targets come from there.
    #[must_use]
    pub fn with_targets(targets: Targets) -> Self {
        Self {
            targets,
            ..Self::default()
        }
    }

    /// It reads this claim.
    #[must_use]
    pub fn reads_claim(mut self, name: &'a str) -> Self {
        self.claim = Some(name);
        self
    }

    /// It reads this cookie.
    #[must_use]
    pub fn reads_cookie(mut self, name: &'a str) -> Self {
        self.cookie = Some(name);
        self
    }

    /// Its cookie is for these pages.
    #[must_use]
    pub fn for_pages_of(mut self, origins: &'a Origins) -> Self {
        self.origins = Some(origins);
        self
    }

    /// It looks at nothing but its [headers](Resolve::headers), its claim and its cookie, so that it need
    /// not be asked where none of them is there.
    #[must_use]
    pub fn reads_nothing_else(mut self) -> Self {
        self.reads = Reads::WhatItNames;
        self
    }

    /// It is asked only when nothing else has something to say.
    #[must_use]
    pub fn when_silent(mut self) -> Self {
        self.asked = Asked::WhenSilent;
        self
    }
}

/// When a strategy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Asked {
    /// On every authenticated request.
    #[default]
    Always,
    /// Only when no strategy that is always asked has something to say.
    WhenSilent,
}

/// What a strategy looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Reads {
    /// The whole request.
    #[default]
    Anything,
    /// The headers, the claim and the cookie that it names. Where nothing of all that is in a request, it
    /// is not asked.
    WhatItNames,
}

/// Where the target of a strategy comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Targets {
    /// Anybody can be named, so a directory must say who exists.
    #[default]
    LookedUp,
    /// A trusted token names the target; a directory is asked where there is one.
    Named,
    /// The token is the target's own, or there is no target.
    Vouched,
}

/// What a strategy says of a request.
#[derive(Debug)]
pub enum Resolution {
    /// Nothing: this request does not impersonate, as far as this strategy sees.
    NotRequested,
    /// Somebody asks for something.
    Requested(Requested),
    /// Something is there, but it makes no sense or is not to be believed.
    Failed(ResolveError),
}

/// A verified actor and what it asks for.
#[derive(Debug)]
pub struct Requested {
    pub(crate) actor: Verified<Identity>,
    pub(crate) ask: Ask,
    /// Whether the group and issuer headers belong to it.
    took_headers: bool,
    /// Whether a strategy of the application's own asks for it, alone or with another.
    by_application: bool,
}

impl Requested {
    /// What a strategy of the application's own asks for; [`Strategy::Custom`] in the record.
    ///
    /// The actor comes from [`Verified<Claims>::caller`] or [`Verified<Claims>::acting`].
    ///
    /// [`Verified<Claims>::caller`]: crate::token::Verified::caller
    /// [`Verified<Claims>::acting`]: crate::token::Verified::acting
    #[must_use]
    pub fn new(actor: Verified<Identity>, ask: Ask) -> Self {
        let ask = ask.said_by(Strategy::Custom);
        Self {
            by_application: true,
            ..Self::built_in(actor, ask)
        }
    }

    /// Only what stands in this folder says by which of the other strategies it was said.
    pub(super) fn built_in(actor: Verified<Identity>, ask: Ask) -> Self {
        Self {
            actor,
            ask,
            took_headers: false,
            by_application: false,
        }
    }

    pub(super) fn with_headers(mut self) -> Self {
        self.took_headers = true;
        self
    }

    /// Who asks.
    #[must_use]
    pub fn actor(&self) -> &Identity {
        &self.actor
    }

    /// For what.
    #[must_use]
    pub fn ask(&self) -> &Ask {
        &self.ask
    }
}

impl From<Requested> for Resolution {
    fn from(requested: Requested) -> Self {
        Self::Requested(requested)
    }
}

impl From<ResolveError> for Resolution {
    fn from(error: ResolveError) -> Self {
        Self::Failed(error)
    }
}

impl From<Result<Option<Requested>, ResolveError>> for Resolution {
    fn from(result: Result<Option<Requested>, ResolveError>) -> Self {
        match result {
            Ok(Some(requested)) => Self::Requested(requested),
            Ok(None) => Self::NotRequested,
            Err(error) => Self::Failed(error),
        }
    }
}
