use std::borrow::Cow;

use crate::policy::{Asks, Attempt, Needs, Policy, Rule, Ruling};

/// A rule that holds, does not hold, or cannot know: `Some(true)`, `Some(false)`, `None`.
pub(super) fn leaf(
    name: impl Into<Cow<'static, str>>,
    holds: impl Fn(&Attempt<'_>) -> Option<bool> + Send + Sync + 'static,
) -> Rule {
    Rule::new(Leaf {
        name: name.into(),
        issuer: None,
        holds,
    })
}

/// The same, of a rule that names an issuer.
pub(super) fn leaf_at(
    name: &str,
    issuer: Box<str>,
    holds: impl Fn(&Attempt<'_>, &str) -> bool + Send + Sync + 'static,
) -> Rule {
    let name = format!("{name}({issuer})").into();
    let own = issuer.clone();
    let holds = move |attempt: &Attempt<'_>| Some(holds(attempt, &own));
    Rule::new(Leaf {
        name,
        issuer: Some(issuer),
        holds,
    })
}

/// A rule of which it is known what it asks of the actor.
pub(super) fn asking(asks: Asks, rule: impl Policy + 'static) -> Rule {
    Rule::new(Asking { asks, rule })
}

struct Asking<P> {
    asks: Asks,
    rule: P,
}

impl<P: Policy> Policy for Asking<P> {
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        self.rule.judge(attempt)
    }

    fn name(&self) -> Cow<'static, str> {
        self.rule.name()
    }

    fn needs(&self) -> Needs {
        self.rule.needs()
    }

    fn issuers(&self) -> Vec<&str> {
        self.rule.issuers()
    }

    fn asks_of_actor(&self) -> Asks {
        self.asks
    }
}

struct Leaf<F> {
    name: Cow<'static, str>,
    issuer: Option<Box<str>>,
    holds: F,
}

impl<F> Policy for Leaf<F>
where
    F: Fn(&Attempt<'_>) -> Option<bool> + Send + Sync,
{
    fn judge(&self, attempt: &Attempt<'_>) -> Ruling {
        match (self.holds)(attempt) {
            Some(true) => Ruling::allow(),
            Some(false) => Ruling::deny(self.name.clone()),
            None => Ruling::unknown(self.name.clone()),
        }
    }

    fn name(&self) -> Cow<'static, str> {
        self.name.clone()
    }

    fn issuers(&self) -> Vec<&str> {
        self.issuer.as_deref().into_iter().collect()
    }
}
