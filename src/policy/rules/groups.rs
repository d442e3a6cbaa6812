use std::borrow::Cow;
use std::fmt;

use super::leaf::{asking, leaf};
use crate::identity::{Identity, IdentityKey, Kind, Names};
use crate::policy::{Asks, Attempt, Needs, Policy, Rule, Ruling};

/// The actor is in the group, at its own issuer; [`Pinned::of`] asks for one issuer.
///
/// Names are compared byte for byte, and no wild card matches: a group called `*` is just that.
pub fn in_group(name: impl Into<Box<str>>) -> Pinned {
    Pinned {
        leaf: Leaf::ActorIn(name.into()),
        issuer: None,
    }
}

/// The target is in the group, at its own issuer; [`Pinned::of`] asks for one issuer.
///
/// Made for exceptions: `.except(policy::target_in_group("admins"))`. For a role, the target is the
/// actor with the group that is asked for.
pub fn target_in_group(name: impl Into<Box<str>>) -> Pinned {
    Pinned {
        leaf: Leaf::TargetIn(name.into()),
        issuer: None,
    }
}

/// The actor is one of these app clients; [`Pinned::of`] asks for one issuer.
///
/// An app client that no such rule names is denied before any rule is asked.
pub fn machines(client_ids: impl Into<Names>) -> Pinned {
    Pinned {
        leaf: Leaf::Machine(client_ids.into()),
        issuer: None,
    }
}

/// What is asked for is a role of one of these groups.
///
/// Says no to whoever asks for a target, so combine it with `or`:
/// `in_group("support").and(takes_group(["org:acme"])).or(..)`.
pub fn takes_group(groups: impl Into<Names>) -> Rule {
    let groups = groups.into();
    let takes = move |attempt: &Attempt<'_>| match (attempt.role(), attempt.roles()) {
        (Some(role), _) => Some(groups.contains(role)),
        (None, Some(_)) => None,
        (None, None) => Some(false),
    };
    asking(Asks::TO_ALLOW, leaf("takes_group", takes))
}

/// A rule about names at an issuer.
#[derive(Clone)]
#[must_use = "a rule does nothing until it is given to the builder"]
pub struct Pinned {
    leaf: Leaf,
    issuer: Option<Box<str>>,
}

#[derive(Clone)]
enum Leaf {
    ActorIn(Box<str>),
    TargetIn(Box<str>),
    Machine(Names),
}

impl Pinned {
    /// Only at this issuer, written as in its configuration.
    pub fn of(mut self, issuer: impl Into<Box<str>>) -> Self {
        self.issuer = Some(issuer.into());
        self
    }

    /// Both must allow.
    pub fn and(self, other: impl Policy + 'static) -> Rule {
        Rule::new(self).and(other)
    }

    /// One must allow.
    pub fn or(self, other: impl Policy + 'static) -> Rule {
        Rule::new(self).or(other)
    }

    /// This must allow and the other must not.
    pub fn except(self, other: impl Policy + 'static) -> Rule {
        Rule::new(self).except(other)
    }

    fn holds(&self, attempt: &Attempt<'_>) -> Option<bool> {
        let member = |group: &str, of: &Identity| {
            if self.is_at(of.issuer()) {
                Some(of.groups()?.contains(group))
            } else {
                Some(false)
            }
        };
        match &self.leaf {
            Leaf::ActorIn(group) => member(group, attempt.actor()),
            Leaf::TargetIn(group) => member(group, attempt.target()?),
            Leaf::Machine(_) => {
                let actor = attempt.actor();
                Some(actor.kind() == Kind::Machine && self.names_machine(actor.key()))
            }
        }
    }

    fn is_at(&self, issuer: &str) -> bool {
        self.issuer.as_deref().is_none_or(|pinned| pinned == issuer)
    }
}

impl std::ops::Not for Pinned {
    type Output = Rule;

    fn not(self) -> Rule {
        !Rule::new(self)
    }
}

impl Policy for Pinned {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        match self.holds(attempt) {
            Some(true) => Ruling::allow(),
            Some(false) => Ruling::deny(self.name()),
            None => Ruling::unknown(self.name()),
        }
    }

    fn name(&self) -> Cow<'static, str> {
        match &self.leaf {
            Leaf::ActorIn(group) => format!("in_group({group})").into(),
            Leaf::TargetIn(group) => format!("target_in_group({group})").into(),
            Leaf::Machine(_) => "machines".into(),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            actor_groups: matches!(self.leaf, Leaf::ActorIn(_)),
            target_groups: matches!(self.leaf, Leaf::TargetIn(_)),
        }
    }

    fn issuers(&self) -> Vec<&str> {
        self.issuer.as_deref().into_iter().collect()
    }

    fn asks_of_actor(&self) -> Asks {
        match self.leaf {
            Leaf::ActorIn(_) => Asks::ALWAYS,
            Leaf::Machine(_) => Asks::TO_ALLOW,
            Leaf::TargetIn(_) => Asks::NEVER,
        }
    }

    fn names_machine(&self, client: &IdentityKey) -> bool {
        let Leaf::Machine(clients) = &self.leaf else {
            return false;
        };
        self.is_at(client.issuer()) && clients.contains(client.subject())
    }
}

impl fmt::Debug for Pinned {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pinned")
            .field("rule", &self.name())
            .field("of", &self.issuer)
            .finish()
    }
}
