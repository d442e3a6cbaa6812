use std::borrow::Cow;

use crate::policy::{Attempt, Policy, Rule, Ruling};

/// A rule that holds, does not hold, or cannot know: `Some(true)`, `Some(false)`, `None`.
pub(super) fn leaf(
    name: impl Into<Cow<'static, str>>,
    holds: impl Fn(&Attempt<'_>) -> Option<bool> + Send + Sync + 'static,
) -> Rule {
    Rule::new(Leaf {
        name: name.into(),
        holds,
    })
}

struct Leaf<F> {
    name: Cow<'static, str>,
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
}
