use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use crate::identity::IdentityKey;
use crate::policy::{Asks, Attempt, Needs, Policy, Ruling};

/// A policy that combines with others.
#[derive(Clone)]
#[must_use = "a rule does nothing until it is given to the builder"]
pub struct Rule(Arc<dyn Policy>);

impl Rule {
    pub(super) fn new(policy: impl Policy + 'static) -> Self {
        Self(Arc::new(policy))
    }

    /// Both must allow.
    pub fn and(self, other: impl Policy + 'static) -> Self {
        Self::new(And(self, Self::new(other)))
    }

    /// One must allow.
    pub fn or(self, other: impl Policy + 'static) -> Self {
        Self::new(Or(self, Self::new(other)))
    }

    /// This must allow and the other must not.
    pub fn except(self, other: impl Policy + 'static) -> Self {
        self.and(Not(Self::new(other)))
    }
}

/// The policy must not allow. What it does not know, its negation does not know either.
pub fn not(policy: impl Policy + 'static) -> Rule {
    Rule::new(Not(Rule::new(policy)))
}

impl std::ops::Not for Rule {
    type Output = Self;

    fn not(self) -> Self {
        Self::new(Not(self))
    }
}

impl Policy for Rule {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        self.0.judge(attempt)
    }

    fn name(&self) -> Cow<'static, str> {
        self.0.name()
    }

    fn needs(&self) -> Needs {
        self.0.needs()
    }

    fn issuers(&self) -> Vec<&str> {
        self.0.issuers()
    }

    fn asks_of_actor(&self) -> Asks {
        self.0.asks_of_actor()
    }

    fn names_machine(&self, client: &IdentityKey) -> bool {
        self.0.names_machine(client)
    }
}

impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rule")
            .field("needs", &self.needs())
            .finish_non_exhaustive()
    }
}

struct And(Rule, Rule);

impl Policy for And {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        self.0.judge(attempt).and(self.1.judge(attempt))
    }

    fn name(&self) -> Cow<'static, str> {
        format!("({} and {})", self.0.name(), self.1.name()).into()
    }

    fn needs(&self) -> Needs {
        self.0.needs().union(self.1.needs())
    }

    fn issuers(&self) -> Vec<&str> {
        [self.0.issuers(), self.1.issuers()].concat()
    }

    fn asks_of_actor(&self) -> Asks {
        let (left, right) = (self.0.asks_of_actor(), self.1.asks_of_actor());
        Asks {
            to_allow: left.to_allow || right.to_allow,
            to_deny: left.to_deny && right.to_deny,
        }
    }

    fn names_machine(&self, client: &IdentityKey) -> bool {
        self.0.names_machine(client) || self.1.names_machine(client)
    }
}

struct Or(Rule, Rule);

impl Policy for Or {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        match self.0.judge(attempt) {
            Ruling::Allow(limits) if limits == super::Limits::NONE => Ruling::Allow(limits),
            left => left.or(self.1.judge(attempt)),
        }
    }

    fn name(&self) -> Cow<'static, str> {
        format!("({} or {})", self.0.name(), self.1.name()).into()
    }

    fn needs(&self) -> Needs {
        self.0.needs().union(self.1.needs())
    }

    fn issuers(&self) -> Vec<&str> {
        [self.0.issuers(), self.1.issuers()].concat()
    }

    fn asks_of_actor(&self) -> Asks {
        let (left, right) = (self.0.asks_of_actor(), self.1.asks_of_actor());
        Asks {
            to_allow: left.to_allow && right.to_allow,
            to_deny: left.to_deny || right.to_deny,
        }
    }

    fn names_machine(&self, client: &IdentityKey) -> bool {
        self.0.names_machine(client) || self.1.names_machine(client)
    }
}

struct Not(Rule);

impl Policy for Not {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        match self.0.judge(attempt) {
            Ruling::Allow(_) => Ruling::deny(self.name()),
            ruling => !ruling,
        }
    }

    fn name(&self) -> Cow<'static, str> {
        format!("not({})", self.0.name()).into()
    }

    fn needs(&self) -> Needs {
        self.0.needs()
    }

    fn issuers(&self) -> Vec<&str> {
        self.0.issuers()
    }

    fn asks_of_actor(&self) -> Asks {
        let Asks { to_allow, to_deny } = self.0.asks_of_actor();
        Asks {
            to_allow: to_deny,
            to_deny: to_allow,
        }
    }
}
