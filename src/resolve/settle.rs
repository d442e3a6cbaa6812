//! What several strategies say must be one thing.

use std::sync::Arc;

use http::HeaderMap;
use serde_json::Value;

use crate::browser::{self, Cookie};
use crate::identity::Names;
use crate::resolve::act;
use crate::resolve::header::single;
use crate::resolve::values::{GROUP, ISSUER, REASON, person, reason};
use crate::resolve::{Asked, OwnHeaders, Reads, Requested, Resolve, ResolveError, Seen};
use crate::terms::{Reason, Strategy, Wanted};
use crate::token::{Claims, NameSet, Verified};

/// What is said of a token that a grant stands behind.
pub(super) const GRANT_WITHOUT_GRANTS: &str = "a token of a grant where no grants are configured";

/// The claim that is never passed over, whatever is configured.
const IMPERSONATING: &str = "impersonating";

fn act_of(claims: &Claims) -> Option<&Value> {
    const NAME: NameSet = NameSet::of("act");
    claims.find("act", NAME)
}

fn impersonating_of(claims: &Claims) -> Option<&Value> {
    const NAME: NameSet = NameSet::of(IMPERSONATING);
    claims.find(IMPERSONATING, NAME)
}

fn grant_of(claims: &Claims) -> Option<&Value> {
    const NAME: NameSet = NameSet::of("grant_id");
    claims.find("grant_id", NAME)
}

/// Whether somebody can be asked if a grant is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantTokens {
    Taken,
    Refused,
}

/// Two strategies agree when they name the same target; what the token says then comes first.
pub(crate) fn agree(found: Requested, next: Requested) -> Result<Requested, ResolveError> {
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
            let narrowed = both(first.ask.groups(), narrowed);
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
    /// The names of all claims that say something here, each for itself.
    telling: Vec<NameSet>,
    /// Whether some strategy reads more than it names.
    reads_anything: bool,
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
    pub(crate) fn new<'n>(
        strategies: &'n [Arc<dyn Resolve>],
        trusted: impl Iterator<Item = &'n str>,
        grants: GrantTokens,
        max_reason: usize,
    ) -> Self {
        let headers = strategies
            .iter()
            .flat_map(|strategy| strategy.headers().iter().cloned());
        let natures = || strategies.iter().map(|strategy| strategy.nature());
        let roles = natures().any(|nature| nature.asked == Asked::WhenSilent);
        let read = natures().filter_map(|nature| nature.claim);
        let telling = { ["act", IMPERSONATING, "grant_id"].into_iter() }
            .chain(read)
            .chain(trusted);
        Self {
            own: OwnHeaders::new(headers.collect()),
            telling: telling.map(NameSet::of).collect(),
            reads_anything: natures().any(|nature| nature.reads == Reads::Anything),
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

    /// Refuses what no strategy has to be asked about, and tells what there is for them to read.
    pub(crate) fn inspect(
        &self,
        claims: &Verified<Claims>,
        headers: &HeaderMap,
    ) -> Result<Seen, ResolveError> {
        let tells = self.tells(claims);
        if tells {
            self.inspect_claims(claims)?;
        }
        let cookie = |name: &str| browser::find(headers, name) != Cookie::Absent;
        Ok(Seen {
            headers: self.own.check(headers)?,
            cookies: self.cookies.iter().any(|name| cookie(name)),
            claims: tells,
            anything: self.reads_anything,
        })
    }

    /// Whether a token may have a claim that says something here.
    fn tells(&self, claims: &Claims) -> bool {
        let names = claims.names();
        self.telling.iter().any(|name| names.may_have(*name))
    }

    /// Refuses tokens that speak with two tongues.
    pub(crate) fn inspect_claims(&self, claims: &Verified<Claims>) -> Result<(), ResolveError> {
        let (act, impersonating) = (act_of(claims), impersonating_of(claims));
        if act.is_some() && impersonating.is_some() {
            return Err(ResolveError::token("act and impersonating in one token"));
        }
        act.map_or(Ok(()), act::inspect)?;
        let under =
            |value: Option<&Value>| value.is_some_and(|value| value.get("grant_id").is_some());
        let own = grant_of(claims).is_some();
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
    pub(crate) fn strip(&self, headers: &mut HeaderMap, seen: Seen) {
        if seen.headers {
            self.own.strip(headers);
        }
        if seen.cookies {
            for name in &self.cookies {
                browser::hide(headers, name);
            }
        }
    }

    /// The claims that strategies read.
    pub(crate) fn reads_claim(&self, name: &str) -> bool {
        self.claims.iter().any(|read| **read == *name)
    }

    /// Refuses what none of the strategies took up, and reads the reason.
    pub(crate) fn finish(
        &self,
        found: Option<&mut Requested>,
        claims: &Verified<Claims>,
        headers: &HeaderMap,
        seen: Seen,
    ) -> Result<(), ResolveError> {
        if seen.claims {
            self.leave_no_claim_unread(found.as_deref(), claims)?;
        }
        if !seen.headers {
            return Ok(());
        }
        let Some(requested) = found else {
            return match self.own.any(headers) {
                true => Err(ResolveError::request(
                    "an impersonation header without a user",
                )),
                false => Ok(()),
            };
        };
        let stray = |name| self.own.read().contains(&name) && headers.contains_key(name);
        let is_role = requested.ask.strategy() == Strategy::Role;
        if !requested.took_headers && stray(GROUP) && !is_role {
            return Err(match self.roles {
                Roles::Offered => ResolveError::nested("a role beside another impersonation"),
                Roles::None => ResolveError::request("a group header without a user header"),
            });
        }
        if !requested.took_headers && stray(ISSUER) {
            return Err(ResolveError::request(
                "an issuer header without a user header",
            ));
        }
        if let Some(reason) = reason_of(headers, self.max_reason)? {
            requested.ask.add_reason(reason);
        }
        Ok(())
    }

    /// A token that asks for something must not pass as one that asks for nothing.
    fn leave_no_claim_unread(
        &self,
        found: Option<&Requested>,
        claims: &Verified<Claims>,
    ) -> Result<(), ResolveError> {
        let by_act = found.is_some_and(|found| !found.actor.is_own());
        if act_of(claims).is_some() && !by_act {
            return Err(ResolveError::forbidden("untrusted_act"));
        }
        let by_custom = found.is_some_and(|found| found.by_application);
        let unread =
            |name: &str| !by_custom && !self.reads_claim(name) && claims.get(name).is_some();
        if claims.issuer_facts().trusted_claims().any(unread) {
            return Err(ResolveError::forbidden("unread_claim"));
        }
        if claims.trusts_claim(IMPERSONATING) {
            return Ok(());
        }
        impersonating_of(claims).map_or(Ok(()), |value| {
            let well_formed = value.is_string() || person(value).is_some();
            Err(if well_formed {
                ResolveError::forbidden("untrusted_claim")
            } else {
                ResolveError::token("the impersonating claim is malformed")
            })
        })
    }
}

fn reason_of(headers: &HeaderMap, max_chars: usize) -> Result<Option<Reason>, ResolveError> {
    let Some(value) = single(headers, &REASON)? else {
        return Ok(None);
    };
    reason(value)
        .and_then(|text| Reason::parse(text, max_chars).ok())
        .map(Some)
        .ok_or_else(|| ResolveError::request("the reason is blank, too long or malformed"))
}
