use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::audit::trail::Record;
use crate::audit::{EventId, RequestInfo};
use crate::identity::{Identity, IdentityKey, Names};
use crate::policy::Refused;
use crate::terms::{Ask, EndReason, GrantId, Mode, TargetRef, Ticket, Who};
use crate::time::Timestamp;

/// The version of the event schema: what a field means never changes within a major version.
pub const SCHEMA_VERSION: &str = "1.0";

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventName {
    /// An impersonated request is about to run.
    Request,
    /// An attempt to impersonate was refused.
    Denied,
    /// A request that was recorded has ended.
    Completed,
    /// A grant is about to start.
    Started,
    /// A token is about to be issued under a grant that is alive.
    Issued,
    /// The deadline of a grant was moved.
    Extended,
    /// A grant ended, for another reason than the two that follow.
    Ended,
    /// A grant ended by its deadline or its idle limit.
    Expired,
    /// Somebody with the right to, or the target, ended a grant.
    Revoked,
}

impl EventName {
    /// All of them.
    pub const ALL: &[Self] = &[
        Self::Request,
        Self::Denied,
        Self::Completed,
        Self::Started,
        Self::Issued,
        Self::Extended,
        Self::Ended,
        Self::Expired,
        Self::Revoked,
    ];

    /// The name as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Request => "impersonation.request",
            Self::Denied => "impersonation.denied",
            Self::Completed => "impersonation.completed",
            Self::Started => "impersonation.started",
            Self::Issued => "impersonation.issued",
            Self::Extended => "impersonation.extended",
            Self::Ended => "impersonation.ended",
            Self::Expired => "impersonation.expired",
            Self::Revoked => "impersonation.revoked",
        }
    }
}

/// How it went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Outcome {
    /// It was let through, or answered with a status below 400 to the last byte.
    Success,
    /// It was refused, answered with a status from 400 on or a gRPC status other than 0, or its body
    /// ended with an error.
    Failure,
    /// The client left before the answer was complete.
    Aborted,
}

impl Outcome {
    /// The name as it is written.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Success => "success",
            Self::Failure => "failure",
            Self::Aborted => "aborted",
        }
    }
}

/// One event, borrowed from the request it belongs to.
///
/// It serializes, by serde, to one flat JSON object whose keys are the field names of spans and
/// logs; a field that is not known is left out.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Event<'a> {
    /// Its own name.
    pub id: EventId,
    /// When.
    pub time: Timestamp,
    /// What.
    pub name: EventName,
    /// How it went.
    pub outcome: Outcome,
    /// Who really acted.
    pub actor: &'a Identity,
    /// Who was impersonated; `None` for a role, and in a denial before the target was found.
    pub target: Option<&'a Identity>,
    /// What was asked for, and how; `None` in a denial before that could be told.
    pub ask: Option<&'a Ask>,
    /// How far it goes; `None` in a denial.
    pub mode: Option<Mode>,
    /// The groups taken or asked for as a role, or those of the target that were asked for.
    pub groups: Option<&'a Names>,
    /// The rule that denied.
    pub rule: Option<&'a str>,
    /// How many denials of this actor were not recorded before this one.
    pub left_out: u64,
    /// How many events a queue in front of this sink lost before this one.
    pub lost: u64,
    /// The request, in what may be told of it; `None` in a completion, and where nobody asked.
    pub request: Option<RequestInfo<'a>>,
    /// What a completion completes.
    pub completed: Option<CompletedInfo>,
    /// The grant; `None` without one.
    pub grant: Option<GrantId>,
    /// The deadline of a grant that started or was extended.
    pub deadline: Option<Timestamp>,
    /// The app client to which a token was issued in an exchange (RFC 8693), or a code to sign in by.
    pub client: Option<&'a str>,
    /// How a grant ended.
    pub end: Option<EndInfo<'a>>,
}

/// How a grant ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct EndInfo<'a> {
    /// Why.
    pub reason: EndReason,
    /// Who ended it; `None` where nobody did.
    pub by: Option<&'a IdentityKey>,
}

impl<'a> EndInfo<'a> {
    /// Ended for this reason, by this one.
    #[must_use]
    pub fn new(reason: EndReason, by: Option<&'a IdentityKey>) -> Self {
        Self { reason, by }
    }

