//! The one decision: may this actor do this now?
//!
//! A policy is pure and denies by default. It is asked twice: first about the actor alone, before
//! anything is looked up, and once more when the directory told what it knows of it and something had
//! been unknown; then about the pair. The first step refuses whom the policy denies, the second lets
//! through only whom it allows; in between, whatever is not known yet is [`Ruling::Unknown`]. What
//! would lift a denial (a reason, a fresh login) is told in the first step only: in the second it
//! would tell that a target exists.
//!
//! Rules are combined with `and`, `or`, `except` and `not`, in Kleene's logic: a rule that needs an
//! unknown fact is unknown, and so is its negation, so that a fact nobody knows never allows. Put
//! exceptions last: `in_group("support").except(target_in_group("admins"))`.
//!
//! What no policy can switch off stands outside of it: nobody acts as itself, a disabled account
//! neither acts nor is acted as, nobody acts as an account that nobody calls enabled, actor and
//! target share a tenant unless the actor's issuer is staff, and an app client is refused unless
//! [`machines`] names it.
//!
//! Every denial names its rule, as `not(target_in_group(admins))` or `in_tenant(acme)`, for the audit
//! ([`Policy::name`]); the client never learns it.
//!
//! ```
//! use std::time::Duration;
//! use tower_impersonate::policy::{self, Needs, Policy};
//!
//! let rule = policy::in_group("support")
//!     .or(policy::vouched_by("https://staff.example.com"))
//!     .except(policy::target_in_group("admins"))
//!     .and(policy::reason_required())
//!     .and(policy::fresh_login(Duration::from_secs(15 * 60)));
//! assert_eq!(rule.needs(), Needs { actor_groups: true, target_groups: true });
//! ```

mod attempt;
mod combine;
mod decide;
#[cfg(feature = "manage")]
mod right;
mod rules;
mod ruling;
#[cfg(test)]
mod tests;

pub use self::attempt::Attempt;
pub use self::combine::{Rule, not};
pub use self::decide::{Eligible, Permit, Refused, screen};
#[cfg(feature = "manage")]
pub(crate) use self::right::holds;
#[cfg(feature = "manage")]
#[cfg_attr(docsrs, doc(cfg(feature = "manage")))]
pub use self::right::{Entitlement, Right, right};
pub use self::rules::{
    Pinned, actor_enabled, allow_all, claim, custom, deny_all, fresh_login, from_issuer, in_group,
    in_tenant, machines, pairs, rank, read_only, reason_required, scope, staff, takes_group,
    target_in_group, vouched_by,
};
pub use self::ruling::{Demand, Denial, Gap, Limits, Ruling};

use std::borrow::Cow;
use std::sync::Arc;

use crate::identity::IdentityKey;

/// Decides whether an actor may do what it asks for.
///
/// Called on every impersonated request, at least twice, and never cached: it must be pure, must
/// not block and must not do I/O. What it needs to know of people comes from their tokens and from
/// the directory, which completes groups, tenant, rank, username and standing of the actor, never its
/// scopes, login or attributes. A panic is caught and refuses the request with 503.
///
/// A closure `Fn(&Attempt<'_>) -> Ruling` is a policy; see [`custom`] for one that combines.
pub trait Policy: Send + Sync {
    /// Judges the attempt. In the first step [`Attempt::target`] is `None`.
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling;

    /// What denials by it are called in the audit.
    fn name(&self) -> Cow<'static, str> {
        "custom".into()
    }

    /// Which facts it needs, so that a policy that can never allow is refused at build time.
    fn needs(&self) -> Needs {
        Needs::default()
    }

    /// The issuers that it names, so that a name nobody bears is found at build time.
    fn issuers(&self) -> Vec<&str> {
        Vec::new()
    }

    /// What it cannot say without asking who the actor is, so that a policy for everybody is refused at build time.
    fn asks_of_actor(&self) -> Asks {
        Asks::ALWAYS
    }

    /// Whether it names this app client. Machines that it does not name are denied unheard.
    fn names_machine(&self, client: &IdentityKey) -> bool {
        let _ = client;
        false
    }
}

impl<F> Policy for F
where
    F: Fn(&Attempt<'_>) -> Ruling + Send + Sync,
{
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        self(attempt)
    }
}

impl Policy for Arc<dyn Policy> {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        (**self).judge(attempt)
    }

    fn name(&self) -> Cow<'static, str> {
        (**self).name()
    }

    fn needs(&self) -> Needs {
        (**self).needs()
    }

    fn issuers(&self) -> Vec<&str> {
        (**self).issuers()
    }

    fn asks_of_actor(&self) -> Asks {
        (**self).asks_of_actor()
    }

    fn names_machine(&self, client: &IdentityKey) -> bool {
        (**self).names_machine(client)
    }
}

/// What a policy cannot say without asking who the actor is.
///
/// A rule that asks only for a reason, a fresh login, an enabled account or a group of the target says the same to
/// everybody; so does an `or` with one of them, and a `not` of what denies everybody alike. [`allow_all`] counts as if it
/// asked, because it says what it does, and so does [`takes_group`], which names what everybody may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Asks {
    /// "Yes".
    pub to_allow: bool,
    /// "No", which is what its negation allows by.
    pub to_deny: bool,
}

impl Asks {
    /// It asks, whatever it says: what is assumed of rules of one's own.
    pub const ALWAYS: Self = Self {
        to_allow: true,
        to_deny: true,
    };
    /// It never asks.
    pub const NEVER: Self = Self {
        to_allow: false,
        to_deny: false,
    };
    /// It asks before it allows, and denies as it likes.
    pub const TO_ALLOW: Self = Self {
        to_allow: true,
        to_deny: false,
    };
}

/// The facts that a policy needs and that not every configuration can give.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Needs {
    /// The actor's groups: from its token or from the directory.
    pub actor_groups: bool,
    /// The target's groups: from the directory, or from a token with `act`.
    pub target_groups: bool,
}

impl Needs {
    /// What either needs.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self {
            actor_groups: self.actor_groups || other.actor_groups,
            target_groups: self.target_groups || other.target_groups,
        }
    }
}
