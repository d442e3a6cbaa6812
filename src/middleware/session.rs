use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use http::StatusCode;
use http::request::Parts;
use tracing::Span;
use tracing::span;

use crate::answer::Answer;
use crate::audit::{AuditError, Open, Outcome, Recorded, Trail};
use crate::gate::Live;
use crate::policy::Permit;
use crate::stamp::{self, Stamp, enter_span};
use crate::time::Timestamp;

/// An impersonated request from its decision to its last byte: its span, its stamp and its record.
///
/// Dropped early, it leaves an aborted completion.
#[derive(Debug)]
pub(super) struct Session {
    span: Span,
    /// `None` while it is current, and where it did not come back.
    stamp: Option<Stamp>,
    live: Option<Live>,
    pub(super) open: Open,
}

impl Session {
    pub(super) fn begin(
        trail: &Trail,
        permit: Permit,
        live: Option<Live>,
        span: Span,
        (parts, now): (&Parts, Timestamp),
    ) -> Box<Self> {
        let open = trail.open(permit, parts, now);
        let stamp = open.stamp();
        stamp::complete_span(&span, &stamp);
        Box::new(Self {
            span,
            stamp: Some(stamp),
            live,
            open,
        })
    }

    /// Makes the span and the stamp current, for as long as the guards live.
    pub(super) fn enter(&mut self) -> (Option<span::Entered<'_>>, stamp::Lent<'_>) {
        self.stamp();
        (enter_span(&self.span), stamp::lend(&mut self.stamp))
    }

    /// Asks the sink to take the event.
    pub(super) fn write(&mut self) -> Answer<Result<Recorded, AuditError>> {
        self.stamp();
        let _entered = (enter_span(&self.span), stamp::lend(&mut self.stamp));
        self.open.write()
    }

    /// Runs a step of the handler or its body under the span and the stamp. A panic goes on, and is a
    /// failure whoever catches it.
    pub(super) fn run<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let caught = {
            let _entered = self.enter();
            catch_unwind(AssertUnwindSafe(step))
        };
        caught.unwrap_or_else(|panic| {
            self.fail();
            resume_unwind(panic)
        })
    }

    /// What can end it, where something can.
    pub(super) fn live(&self) -> Option<&Live> {
        self.live.as_ref()
    }

    pub(super) fn stamp(&mut self) -> &Stamp {
        self.stamp.get_or_insert_with(|| self.open.stamp())
    }

    /// The handler answered; `rest` says whether a body still goes on.
    pub(super) fn answered(&mut self, status: StatusCode, rest: Rest) {
        self.open.answered(status);
        if rest == Rest::Nothing {
            self.end();
        }
    }

    /// The last byte is out.
    pub(super) fn end(&mut self) {
        let _entered = enter_span(&self.span);
        self.open.end_by_status();
    }

    /// The answer says that the call failed, whatever its status.
    pub(super) fn fail_at_end(&mut self) {
        self.open.failed();
    }

    /// Service or body failed.
    pub(super) fn fail(&mut self) {
        let _entered = enter_span(&self.span);
        self.open.end(Outcome::Failure);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The sink is called inside the span, also where the client left.
        let _entered = enter_span(&self.span);
        self.open.abandon();
    }
}

/// Whether something of the response is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    Body,
}