    /// What the event is called that tells of it.
    #[must_use]
    pub fn event_name(&self) -> EventName {
        match self.reason {
            EndReason::Expired | EndReason::Idle => EventName::Expired,
            EndReason::Revoked => EventName::Revoked,
            _ => EventName::Ended,
        }
    }
}

/// How a recorded request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct CompletedInfo {
    /// The event that was recorded before the handler.
    pub request: EventId,
    /// The status, if there was an answer.
    pub status: Option<StatusCode>,
    /// From the decision to the last byte.
    pub duration: Duration,
}

impl<'a> Event<'a> {
    pub(super) fn request(record: &'a Record) -> Self {
        let permit = &record.permit;
        Self {
            id: record.id,
            time: record.at,
            name: EventName::Request,
            outcome: Outcome::Success,
            actor: permit.actor(),
            target: permit.target(),
            ask: Some(permit.ask()),
            mode: Some(permit.mode()),
            groups: permit.groups(),
            rule: None,
            left_out: 0,
            lost: 0,
            request: Some(record.outline.info()),
            completed: None,
            grant: permit.ask().grant().copied(),
            deadline: None,
            client: None,
            end: None,
        }
    }

    /// What becomes of a grant: of the one that is asked for, between these two.
    pub(super) fn of_grant(
        name: EventName,
        ask: &'a Ask,
        actor: &'a Identity,
        target: Option<&'a Identity>,
        time: Timestamp,
    ) -> Self {
        Self {
            id: EventId::new(time),
            time,
            name,
            outcome: Outcome::Success,
            actor,
            target,
            ask: Some(ask),
            mode: Some(ask.mode()),
            groups: None,
            rule: None,
            left_out: 0,
            lost: 0,
            request: None,
            completed: None,
            grant: ask.grant().copied(),
            deadline: None,
            client: None,
            end: None,
        }
    }

    pub(super) fn denied(
        refused: &'a Refused,
        parts: &'a Parts,
        time: Timestamp,
        left_out: u64,
    ) -> Self {
        Self {
            id: EventId::new(time),
            time,
            name: EventName::Denied,
            outcome: Outcome::Failure,
            actor: &refused.actor,
            target: refused.target.as_ref(),
            ask: refused.ask.as_ref(),
            mode: None,
            groups: refused.ask.as_ref().and_then(Ask::groups),
            rule: Some(&refused.denial.rule),
            left_out,
            lost: 0,
            request: Some(RequestInfo::of(parts)),
            completed: None,
            grant: { refused.ask.as_ref() }.and_then(Ask::grant).copied(),
            deadline: None,
            client: None,
            end: None,
        }
    }

    /// The sub that handlers see, or would have seen: the target's, else the actor's.
    #[must_use]
    pub fn user_id(&self) -> &'a str {
        self.target.unwrap_or(self.actor).subject()
    }

    /// Why, in the actor's words.
    #[must_use]
    pub fn reason(&self) -> Option<&'a str> {
        Some(self.ask?.reason()?.as_str())
    }

    /// For which ticket.
    #[must_use]
    pub fn ticket(&self) -> Option<&'a str> {
        self.ask?.ticket().map(Ticket::as_str)
    }

    /// The issuer at which the actor looked for somebody, while it is not known who that is.
    #[must_use]
    pub fn wanted_issuer(&self) -> Option<&'a str> {
        self.ask?
            .target()
            .filter(|_| self.target.is_none())
            .map(TargetRef::issuer)
    }

    /// Whom the actor named, while it is not known who that is.
    #[must_use]
    pub fn wanted(&self) -> Option<&'a str> {
        match self.ask?.target()?.who() {
            _ if self.target.is_some() => None,
            Who::Subject(text) | Who::Name(text) => Some(text),
        }
    }
}

