use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;

use crate::answer::Answer;
use crate::audit::{AuditError, Recorded, Trail};
use crate::measure::{Measurement, Measures, RuleKind};
use crate::principal::SideEffects;
use crate::rejection::{Declined, DeniedBy, Fault, Rejection, RejectionKind, Responder};

/// What the layer leaves with the requests that impersonate: how to refuse what they try later on,
/// and which side effects they have.
pub(crate) struct Warden {
    pub(crate) trail: Arc<Trail>,
    pub(crate) responder: Responder,
    pub(crate) measures: Measures,
    /// How long the audit may take.
    pub(crate) deadline: Duration,
    pub(crate) effects: SideEffects,
}

type Written = Result<(), AuditError>;

impl Warden {
    /// Records the refusal, by the kind's name as the rule and of the request as the layer got it, and
    /// answers what the request has become since.
    pub(super) async fn decline(
        &self,
        kind: RejectionKind,
        recorded: &Recorded,
        request: &Parts,
    ) -> Declined {
        let rule = kind.as_str();
        self.measures.tell(|| Measurement::Denial {
            rule: RuleKind::of(rule),
        });
        let rejection = match self.record(recorded, rule).await {
            Ok(()) => Rejection::because(kind, DeniedBy(rule.to_owned())),
            Err(rejection) => {
                self.measures.tell(|| Measurement::AuditFailure);
                rejection
            }
        };
        let response = self.responder.answer(rejection.clone(), request);
        Declined::new(rejection, response)
    }

    async fn record(&self, recorded: &Recorded, rule: &'static str) -> Result<(), Rejection> {
        let request = recorded.request();
        let ask = || self.trail.refused(recorded, rule, &request);
        let written = match catch_unwind(AssertUnwindSafe(ask)).map(Answer::try_now) {
            Ok(Ok(written)) => Ok(written),
            Ok(Err(later)) => self.wait(later).await,
            Err(_) => Err(Fault::Panic),
        };
        let unavailable = RejectionKind::Unavailable;
        match written {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(Rejection::because(unavailable, error)),
            Err(fault) => Err(Rejection::because(unavailable, fault)),
        }
    }

    async fn wait(&self, mut answer: Answer<Written>) -> Result<Written, Fault> {
        // tokio panics where it has no timer, and without one nothing may be waited for.
        let deadline = self.deadline;
        let sleep = catch_unwind(|| Box::pin(tokio::time::sleep(deadline)));
        let mut sleep = sleep.map_err(|_| Fault::Deadline)?;
        poll_fn(|cx| {
            let polled = catch_unwind(AssertUnwindSafe(|| Pin::new(&mut answer).poll(cx)));
            match polled {
                Ok(Poll::Ready(written)) => Poll::Ready(Ok(written)),
                Ok(Poll::Pending) => sleep.as_mut().poll(cx).map(|()| Err(Fault::Deadline)),
                Err(_) => Poll::Ready(Err(Fault::Panic)),
            }
        })
        .await
    }
}
