//! How the pipeline ends, and what then happens to the request.

use std::panic::{AssertUnwindSafe, catch_unwind};

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::middleware::config::{Config, WithoutCredential};
use crate::middleware::pipeline::fault::Fault;
use crate::middleware::session::Session;
use crate::principal::Principal;
use crate::rejection::{Rejection, RejectionKind};
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
    /// Something failed that is neither the client's fault nor anybody's decision.
    pub(super) fn unavailable(cause: impl std::error::Error + Send + Sync + 'static) -> Self {
        Rejection::because(RejectionKind::Unavailable, cause).into()
    }
}

/// How a request goes on to the handler.
pub(in crate::middleware) struct Passage {
    pub(super) principal: Option<Principal>,
    pub(super) session: Option<Box<Session>>,
}

impl Passage {
    pub(super) fn of(principal: Principal) -> Self {
        Self {
            principal: Some(principal),
            session: None,
        }
    }

    /// Prepares the request for the handler: our headers come off, the principal goes in.
    pub(in crate::middleware) fn enter(
        self,
        config: &Config,
        parts: &mut Parts,
    ) -> Result<Option<Box<Session>>, Rejection> {
        config.own_headers.strip(&mut parts.headers);
        let Self {
            principal,
            mut session,
        } = self;
        let Some(principal) = principal else {
            return Ok(session);
        };
        hide_credential(&principal, &mut parts.headers);
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

/// A token that speaks as the actor must not act further on as the actor.
fn hide_credential(principal: &Principal, headers: &mut HeaderMap) {
    match principal
        .impersonation()
        .map(|impersonation| impersonation.strategy())
    {
        None | Some(Strategy::Act) => {
            if let Some(value) = headers.get_mut(AUTHORIZATION) {
                value.set_sensitive(true);
            }
        }
        Some(_) => {
            headers.remove(AUTHORIZATION);
        }
    }
}
