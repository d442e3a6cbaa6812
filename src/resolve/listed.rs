use std::sync::Arc;

use http::request::Parts;

use crate::answer::Answer;
use crate::resolve::{Asked, Reads, Resolution, Resolve, Seen};
use crate::token::{Claims, NameSet, Verified};

/// A strategy, with what has to be in a request for it to be asked.
pub(crate) struct Listed {
    strategy: Arc<dyn Resolve>,
    asked: Asked,
    reads: Reads,
    headers: bool,
    cookie: bool,
    claim: Option<NameSet>,
}

impl Listed {
    pub(crate) fn new(strategy: Arc<dyn Resolve>) -> Self {
        let nature = strategy.nature();
        Self {
            asked: nature.asked,
            reads: nature.reads,
            headers: !strategy.headers().is_empty(),
            cookie: nature.cookie.is_some(),
            claim: nature.claim.map(NameSet::of),
            strategy,
        }
    }

    /// What it says; `None` where it need not be asked.
    pub(crate) fn resolve(
        &self,
        claims: &Verified<Claims>,
        parts: &Parts,
        seen: Seen,
        others_spoke: bool,
    ) -> Option<Answer<Resolution>> {
        let wanted = self.asked == Asked::Always || !others_spoke;
        let can_speak = self.reads == Reads::Anything
            || (self.headers && seen.headers)
            || (self.cookie && seen.cookies)
            || { self.claim }.is_some_and(|name| claims.names().may_have(name));
        (wanted && can_speak).then(|| self.strategy.resolve(claims, parts))
    }

    #[cfg(feature = "manage")]
    pub(crate) fn strategy(&self) -> &dyn Resolve {
        &*self.strategy
    }
}
