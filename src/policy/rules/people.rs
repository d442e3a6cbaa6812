use serde_json::Value;

use crate::identity::{Affiliation, Identity, IdentityKey};
use crate::policy::{Attempt, Policy, Rule, Ruling, Whose};

/// A rule of the application's own, as a closure.
///
/// Say [`Ruling::unknown`] when a fact is missing, in particular while the target is not known.
pub fn custom(judge: impl Fn(&Attempt<'_>) -> Ruling + Send + Sync + 'static) -> Rule {
    Rule::new(judge)
}

/// Everybody may, within the invariants: a starting point for `and` and `except`.
pub fn allow_all() -> Rule {
    Rule::new(|_: &Attempt<'_>| Ruling::allow())
}

/// Nobody may: the kill switch.
pub fn deny_all() -> Rule {
    Rule::new(|_: &Attempt<'_>| Ruling::deny("deny_all"))
}

/// The actor's own token carries the scope.
///
/// The scope `*` is not special: no wild card contains the right to impersonate.
pub fn scope(name: impl Into<Box<str>>) -> Rule {
    let name = name.into();
    Rule::new(
        move |attempt: &Attempt<'_>| match attempt.actor().scopes() {
            None => Ruling::unknown(format!("scope({name})"), Whose::Actor),
            Some(scopes) => {
                Ruling::allow_if(scopes.contains(&name), || format!("scope({name})").into())
            }
        },
    )
}

/// The actor's own token says exactly this. Unknown for an actor that only an `act` claim names.
pub fn claim(name: impl Into<Box<str>>, value: impl Into<Value>) -> Rule {
    let (name, value) = (name.into(), value.into());
    Rule::new(move |attempt: &Attempt<'_>| {
        if !attempt.has_own_token() {
            return Ruling::unknown(format!("claim({name})"), Whose::Actor);
        }
        let same = attempt.actor().attribute(&name) == Some(&value);
        Ruling::allow_if(same, || format!("claim({name})").into())
    })
}

/// The actor is of this issuer.
pub fn from_issuer(issuer: impl Into<Box<str>>) -> Rule {
    let issuer = issuer.into();
    Rule::new(move |attempt: &Attempt<'_>| {
        Ruling::allow_if(attempt.actor().issuer() == &*issuer, || {
            "from_issuer".into()
        })
    })
}

/// This issuer's token names the actor, so its word is taken for it that the actor may.
///
/// Meant for tokens with `act` (RFC 8693), which say nothing of the actor's groups: the issuer
/// decided when it exchanged the token. It says yes to every actor whom that issuer names in `act`,
/// so keep it to issuers that decide themselves. The bearer of a plain token is not vouched for.
pub fn vouched_by(issuer: impl Into<Box<str>>) -> Rule {
    let issuer = issuer.into();
    Rule::new(move |attempt: &Attempt<'_>| {
        let vouched = !attempt.has_own_token() && attempt.voucher() == &*issuer;
        Ruling::allow_if(vouched, || "vouched_by".into())
    })
}

/// The actor is of the tenant.
pub fn in_tenant(tenant: impl Into<Box<str>>) -> Rule {
    let tenant = tenant.into();
    Rule::new(
        move |attempt: &Attempt<'_>| match attempt.actor().tenant() {
            None => Ruling::unknown("in_tenant", Whose::Actor),
            Some(own) => Ruling::allow_if(own == &*tenant, || "in_tenant".into()),
        },
    )
}

/// The actor's issuer is configured as staff.
pub fn staff() -> Rule {
    Rule::new(|attempt: &Attempt<'_>| {
        Ruling::allow_if(attempt.actor().affiliation() == Affiliation::Staff, || {
            "staff".into()
        })
    })
}

/// Actor and target are one of these pairs.
pub fn pairs(pairs: impl IntoIterator<Item = (IdentityKey, IdentityKey)>) -> Rule {
    let pairs: Vec<_> = pairs.into_iter().collect();
    Rule::new(move |attempt: &Attempt<'_>| {
        let mut targets = pairs
            .iter()
            .filter(|(actor, _)| actor == attempt.actor().key());
        match attempt.target() {
            Some(target) => {
                Ruling::allow_if(targets.any(|(_, t)| t == target.key()), || "pairs".into())
            }
            None if targets.next().is_some() => Ruling::unknown("pairs", Whose::Target),
            None => Ruling::deny("pairs"),
        }
    })
}

/// The actor stands higher than the target: nobody acts as somebody of the same or a higher rank.
///
/// The order is the application's; a greater number is higher. `policy::rank(Identity::rank)` takes
/// what the directory says.
pub fn rank(of: impl Fn(&Identity) -> Option<i64> + Send + Sync + 'static) -> Rule {
    Rule::new(Rank(of))
}

struct Rank<F>(F);

impl<F: Fn(&Identity) -> Option<i64> + Send + Sync> Policy for Rank<F> {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        let actor = self.0(attempt.actor());
        let target = attempt.target().and_then(|target| self.0(target));
        match (actor, target) {
            (Some(actor), Some(target)) => Ruling::allow_if(actor > target, || "rank".into()),
            (Some(_), None) => Ruling::unknown("rank", Whose::Target),
            (None, Some(_)) => Ruling::unknown("rank", Whose::Actor),
            (None, None) => Ruling::unknown("rank", Whose::Both),
        }
    }
}
