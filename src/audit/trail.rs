use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::request::Parts;

use crate::answer::Answer;
use crate::audit::event::{CompletedInfo, EndInfo};
use crate::audit::limit::{Attempt, Denials};
use crate::audit::outline::Outline;
use crate::audit::{
    AuditError, AuditSink, Completion, DenialLimit, Event, EventId, EventName, Outcome,
};
use crate::identity::Identity;
use crate::policy::{Permit, Refused};
use crate::stamp::{Said, Stamp, Stamped};
use crate::terms::Ask;
use crate::time::{Clock, Timestamp};

/// Writes events, in the order that the rules of this module ask for.
pub struct Trail {
    pub(super) ends: Arc<Ends>,
    denials: Denials,
}

/// What every open record needs until its end.
pub(super) struct Ends {
    pub(super) sink: Arc<dyn AuditSink>,
    clock: Arc<dyn Clock>,
}

impl Trail {
    /// A trail into `sink`.
    #[must_use]
    pub fn new(sink: Arc<dyn AuditSink>, clock: Arc<dyn Clock>, limit: DenialLimit) -> Self {
        Self {
            ends: Arc::new(Ends { sink, clock }),
            denials: Denials::new(limit),
        }
    }

    /// Begins the record of an impersonated request. From here on, whatever becomes of it, a
    /// completion follows.
    pub fn open(&self, permit: Permit, parts: &Parts, now: Timestamp) -> Open {
        let record = Record::new(permit, parts, now);
        Open {
            record: Arc::new(record),
            ends: Arc::clone(&self.ends),
            begun: self.ends.clock.monotonic(),
            status: None,
            failed: false,
            ended: false,
        }
    }

    /// Records what becomes of a grant before it does. The answer is the proof.
    pub fn of_grant(
        &self,
        step: OfGrant<'_>,
        permit: Permit,
        parts: &Parts,
        now: Timestamp,
    ) -> Answer<Result<Recorded, AuditError>> {
        let (name, deadline, client) = match step {
            OfGrant::Starts { deadline } => (EventName::Started, Some(deadline), None),
            OfGrant::Issues { client } => (EventName::Issued, None, client),
        };
        let record = Arc::new(Record::new(permit, parts, now));
        let permit = &record.permit;
        let mut event = Event::of_grant(name, permit.ask(), permit.actor(), permit.target(), now);
        event.id = record.id;
        event.mode = Some(permit.mode());
        event.groups = permit.groups();
        event.request = Some(record.outline.info());
        event.deadline = deadline;
        event.client = client;
        let written = self.ends.sink.record(&event);
        written.map(move |written| written.map(|()| Recorded(record)))
    }

    /// Records that a grant was extended.
    pub fn extended(
        &self,
        ask: &Ask,
        [actor, target]: [&Identity; 2],
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<(), AuditError>> {
        let mut event = Event::of_grant(EventName::Extended, ask, actor, Some(target), now);
        event.deadline = Some(deadline);
        self.ends.sink.record(&event)
    }

    /// Records that a grant ended.
    pub fn ended(
        &self,
        ask: &Ask,
        [actor, target]: [&Identity; 2],
        end: EndInfo<'_>,
        at: Timestamp,
    ) -> Answer<Result<(), AuditError>> {
        let mut event = Event::of_grant(end.event_name(), ask, actor, Some(target), at);
        event.end = Some(end);
        self.ends.sink.record(&event)
    }

    /// Records a refused attempt, unless this actor had too many of them.
    pub fn denied(
        &self,
        refused: &Refused,
        parts: &Parts,
        now: Timestamp,
    ) -> Answer<Result<(), AuditError>> {
        let attempt = match refused.ask {
            Some(_) => Attempt::Clear,
            None => Attempt::Garbled,
        };
        let now_monotonic = self.ends.clock.monotonic();
        match self
            .denials
            .admit(refused.actor.key(), attempt, now_monotonic)
        {
            Some(left_out) => self
                .ends
                .sink
                .record(&Event::denied(refused, parts, now, left_out)),
            None => Answer::now(Ok(())),
        }
    }

    /// Records that a request which was let through wants to do what it may not, by the limit of
    /// [`denied`](Self::denied).
    pub fn refused(
        &self,
        recorded: &Recorded,
        rule: &'static str,
        parts: &Parts,
    ) -> Answer<Result<(), AuditError>> {
        let refused = recorded.permit().refuse(rule);
        self.denied(&refused, parts, self.ends.clock.now())
    }
}

/// A step in the life of a grant that follows from a permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OfGrant<'a> {
    /// It starts, and ends by itself then.
    Starts {
        /// When it ends by itself.
        deadline: Timestamp,
    },
    /// A token is issued under it.
    Issues {
        /// The app client that gets it, where it is not the actor's own.
        client: Option<&'a str>,
    },
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Trail").finish_non_exhaustive()
    }
}

