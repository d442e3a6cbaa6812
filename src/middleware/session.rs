use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use http::StatusCode;
use http::request::Parts;
use tracing::Span;
use tracing::span;

use crate::audit::{Open, Outcome, Trail};
use crate::gate::Live;
use crate::policy::Permit;
use crate::stamp::{self, Stamp};
use crate::time::Timestamp;

/// An impersonated request from its decision to its last byte: its span, its stamp and its record.
///
/// Dropped early, it leaves an aborted completion.
#[derive(Debug)]
pub(super) struct Session {
    span: Span,
    stamp: Stamp,
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
            stamp,
            live,
            open,
        })
    }

    /// Makes the span and the stamp current, for as long as the guards live.
    pub(super) fn enter(&self) -> (span::Entered<'_>, stamp::Entered) {
        (self.span.enter(), self.stamp.enter())
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

    pub(super) fn stamp(&self) -> &Stamp {
        &self.stamp
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
        let _entered = self.span.enter();
        self.open.end_by_status();
    }

    /// The answer says that the call failed, whatever its status.
    pub(super) fn fail_at_end(&mut self) {
        self.open.failed();
    }

    /// Service or body failed.
    pub(super) fn fail(&mut self) {
        let _entered = self.span.enter();
        self.open.end(Outcome::Failure);
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The sink is called inside the span, also where the client left.
        let _entered = self.span.enter();
        self.open.abandon();
    }
}

/// Whether something of the response is still to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rest {
    Nothing,
    Body,
}
