use http::request::Parts;

use crate::answer::Answer;
use crate::audit::{AuditError, Event, EventName, RequestInfo, Trail};
use crate::identity::{Identity, Names};
use crate::terms::Ask;
use crate::time::Timestamp;

/// Groups that are about to be lent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lent<'a> {
    /// What was asked for, under the id of the lease.
    pub(crate) ask: &'a Ask,
    /// Who gets the groups, and whose they are.
    pub(crate) people: [&'a Identity; 2],
    /// Which.
    pub(crate) groups: &'a Names,
    /// When it ends by itself.
    pub(crate) deadline: Timestamp,
}

impl Trail {
    /// Records that groups are lent, before they are, as the start of a grant that names them.
    pub(crate) fn lent(
        &self,
        lent: &Lent<'_>,
        parts: &Parts,
        now: Timestamp,
    ) -> Answer<Result<(), AuditError>> {
        let [actor, target] = lent.people;
        let mut event = Event::of_grant(EventName::Started, lent.ask, actor, Some(target), now);
        event.groups = Some(lent.groups);
        event.deadline = Some(lent.deadline);
        event.request = Some(RequestInfo::of(parts));
        self.ends.sink.record(&event)
    }
}