/// What is known of an impersonated request from its decision on: shared by its record, its stamp and its
/// principal.
pub(super) struct Record {
    pub(super) id: EventId,
    pub(super) at: Timestamp,
    pub(super) permit: Permit,
    pub(super) outline: Outline,
    /// The grant's id, as it is written.
    grant: Option<Arc<str>>,
}

impl Record {
    fn new(permit: Permit, parts: &Parts, now: Timestamp) -> Self {
        let grant = permit.ask().grant();
        Self {
            id: EventId::new(now),
            at: now,
            outline: Outline::of(parts, permit.mode()),
            grant: grant.map(|grant| grant.to_string().into()),
            permit,
        }
    }
}

impl Stamped for Record {
    fn said(&self) -> Said<'_> {
        Said {
            actor: self.permit.actor().key(),
            target: self.permit.target().map(Identity::key),
            mode: self.permit.mode(),
            strategy: self.permit.ask().strategy(),
            grant: self.grant.as_ref(),
            groups: self.permit.groups(),
        }
    }
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("event", &self.id)
            .field("permit", &self.permit)
            .finish_non_exhaustive()
    }
}

/// The proof that the audit took the event: the only thing that makes an impersonated principal.
///
/// Cheap to clone.
#[derive(Clone)]
pub struct Recorded(Arc<Record>);

impl Recorded {
    /// What was permitted.
    pub fn permit(&self) -> &Permit {
        &self.0.permit
    }

    /// What is left of the request that it was permitted for: method, URI, version, and no credential.
    pub(crate) fn request(&self) -> Parts {
        self.0.outline.request()
    }

    /// The event that was written.
    #[must_use]
    pub fn event_id(&self) -> EventId {
        self.0.id
    }
}

impl fmt::Debug for Recorded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recorded")
            .field("event", &self.0.id)
            .field("permit", &self.0.permit)
            .finish()
    }
}

/// A record that was begun. Dropped before [`Open::end`], it completes as aborted.
#[must_use = "dropping it records that the request was aborted"]
pub struct Open {
    record: Arc<Record>,
    ends: Arc<Ends>,
    begun: Duration,
    status: Option<StatusCode>,
    failed: bool,
    ended: bool,
}

impl Open {
    /// What goes on spans and log records.
    #[must_use]
    pub fn stamp(&self) -> Stamp {
        Stamp::of(Arc::clone(&self.record))
    }

    /// Asks the sink to take the event. Its answer is the proof.
    pub fn write(&self) -> Answer<Result<Recorded, AuditError>> {
        let written = self.ends.sink.record(&Event::request(&self.record));
        let record = Arc::clone(&self.record);
        written.map(move |written| written.map(|()| Recorded(record)))
    }

    /// The handler answered; the body may still go on.
    pub fn answered(&mut self, status: StatusCode) {
        self.status = Some(status);
    }

    /// The answer says that it failed, although its status does not, as gRPC's do.
    pub fn failed(&mut self) {
        self.failed = true;
    }

    /// The request ended. Only the first end counts.
    pub fn end(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        // Nobody around here catches it: a panic would end a connection, or the process while
        // another one unwinds.
        let complete = || {
            let time = self.ends.clock.now();
            let done = Completion {
                record: Arc::clone(&self.record),
                id: EventId::new(time),
                time,
                outcome,
                info: CompletedInfo {
                    request: self.record.id,
                    status: self.status,
                    duration: self.ends.clock.monotonic().saturating_sub(self.begun),
                },
            };
            self.ends.sink.complete(done);
        };
        if catch_unwind(AssertUnwindSafe(complete)).is_err() {
            tracing::error!(target: "impersonation::audit", "a sink panicked at a completion");
        }
    }

    /// The request ended as its status says.
    pub fn end_by_status(&mut self) {
        let status = self.status;
        let failed =
            self.failed || status.is_none_or(|s| s.is_client_error() || s.is_server_error());
        self.end(if failed {
            Outcome::Failure
        } else {
            Outcome::Success
        });
    }

    /// The request is dropped. Nothing happens where it has ended before.
    pub fn abandon(&mut self) {
        if self.ended {
            return;
        }
        // A handler that panics did not lose its client.
        let outcome = if std::thread::panicking() {
            Outcome::Failure
        } else {
            Outcome::Aborted
        };
        self.end(outcome);
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.abandon();
    }
}

impl fmt::Debug for Open {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Open")
            .field("event", &self.record.id)
            .field("ended", &self.ended)
            .finish_non_exhaustive()
    }
}
