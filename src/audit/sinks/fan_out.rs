use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::Arc;

use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event};

/// Several sinks, all of which must take an event.
///
/// They are asked in order. An event counts as recorded when every one of them took it, so one sink
/// that fails refuses the request, although those before it keep the event: a record too many is
/// safe, a record too few is not.
pub fn all(sinks: impl IntoIterator<Item = Arc<dyn AuditSink>>) -> FanOut {
    FanOut {
        sinks: sinks.into_iter().collect(),
    }
}

/// A sink as [`all`] takes it.
pub fn shared(sink: impl AuditSink + 'static) -> Arc<dyn AuditSink> {
    Arc::new(sink)
}

/// The sink made by [`all`].
#[derive(Clone)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct FanOut {
    sinks: Vec<Arc<dyn AuditSink>>,
}

impl AuditSink for FanOut {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let mut waiting = Vec::new();
        for sink in &self.sinks {
            match sink.record(event).try_now() {
                Ok(Ok(())) => {}
                Ok(Err(error)) => return Answer::now(Err(error)),
                Err(later) => waiting.push(later),
            }
        }
        if waiting.is_empty() {
            return Answer::now(Ok(()));
        }
        Answer::later(async move {
            for answer in waiting {
                answer.await?;
            }
            Ok(())
        })
    }

    fn complete(&self, done: Completion) {
        let each = |sink: &Arc<dyn AuditSink>| sink.complete(done.clone());
        let mut panic = None;
        for sink in &self.sinks {
            panic = catch_unwind(AssertUnwindSafe(|| each(sink)))
                .err()
                .or(panic);
        }
        if let Some(panic) = panic {
            resume_unwind(panic);
        }
    }

    fn check(&self) -> Result<(), AuditError> {
        if self.sinks.is_empty() {
            return Err(AuditError::new("no sink in the fan-out"));
        }
        self.sinks.iter().try_for_each(|sink| sink.check())
    }
}

impl fmt::Debug for FanOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FanOut")
            .field("sinks", &self.sinks.len())
            .finish()
    }
}
