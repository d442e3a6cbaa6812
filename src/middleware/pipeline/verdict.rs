//! How the pipeline ends, and what then happens to the request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::middleware::config::{Config, WithoutCredential};
use crate::middleware::session::Session;
use crate::principal::{Impersonation, Principal};
use crate::rejection::{Fault, Rejection, RejectionKind};
use crate::resolve::Seen;
use crate::terms::Strategy;

/// What becomes of a request.
pub(in crate::middleware) enum Verdict {
    Pass(Passage),
    Reject(Rejection),
}

impl From<Rejection> for Verdict {
    fn from(rejection: Rejection) -> Self {
        Self::Reject(rejection)
    }
}

impl From<RejectionKind> for Verdict {
    fn from(kind: RejectionKind) -> Self {
        Rejection::new(kind).into()
    }
}

impl Verdict {
    /// What it comes to, as it is measured.
    pub(super) fn outcome(&self) -> &'static str {
        let passage = match self {
            Self::Pass(passage) => passage,
            Self::Reject(rejection) => return rejection.kind().as_str(),
        };
        match &passage.principal {
            None => "preflight",
            Some(principal) if principal.is_anonymous() => "anonymous",
            Some(principal) if principal.impersonation().is_some() => "impersonated",
            Some(_) => "plain",
        }
    }

    /// How the request said that it impersonates, where it goes on to do so.
    pub(super) fn strategy(&self) -> Option<Strategy> {
        let Self::Pass(passage) = self else {
            return None;
        };
        Some(passage.principal.as_ref()?.impersonation()?.strategy())
    }

    /// Something failed that is neither the client's fault nor anybody's decision.
    pub(super) fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Rejection::because(RejectionKind::Unavailable, cause).into()
    }
}

/// How a request goes on to the handler.
pub(in crate::middleware) struct Passage {
    pub(super) principal: Option<Principal>,
    pub(super) session: Option<Box<Session>>,
    /// What may have to come off the request.
    pub(super) seen: Seen,
}

impl Passage {
    pub(super) fn of(principal: Principal) -> Self {
        Self {
            principal: Some(principal),
            session: None,
            seen: Seen::default(),
        }
    }

    /// Prepares the request for the handler: our headers come off, the principal goes in.
    pub(in crate::middleware) fn enter(
        self,
        config: &Config,
        parts: &mut Parts,
    ) -> Result<Option<Box<Session>>, Rejection> {
        let Self {
            principal,
            mut session,
            seen,
        } = self;
        config.settlement.strip(&mut parts.headers, seen);
        let Some(principal) = principal else {
            return Ok(session);
        };
        hide_credential(config, &principal, &mut parts.headers);
        let install = match &config.without_credential {
            WithoutCredential::Anonymous(install) if principal.is_anonymous() => Some(install),
            _ => config.install.as_ref(),
        };
        if let Some(install) = install {
            let extensions = &mut parts.extensions;
            let installed = catch_unwind(AssertUnwindSafe(|| install(&principal, extensions)));
            if installed.is_err() {
                if let Some(session) = &mut session {
                    session.fail();
                }
                return Err(Rejection::because(RejectionKind::Unavailable, Fault::Panic));
            }
        }
        parts.extensions.insert(principal);
        Ok(session)
    }
}

/// A token that speaks as the actor must not act further on as the actor. One with `act` says both.
fn hide_credential(config: &Config, principal: &Principal, headers: &mut HeaderMap) {
    let speaks_as_actor = principal
        .impersonation()
        .is_some_and(Impersonation::has_actors_token);
    if speaks_as_actor {
        headers.remove(AUTHORIZATION);
        config.extract.hide(headers);
    } else if let Some(value) = headers.get_mut(AUTHORIZATION) {
        value.set_sensitive(true);
    }
}
