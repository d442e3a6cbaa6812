use serde_json::Value;

use super::leaf::{asking, leaf, leaf_at};
use crate::identity::{Affiliation, Identity, IdentityKey};
use crate::policy::{Asks, Attempt, Rule, Ruling};

/// A rule of the application's own, as a closure.
///
/// Say [`Ruling::unknown`] when a fact is missing, in particular while the target is not known, or the directory was not
/// asked yet. What allows before that is not asked about the actor again: it decides about the pair, and then a demand is
/// the plain 403.
pub fn custom(judge: impl Fn(&Attempt<'_>) -> Ruling + Send + Sync + 'static) -> Rule {
    Rule::new(judge)
}

/// Everybody may, within the invariants: a starting point for `and` and `except`.
pub fn allow_all() -> Rule {
    leaf("allow_all", |_| Some(true))
}

/// Nobody may: the kill switch.
pub fn deny_all() -> Rule {
    asking(Asks::TO_ALLOW, leaf("deny_all", |_| Some(false)))
}

/// The actor's own token carries the scope.
///
/// The scope `*` is not special: no wild card contains the right to impersonate.
pub fn scope(name: impl Into<Box<str>>) -> Rule {
    let name = name.into();
    leaf(format!("scope({name})"), move |attempt| {
        Some(attempt.actor().scopes()?.contains(&name))
    })
}

/// The actor's own token says exactly this. Unknown for an actor that only an `act` claim names.
///
/// The claims that hold groups and scopes are facts, not attributes, and so unknown to this rule: ask
/// [`in_group`] and [`scope`].
///
/// [`in_group`]: super::in_group
pub fn claim(name: impl Into<Box<str>>, value: impl Into<Value>) -> Rule {
    let (name, value) = (name.into(), value.into());
    leaf(format!("claim({name})"), move |attempt| {
        let actor = attempt.actor();
        let can_tell = attempt.has_own_token() && !actor.keeps_as_fact(&name);
        can_tell.then(|| actor.attribute(&name) == Some(&value))
    })
}

/// The actor is of this issuer.
pub fn from_issuer(issuer: impl Into<Box<str>>) -> Rule {
    leaf_at("from_issuer", issuer.into(), |attempt, issuer| {
        attempt.actor().issuer() == issuer
    })
}

/// This issuer's token names the actor, so its word is taken for it that the actor may.
///
/// Meant for tokens with `act` (RFC 8693), which say nothing of the actor's groups: the issuer
/// decided when it exchanged the token. It says yes to every actor whom that issuer names in `act`,
/// so keep it to issuers that decide themselves. The bearer of a plain token is not vouched for.
pub fn vouched_by(issuer: impl Into<Box<str>>) -> Rule {
    let vouches = |attempt: &Attempt<'_>, issuer: &str| {
        !attempt.has_own_token() && attempt.voucher() == issuer
    };
    asking(
        Asks::TO_ALLOW,
        leaf_at("vouched_by", issuer.into(), vouches),
    )
}

/// The actor is of the tenant.
pub fn in_tenant(tenant: impl Into<Box<str>>) -> Rule {
    let tenant = tenant.into();
    leaf(format!("in_tenant({tenant})"), move |attempt| {
        Some(attempt.actor().tenant()? == &*tenant)
    })
}

/// The actor's issuer is configured as staff.
pub fn staff() -> Rule {
    leaf("staff", |attempt| {
        Some(attempt.actor().affiliation() == Affiliation::Staff)
    })
}

/// The directory says that the actor's account is enabled.
///
/// An actor whom the directory knows as disabled is refused by every policy; this also refuses whom
/// it does not know.
pub fn actor_enabled() -> Rule {
    asking(
        Asks::NEVER,
        leaf("actor_enabled", |attempt| attempt.actor().enabled()),
    )
}

/// Actor and target are one of these pairs.
pub fn pairs(pairs: impl IntoIterator<Item = (IdentityKey, IdentityKey)>) -> Rule {
    let pairs: Vec<_> = pairs.into_iter().collect();
    let are_one = move |attempt: &Attempt<'_>| {
        let mut targets = pairs
            .iter()
            .filter(|(actor, _)| actor == attempt.actor().key());
        match attempt.target() {
            Some(target) => Some(targets.any(|(_, wanted)| wanted == target.key())),
            None => targets.next().map_or(Some(false), |_| None),
        }
    };
    asking(Asks::TO_ALLOW, leaf("pairs", are_one))
}

/// The actor stands higher than the target: nobody acts as somebody of the same or a higher rank.
///
/// The order is the application's; a greater number is higher. `policy::rank(Identity::rank)` takes
/// what the directory says.
pub fn rank(of: impl Fn(&Identity) -> Option<i64> + Send + Sync + 'static) -> Rule {
    leaf("rank", move |attempt| {
        Some(of(attempt.actor())? > of(attempt.target()?)?)
    })
}
