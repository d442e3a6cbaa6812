//! What several strategies say must be one thing.

use http::HeaderMap;

use crate::resolve::header::single;
use crate::resolve::values::{GROUP, ISSUER, REASON, reason};
use crate::resolve::{OwnHeaders, Requested, Resolution, ResolveError};
use crate::terms::{Ask, Reason, Strategy, Wanted};
use crate::token::{Claims, Verified};

/// The claim that is never passed over, whatever is configured.
const IMPERSONATING: &str = "impersonating";

/// Refuses tokens that speak with two tongues, before any strategy is asked.
pub(crate) fn inspect(claims: &Verified<Claims>) -> Result<(), ResolveError> {
    let (act, impersonating) = (claims.get("act"), claims.get(IMPERSONATING));
    if act.is_some() && impersonating.is_some() {
        return Err(ResolveError::token("act and impersonating in one token"));
    }
    let grant = |value: Option<&serde_json::Value>| {
        value.is_some_and(|value| value.get("grant_id").is_some())
    };
    if claims.get("grant_id").is_some() || grant(act) || grant(impersonating) {
        return Err(ResolveError::token(
            "a token of a grant where no grants are configured",
        ));
    }
    Ok(())
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
        (Wanted::Role(_), _) | (_, Wanted::Role(_)) => {
            Err(ResolveError::nested("a role beside another impersonation"))
        }
        (Wanted::User { target, .. }, Wanted::User { target: other, .. }) if target != other => {
            Err(contradiction())
        }
        (Wanted::User { .. }, Wanted::User { narrowed, .. }) => {
            let mode = first.ask.mode().min(second.ask.mode());
            let narrowed = narrowed.clone();
            let mut ask = first.ask.with_mode(mode);
            if let Some(groups) = narrowed {
                ask = ask.narrowed_to(groups);
            }
            match second.ask.reason() {
                Some(reason) if ask.reason().is_none() => ask = ask.with_reason(reason.clone()),
                _ => {}
            }
            Ok(Requested::new(first.actor, ask))
        }
    }
}

fn rank(requested: &Requested) -> u8 {
    match requested.ask.strategy() {
        Strategy::Act => 0,
        Strategy::Claim => 1,
        Strategy::Header | Strategy::Role | Strategy::Custom => 2,
    }
}

/// Every strategy was asked: refuses what none of them took up, and reads the reason.
pub(crate) fn finish(
    found: Option<Requested>,
    claims: &Verified<Claims>,
    headers: &HeaderMap,
    own: &OwnHeaders,
    max_reason: usize,
) -> Result<Option<Requested>, ResolveError> {
    let by_act = found.as_ref().is_some_and(|found| !found.actor.is_own());
    if claims.get("act").is_some() && !by_act {
        return Err(ResolveError::forbidden("untrusted_act"));
    }
    let strategy = found.as_ref().map(|found| found.ask.strategy());
    // The claim that was read may be another one, and an application may read it itself.
    let by_claim = matches!(strategy, Some(Strategy::Claim | Strategy::Custom))
        && claims.trusts_claim(IMPERSONATING);
    if claims.get(IMPERSONATING).is_some() && !by_claim {
        return Err(ResolveError::forbidden("untrusted_claim"));
    }
    let Some(Requested { actor, ask }) = found else {
        if own.any(headers) {
            return Err(ResolveError::request(
                "an impersonation header without a user",
            ));
        }
        return Ok(None);
    };
    let by_header = matches!(strategy, Some(Strategy::Header | Strategy::Role));
    let narrows = matches!(
        ask.wanted(),
        Wanted::User {
            narrowed: Some(_),
            ..
        }
    );
    let stray = |name| own.read().contains(&name) && headers.contains_key(name);
    if !by_header && !narrows && (stray(GROUP) || stray(ISSUER)) {
        return Err(ResolveError::request(
            "a group or issuer header without a user header",
        ));
    }
    Ok(Some(Requested {
        actor,
        ask: with_reason(ask, headers, max_reason)?,
    }))
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
