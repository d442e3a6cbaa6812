use std::borrow::Cow;

use crate::policy::{Attempt, Needs, Policy, Rule, Ruling};

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

/// A rule that is no answer to who may: it says the same of everybody.
pub(super) fn whoever(rule: impl Policy + 'static) -> Rule {
    Rule::new(Whoever(rule))
}

struct Whoever<P>(P);

impl<P: Policy> Policy for Whoever<P> {
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

    fn asks_of_actor(&self) -> bool {
        false
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
