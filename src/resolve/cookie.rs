use std::sync::Arc;

use http::request::Parts;

use crate::answer::Answer;
use crate::browser::{self, Cookie, OriginError, Origins};
use crate::resolve::{Nature, Requested, Resolution, Resolve, ResolveError, Targets};
use crate::terms::{Ask, GrantSecret, Strategy};
use crate::token::{Claims, Verified};

/// A cookie beside the actor's own session names a grant.
///
/// For applications in browsers: the session stays the actor's, untouched; the cookie
/// `__Host-impersonation` says under which grant it acts. Its value is the grant's [`GrantSecret`]; the
/// endpoint of `manage` hands it out to a page of these origins that starts with `"cookie": true`, and takes it
/// back at `stop`. Only the grant's own actor can use it: without the session it is nothing. A request that
/// writes or upgrades must come from a page of these origins.
///
/// When the grant is over, the next request is refused and the browser loses the cookie: nothing that was
/// meant for the target runs as the actor.
pub fn cookie(origins: impl IntoIterator<Item = impl Into<Box<str>>>) -> GrantCookie {
    GrantCookie {
        origins: Origins::new(origins).map_err(Arc::new),
    }
}

/// The name of the cookie.
pub(crate) const COOKIE: &str = "__Host-impersonation";

/// The strategy made by [`cookie`].
#[derive(Debug, Clone)]
#[must_use = "a strategy does nothing until it is given to the builder"]
pub struct GrantCookie {
    origins: Result<Origins, Arc<OriginError>>,
}

impl GrantCookie {
    fn read(
        &self,
        claims: &Verified<Claims>,
        parts: &Parts,
    ) -> Result<Option<Requested>, ResolveError> {
        let secret = match browser::find(&parts.headers, COOKIE) {
            Cookie::Absent => return Ok(None),
            Cookie::One(secret) => GrantSecret::parse(secret),
            Cookie::Malformed => None,
        };
        let secret =
            secret.ok_or_else(|| ResolveError::request("the impersonation cookie is malformed"))?;
        if !self.origins.as_ref().is_ok_and(|ours| ours.allow(parts)) {
            return Err(ResolveError::cross_site("cross_site"));
        }
        let ask = Ask::of_grant(secret.id(), Strategy::Cookie);
        Ok(Some(Requested::built_in(claims.caller(), ask)))
    }
}

impl Resolve for GrantCookie {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        Answer::now(self.read(claims, parts).into())
    }

    fn nature(&self) -> Nature<'_> {
        let nature = Nature::with_targets(Targets::Vouched)
            .reads_cookie(COOKIE)
            .reads_nothing_else();
        match &self.origins {
            Ok(origins) => nature.for_pages_of(origins),
            Err(_) => nature,
        }
    }

    fn check(&self) -> Result<(), String> {
        match &self.origins {
            Ok(_) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }
}
