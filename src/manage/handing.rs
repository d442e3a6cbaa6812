//! How a client gets hold of what it starts: by a token, or by a cookie in its browser.

use std::time::Duration;

use axum::response::Response;
use http::HeaderValue;
use http::request::Parts;

use crate::audit::Recorded;
use crate::browser;
use crate::identity::Identity;
use crate::manage::desk::Desk;
use crate::manage::http::{Fields, Problem};
use crate::manage::issue;
use crate::policy::Refused;
use crate::rejection::{Rejection, RejectionKind};
use crate::terms::GrantSecret;
use crate::time::Timestamp;
use crate::token::Verified;

#[derive(PartialEq, Eq)]
pub(super) enum Handing {
    Token { audience: Option<String> },
    Cookie,
}

/// A grant, in the hands of its actor.
pub(super) struct Begun {
    pub(super) recorded: Recorded,
    pub(super) deadline: Timestamp,
    /// What its cookie says; gone where the grant was there before.
    pub(super) secret: Option<GrantSecret>,
}

/// What the client is told.
pub(super) struct Handed {
    pub(super) kind: &'static str,
    pub(super) token: Option<String>,
    pub(super) expires_in: Duration,
    pub(super) scope: Option<String>,
    pub(super) cookie: Option<HeaderValue>,
}

impl Handing {
    /// What the body says of it.
    pub(super) fn read(desk: &Desk, fields: &mut Fields) -> Result<Self, Box<Response>> {
        let audience = fields.text("audience")?;
        if !fields.flag("cookie")? {
            issue::check_audience(desk, audience.as_deref())?;
            return Ok(Self::Token { audience });
        }
        if desk.layer.grant_cookie().is_none() {
            return Err(Problem::field("cookie", "no cookie is read here").into());
        }
        if audience.is_some() {
            return Err(Problem::field("audience", "a cookie is for this service alone").into());
        }
        Ok(Self::Cookie)
    }

    /// A cookie is for pages of the application itself.
    ///
    /// # Errors
    ///
    /// The answer to a page of somebody else's; recorded.
    pub(super) async fn check(
        &self,
        desk: &Desk,
        actor: &Verified<Identity>,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<(), Box<Response>> {
        let ours = || { desk.layer.grant_cookie() }.is_some_and(|(_, ours)| ours.allow(parts));
        if *self != Self::Cookie || ours() {
            return Ok(());
        }
        let refused = Refused::unasked(actor.clone(), "cross_site", None);
        let rejection = match desk.layer.record_denial(&refused, parts, now).await {
            Ok(()) => Rejection::new(RejectionKind::CrossSite),
            Err(rejection) => rejection,
        };
        Err(desk.reject(rejection, parts))
    }

    /// Makes the token, or the cookie.
    pub(super) fn hand(
        self,
        desk: &Desk,
        begun: &Begun,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<Handed, Box<Response>> {
        let Self::Token { audience } = self else {
            return cookie(desk, begun, now)
                .ok_or_else(|| desk.reject(Rejection::new(RejectionKind::Unavailable), parts));
        };
        let minted = issue::token(desk, &begun.recorded, audience, begun.deadline, now)
            .map_err(|error| issue::failed(desk, error, parts))?;
        Ok(Handed {
            kind: "access-token",
            token: Some(minted.token.expose().to_owned()),
            expires_in: minted.expires_in,
            scope: minted.scope,
            cookie: None,
        })
    }
}

fn cookie(desk: &Desk, begun: &Begun, now: Timestamp) -> Option<Handed> {
    let (name, _) = desk.layer.grant_cookie()?;
    let secret = begun.secret.as_ref()?.expose();
    let scopes = begun.recorded.permit().ask().scopes();
    Some(Handed {
        kind: "impersonation",
        token: None,
        expires_in: begun.deadline.saturating_since(now),
        scope: scopes.map(|scopes| scopes.iter().collect::<Vec<_>>().join(" ")),
        cookie: Some(browser::set(name, secret.expose())?),
    })
}
