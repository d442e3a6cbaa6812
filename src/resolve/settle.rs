//! What several strategies say must be one thing.

use std::sync::Arc;

use http::HeaderMap;

use crate::browser::{self, Cookie};
use crate::identity::Names;
use crate::resolve::act;
use crate::resolve::header::single;
use crate::resolve::values::{GROUP, ISSUER, REASON, person, reason};
use crate::resolve::{Asked, OwnHeaders, Requested, Resolution, Resolve, ResolveError};
use crate::terms::{Ask, Reason, Strategy, Wanted};
use crate::token::{Claims, Verified};

/// What is said of a token that a grant stands behind.
pub(super) const GRANT_WITHOUT_GRANTS: &str = "a token of a grant where no grants are configured";

/// The claim that is never passed over, whatever is configured.
const IMPERSONATING: &str = "impersonating";

/// Whether somebody can be asked if a grant is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantTokens {
    Taken,
    Refused,
}

/// Adds what the next strategy says to what was said before.
pub(crate) fn settle(
    found: Option<Requested>,
    next: Resolution,
) -> Result<Option<Requested>, ResolveError> {
    match (found, next) {
        (_, Resolution::Failed(error)) => Err(error),
        (found, Resolution::NotRequested) => Ok(found),
        (None, Resolution::Requested(next)) => Ok(Some(next)),
        (Some(found), Resolution::Requested(next)) => agree(found, next).map(Some),
    }
}

/// Two strategies agree when they name the same target; what the token says then comes first.
fn agree(found: Requested, next: Requested) -> Result<Requested, ResolveError> {
    let contradiction = || ResolveError::request("two strategies ask for different things");
    let (first, second) = if rank(&next) < rank(&found) {
        (next, found)
    } else {
        (found, next)
    };
    let strategies = (first.ask.strategy(), second.ask.strategy());
    if strategies == (Strategy::Act, Strategy::Claim) {
        return Err(ResolveError::token("act and impersonating in one token"));
    }
    let bound_to_token = rank(&first) < rank(&second);
    if !bound_to_token && first.actor.key() != second.actor.key() {
        return Err(contradiction());
    }
    match (first.ask.wanted(), second.ask.wanted()) {
        // A cookie names no target: whatever speaks beside it contradicts it.
        (Wanted::OfGrant, _) | (_, Wanted::OfGrant) => Err(contradiction()),
        (Wanted::Role(_), _) | (_, Wanted::Role(_)) => {
            Err(ResolveError::nested("a role beside another impersonation"))
        }
        (Wanted::User { target, .. }, Wanted::User { target: other, .. }) if target != other => {
            Err(contradiction())
        }
        (Wanted::User { .. }, Wanted::User { narrowed, .. }) => {
            let mode = first.ask.mode().min(second.ask.mode());
            let narrowed = both(first.ask.groups(), narrowed.as_ref());
            let mut ask = first.ask.with_mode(mode);
            if let Some(groups) = narrowed {
                ask = ask.narrowed_to(groups);
            }
            match second.ask.reason() {
                Some(reason) if ask.reason().is_none() => ask = ask.with_reason(reason.clone()),
                _ => {}
            }
            let took_headers = first.took_headers || second.took_headers;
            let by_application = first.by_application || second.by_application;
            Ok(Requested {
                actor: first.actor,
                ask,
                took_headers,
                by_application,
            })
        }
    }
}

fn rank(requested: &Requested) -> u8 {
    match requested.ask.strategy() {
        Strategy::Act => 0,
        Strategy::Claim => 1,
        Strategy::Header | Strategy::Cookie | Strategy::Role | Strategy::Custom => 2,
    }
}

/// What both name; what only one of them narrows stays narrowed.
fn both(first: Option<&Names>, second: Option<&Names>) -> Option<Names> {
    match (first, second) {
        (Some(first), Some(second)) => Some(
            first
                .iter()
                .filter(|group| second.contains(group))
                .collect(),
        ),
        (one, other) => one.or(other).cloned(),
    }
}

/// What is left to refuse when every strategy was asked.
#[derive(Debug)]
pub(crate) struct Settlement {
    own: OwnHeaders,
    /// The claims that strategies read.
    claims: Vec<Box<str>>,
    /// The cookies that strategies read.
    cookies: Vec<Box<str>>,
    roles: Roles,
    grants: GrantTokens,
    max_reason: usize,
}

/// Whether a group header without a user asks for a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Roles {
    Offered,
    None,
}

impl Settlement {
    pub(crate) fn new(
        strategies: &[Arc<dyn Resolve>],
        grants: GrantTokens,
        max_reason: usize,
    ) -> Self {
        let headers = strategies
            .iter()
            .flat_map(|strategy| strategy.headers().iter().cloned());
        let natures = || strategies.iter().map(|strategy| strategy.nature());
        let roles = natures().any(|nature| nature.asked == Asked::WhenSilent);
        Self {
            own: OwnHeaders::new(headers.collect()),
            claims: natures()
                .filter_map(|nature| nature.claim)
                .map(Into::into)
                .collect(),
            cookies: natures()
                .filter_map(|nature| nature.cookie)
                .map(Into::into)
                .collect(),
            grants,
            roles: if roles { Roles::Offered } else { Roles::None },
            max_reason,
        }
    }