impl Serialize for Event<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        let m = &mut map;
        m.serialize_entry("impersonation.schema.version", SCHEMA_VERSION)?;
        m.serialize_entry("event.id", &Text(self.id))?;
        m.serialize_entry("event.name", self.name.as_str())?;
        m.serialize_entry("time", &Text(self.time))?;
        m.serialize_entry("impersonation.outcome", self.outcome.as_str())?;
        some(m, "impersonation.deny.rule", self.rule)?;
        m.serialize_entry("user.id", self.user_id())?;
        person(m, ACTOR, Some(self.actor))?;
        person(m, TARGET, self.target)?;
        some(m, "impersonation.wanted", self.wanted())?;
        some(m, "impersonation.wanted.iss", self.wanted_issuer())?;
        some(
            m,
            "impersonation.strategy",
            self.ask.map(|ask| ask.strategy().as_str()),
        )?;
        some(m, "impersonation.mode", self.mode.map(Mode::as_str))?;
        some(m, "impersonation.groups", self.groups.map(List))?;
        some(m, "impersonation.reason", self.reason())?;
        some(m, "impersonation.ticket", self.ticket())?;
        some(
            m,
            "impersonation.scopes",
            self.ask.and_then(Ask::scopes).map(List),
        )?;
        some(m, "impersonation.grant.id", self.grant.map(Text))?;
        some(m, "impersonation.grant.deadline", self.deadline.map(Text))?;
        some(m, "impersonation.client.id", self.client)?;
        if let Some(end) = &self.end {
            m.serialize_entry("impersonation.end.reason", end.reason.as_str())?;
            some(
                m,
                "impersonation.end.by.sub",
                end.by.map(IdentityKey::subject),
            )?;
            some(
                m,
                "impersonation.end.by.iss",
                end.by.map(IdentityKey::issuer),
            )?;
        }
        if self.left_out > 0 {
            m.serialize_entry("impersonation.denials.left_out", &self.left_out)?;
        }
        if self.lost > 0 {
            m.serialize_entry("impersonation.audit.lost", &self.lost)?;
        }
        if let Some(request) = self.request {
            m.serialize_entry("http.request.method", request.method)?;
            m.serialize_entry("url.path", request.path)?;
            some(m, "user_agent.original", request.user_agent)?;
            some(m, "http.request.id", request.request_id)?;
        }
        if let Some(done) = &self.completed {
            m.serialize_entry("impersonation.request.event.id", &Text(done.request))?;
            some(
                m,
                "http.response.status_code",
                done.status.map(|status| status.as_u16()),
            )?;
            m.serialize_entry("impersonation.duration_ms", &done.duration.as_millis())?;
        }
        map.end()
    }
}

const ACTOR: [&str; 3] = [
    "impersonation.actor.sub",
    "impersonation.actor.iss",
    "impersonation.actor.tenant",
];
const TARGET: [&str; 3] = [
    "impersonation.target.sub",
    "impersonation.target.iss",
    "impersonation.target.tenant",
];

fn person<M: SerializeMap>(
    map: &mut M,
    [sub, iss, tenant]: [&'static str; 3],
    person: Option<&Identity>,
) -> Result<(), M::Error> {
    some(map, sub, person.map(Identity::subject))?;
    some(map, iss, person.map(Identity::issuer))?;
    some(map, tenant, person.and_then(Identity::tenant))
}

fn some<M: SerializeMap>(
    map: &mut M,
    name: &'static str,
    value: Option<impl Serialize>,
) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(name, &value))
}

struct Text<T>(T);

impl<T: std::fmt::Display> Serialize for Text<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0)
    }
}

struct List<'a>(&'a Names);

impl Serialize for List<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.0.iter())
    }
}

/// How a recorded request ended, owned, because nothing else of the request may be left.
#[derive(Debug, Clone)]
pub struct Completion {
    pub(super) record: Arc<Record>,
    pub(super) id: EventId,
    pub(super) time: Timestamp,
    pub(super) outcome: Outcome,
    pub(super) info: CompletedInfo,
}

impl Completion {
    /// The event, with both identities once more.
    #[must_use]
    pub fn event(&self) -> Event<'_> {
        let permit = &self.record.permit;
        Event {
            id: self.id,
            time: self.time,
            name: EventName::Completed,
            outcome: self.outcome,
            actor: permit.actor(),
            target: permit.target(),
            ask: Some(permit.ask()),
            mode: Some(permit.mode()),
            groups: permit.groups(),
            rule: None,
            left_out: 0,
            lost: 0,
            request: None,
            completed: Some(self.info),
            grant: permit.ask().grant().copied(),
            deadline: None,
            client: None,
            end: None,
        }
    }
}
