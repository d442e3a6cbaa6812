use std::borrow::Cow;

use crate::policy::{Attempt, Policy, Rule, Ruling};

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