    /// Refuses tokens that speak with two tongues, before any strategy is asked.
    pub(crate) fn inspect(&self, claims: &Verified<Claims>) -> Result<(), ResolveError> {
        let (act, impersonating) = (claims.get("act"), claims.get(IMPERSONATING));
        if act.is_some() && impersonating.is_some() {
            return Err(ResolveError::token("act and impersonating in one token"));
        }
        act.map_or(Ok(()), act::inspect)?;
        let under = |value: Option<&serde_json::Value>| {
            value.is_some_and(|value| value.get("grant_id").is_some())
        };
        let own = claims.get("grant_id").is_some();
        match self.grants {
            GrantTokens::Refused if own || under(act) || under(impersonating) => {
                Err(ResolveError::token(GRANT_WITHOUT_GRANTS))
            }
            // A grant stands behind a token that names both, and nowhere else.
            GrantTokens::Taken if under(act) || (own && act.is_none()) => {
                Err(ResolveError::token("a grant_id where none belongs"))
            }
            _ => Ok(()),
        }
    }

    /// The most characters of a reason.
    #[cfg(feature = "manage")]
    pub(crate) fn max_reason(&self) -> usize {
        self.max_reason
    }

    /// The headers that are ours.
    pub(crate) fn own_headers(&self) -> &OwnHeaders {
        &self.own
    }

    /// The cookies that are ours.
    pub(crate) fn cookies(&self) -> &[Box<str>] {
        &self.cookies
    }

    /// Whether a request asks for an impersonation by a header or a cookie, whatever it says.
    pub(crate) fn is_asked_for(&self, headers: &HeaderMap) -> bool {
        let there = |name: &str| browser::find(headers, name) != Cookie::Absent;
        self.own.any(headers) || self.cookies.iter().any(|name| there(name))
    }

    /// Takes off what is ours.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        self.own.strip(headers);
        for name in &self.cookies {
            browser::hide(headers, name);
        }
    }

    /// The claims that strategies read.
    pub(crate) fn reads_claim(&self, name: &str) -> bool {
        self.claims.iter().any(|read| **read == *name)
    }

    /// Refuses what none of the strategies took up, and reads the reason.
    pub(crate) fn finish(
        &self,
        found: Option<Requested>,
        claims: &Verified<Claims>,
        headers: &HeaderMap,
    ) -> Result<Option<Requested>, ResolveError> {
        self.leave_no_claim_unread(found.as_ref(), claims)?;
        let Some(Requested {
            actor,
            ask,
            took_headers,
            by_application,
        }) = found
        else {
            if self.own.any(headers) {
                return Err(ResolveError::request(
                    "an impersonation header without a user",
                ));
            }
            return Ok(None);
        };
        let stray = |name| self.own.read().contains(&name) && headers.contains_key(name);
        let is_role = ask.strategy() == Strategy::Role;
        if !took_headers && stray(GROUP) && !is_role {
            return Err(match self.roles {
                Roles::Offered => ResolveError::nested("a role beside another impersonation"),
                Roles::None => ResolveError::request("a group header without a user header"),
            });
        }
        if !took_headers && stray(ISSUER) {
            return Err(ResolveError::request(
                "an issuer header without a user header",
            ));
        }
        let ask = with_reason(ask, headers, self.max_reason)?;
        Ok(Some(Requested {
            actor,
            ask,
            took_headers,
            by_application,
        }))
    }

    /// A token that asks for something must not pass as one that asks for nothing.
    fn leave_no_claim_unread(
        &self,
        found: Option<&Requested>,
        claims: &Verified<Claims>,
    ) -> Result<(), ResolveError> {
        let by_act = found.is_some_and(|found| !found.actor.is_own());
        if claims.get("act").is_some() && !by_act {
            return Err(ResolveError::forbidden("untrusted_act"));
        }
        let by_custom = found.is_some_and(|found| found.by_application);
        let unread =
            |name: &str| claims.get(name).is_some() && !self.reads_claim(name) && !by_custom;
        if claims.issuer_facts().trusted_claims().any(unread) {
            return Err(ResolveError::forbidden("unread_claim"));
        }
        match claims.get(IMPERSONATING) {
            Some(value) if !claims.trusts_claim(IMPERSONATING) => {
                let well_formed = value.is_string() || person(value).is_some();
                Err(if well_formed {
                    ResolveError::forbidden("untrusted_claim")
                } else {
                    ResolveError::token("the impersonating claim is malformed")
                })
            }
            _ => Ok(()),
        }
    }
}

fn with_reason(ask: Ask, headers: &HeaderMap, max_chars: usize) -> Result<Ask, ResolveError> {
    let Some(value) = single(headers, &REASON)? else {
        return Ok(ask);
    };
    let reason = reason(value)
        .and_then(|text| Reason::parse(text, max_chars).ok())
        .ok_or_else(|| ResolveError::request("the reason is blank, too long or malformed"))?;
    Ok(if ask.reason().is_some() {
        ask
    } else {
        ask.with_reason(reason)
    })
}
