use crate::audit::RequestInfo;
use crate::audit::event::{CompletedInfo, EndInfo};
use crate::audit::{Completion, Event, EventId, EventName, Outcome};
use crate::identity::{Identity, IdentityKey, Names};
use crate::terms::{Ask, EndReason, GrantId, Mode};
use crate::time::Timestamp;

/// An event that outlives the request that it was borrowed from.
pub(super) enum Kept {
    Event(Box<Owned>),
    Completion(Completion),
}

pub(super) struct Owned {
    id: EventId,
    time: Timestamp,
    name: EventName,
    outcome: Outcome,
    actor: Identity,
    target: Option<Identity>,
    ask: Option<Ask>,
    mode: Option<Mode>,
    groups: Option<Names>,
    rule: Option<String>,
    left_out: u64,
    lost: u64,
    request: Option<Request>,
    completed: Option<CompletedInfo>,
    grant: Option<GrantId>,
    deadline: Option<Timestamp>,
    client: Option<String>,
    end: Option<(EndReason, Option<IdentityKey>)>,
}

struct Request {
    method: String,
    path: String,
    user_agent: Option<String>,
    request_id: Option<String>,
}

impl Kept {
    pub(super) fn of(event: &Event<'_>) -> Self {
        // Named one by one, so that a field to come is not forgotten.
        let Event {
            id,
            time,
            name,
            outcome,
            actor,
            target,
            ask,
            mode,
            groups,
            rule,
            left_out,
            lost,
            request,
            completed,
            grant,
            deadline,
            client,
            end,
        } = event;
        Self::Event(Box::new(Owned {
            id: *id,
            time: *time,
            name: *name,
            outcome: *outcome,
            actor: (*actor).clone(),
            target: target.cloned(),
            ask: ask.cloned(),
            mode: *mode,
            groups: groups.cloned(),
            rule: rule.map(str::to_owned),
            left_out: *left_out,
            lost: *lost,
            request: request.as_ref().map(Request::of),
            completed: *completed,
            grant: *grant,
            deadline: *deadline,
            client: client.map(str::to_owned),
            end: end.map(|end| (end.reason, end.by.cloned())),
        }))
    }

    pub(super) fn event(&self) -> Event<'_> {
        match self {
            Self::Event(owned) => owned.event(),
            Self::Completion(done) => done.event(),
        }
    }
}

impl Owned {
    fn event(&self) -> Event<'_> {
        Event {
            id: self.id,
            time: self.time,
            name: self.name,
            outcome: self.outcome,
            actor: &self.actor,
            target: self.target.as_ref(),
            ask: self.ask.as_ref(),
            mode: self.mode,
            groups: self.groups.as_ref(),
            rule: self.rule.as_deref(),
            left_out: self.left_out,
            lost: self.lost,
            request: self.request.as_ref().map(Request::info),
            completed: self.completed,
            grant: self.grant,
            deadline: self.deadline,
            client: self.client.as_deref(),
            end: { self.end.as_ref() }.map(|(reason, by)| EndInfo::new(*reason, by.as_ref())),
        }
    }
}

impl Request {
    fn of(info: &RequestInfo<'_>) -> Self {
        Self {
            method: info.method.to_owned(),
            path: info.path.to_owned(),
            user_agent: info.user_agent.map(str::to_owned),
            request_id: info.request_id.map(str::to_owned),
        }
    }

    fn info(&self) -> RequestInfo<'_> {
        RequestInfo {
            method: &self.method,
            path: &self.path,
            user_agent: self.user_agent.as_deref(),
            request_id: self.request_id.as_deref(),
        }
    }
}
