use http::request::Parts;
use serde_json::Value;

use crate::answer::Answer;
use crate::identity::{Identity, IdentityKey};
use crate::resolve::values::{grant_id, person};
use crate::resolve::{Nature, Requested, Resolution, Resolve, ResolveError, Targets};
use crate::terms::{Ask, Mode, Strategy, TargetRef};
use crate::token::{Claims, Verified};

/// The token's `act` claim says it (RFC 8693, section 4.1): `sub` is the target, `act.sub` the actor.
///
/// Only the outermost `act` counts; what is nested inside is history and gives no right (section
/// 4.1), and more than four levels are refused. `act.iss` names the actor's issuer, by default the
/// token's own, whoever's people the token is made for. Where the token says `may_act` (section 4.4), it must name that actor.
///
/// It is believed only from an issuer with `Issuer::trust_act()`; from any other it is refused. One that
/// is malformed makes the token a bad one, with or without this strategy.
pub fn act() -> Act {
    Act { _private: () }
}

/// The strategy made by [`act`].
#[derive(Debug, Clone)]
#[must_use = "a strategy does nothing until it is given to the builder"]
pub struct Act {
    _private: (),
}

const MAX_DEPTH: usize = 4;

impl Resolve for Act {
    fn resolve(&self, claims: &Verified<Claims>, _: &Parts) -> Answer<Resolution> {
        Answer::now(read(claims).into())
    }

    fn nature(&self) -> Nature<'_> {
        Nature::with_targets(Targets::Vouched)
            .reads_claim("act")
            .reads_nothing_else()
    }
}

fn read(claims: &Verified<Claims>) -> Result<Option<Requested>, ResolveError> {
    let Some(act) = claims.get("act") else {
        return Ok(None);
    };
    let actor = key(act, claims).ok_or_else(malformed)?;
    let target = claims.identity();
    if actor == *target.key() {
        return Err(malformed());
    }
    if let Some(may_act) = claims.get("may_act") {
        let allowed = key(may_act, claims)
            .ok_or_else(|| ResolveError::token("the may_act claim is malformed"))?;
        if allowed != actor {
            return Err(ResolveError::forbidden("may_act"));
        }
    }
    let actor = claims
        .acting(actor)
        .ok_or_else(|| ResolveError::forbidden("untrusted_act"))?;
    let ask = Ask::user(TargetRef::from(target.key()), Strategy::Act);
    let ask = match claims.get("grant_id") {
        Some(id) => under_grant(ask, id, claims)?,
        None => ask,
    };
    Ok(Some(Requested::built_in(
        actor,
        ask.vouched_for(Identity::clone(target)),
    )))
}

/// What a token says that was issued under a grant: how far it goes must stand in it.
fn under_grant(ask: Ask, id: &Value, claims: &Verified<Claims>) -> Result<Ask, ResolveError> {
    let id = grant_id(id).ok_or_else(|| ResolveError::token("the grant_id is malformed"))?;
    let mode: Mode = { claims.get("mode").and_then(Value::as_str) }
        .and_then(|mode| mode.parse().ok())
        .ok_or_else(|| ResolveError::token("the mode is missing or unknown"))?;
    let ask = ask.under(id).with_mode(mode);
    let scopes = claims
        .identity()
        .scopes()
        .filter(|scopes| !scopes.is_empty());
    match scopes {
        Some(scopes) => Ok(ask.with_scopes(scopes.clone())),
        None if mode == Mode::Scoped => Err(ResolveError::token("scoped, and no scope in it")),
        None => Ok(ask),
    }
}

/// Who really sends the request, as far as the token is believed: for the record of what is refused.
pub(crate) fn sender(claims: &Verified<Claims>) -> Verified<Identity> {
    let named = claims
        .get("act")
        .and_then(|act| key(act, claims))
        .and_then(|actor| claims.acting(actor));
    named.unwrap_or_else(|| claims.caller())
}

/// Refuses an `act` that is malformed at any depth, whether or not anybody is to believe it.
pub(super) fn inspect(act: &Value) -> Result<(), ResolveError> {
    person(act)
        .and_then(|_| check_history(act, 1))
        .ok_or_else(malformed)
}

fn malformed() -> ResolveError {
    ResolveError::token("the act claim is malformed")
}

fn key(value: &Value, claims: &Verified<Claims>) -> Option<IdentityKey> {
    let (issuer, subject) = person(value)?;
    let issuer = match issuer {
        Some(issuer) => claims.canonical(issuer),
        None => claims.issuer_facts().shared_issuer(),
    };
    Some(IdentityKey::new(issuer, claims.shared_name(subject)))
}

/// Every level must be well formed, although only the outermost is believed.
fn check_history(act: &Value, depth: usize) -> Option<()> {
    if depth > MAX_DEPTH {
        return None;
    }
    match act.get("act") {
        None => Some(()),
        Some(inner) => {
            person(inner)?;
            check_history(inner, depth + 1)
        }
    }
}
