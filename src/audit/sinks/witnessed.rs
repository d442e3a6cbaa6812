use std::fmt;
use std::sync::Arc;

use super::queued::{On, Queued, WhenFull, queued};
use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event};

/// A sink that decides, and a witness that is told the same.
///
/// An event counts as recorded when the primary took it. The witness gets every event, those that the
/// primary refuses, too, from a queue of its own, and can refuse nothing: an event that it does not take,
/// or that finds 1,024 others waiting (see [`lag`](Witnessed::lag)), is missed. That is counted, told to
/// the witness in the next event that it takes (`impersonation.audit.lost`), and logged as a warning once
/// a minute.
///
/// [`all`](crate::audit::all) is stricter: every sink must take an event before the request runs. Take that
/// where two records must agree, and this one for a copy that must not stop anybody, such as one on another
/// machine or a table that is only searched.
///
/// ```
/// use tower_impersonate::audit::{self, AuditSink};
///
/// # let folder = std::env::temp_dir().join("tower-impersonate-doc");
/// # std::fs::create_dir_all(&folder)?;
/// let sink = audit::witnessed(audit::jsonl(folder.join("audit.jsonl")), audit::tracing()).lag(100);
/// assert!(sink.check().is_ok());
/// assert_eq!(sink.missed(), 0);
/// # Ok::<(), std::io::Error>(())
/// ```
pub fn witnessed(
    primary: impl AuditSink + 'static,
    witness: impl AuditSink + 'static,
) -> Witnessed {
    Witnessed {
        primary: Arc::new(primary),
        witness: queued(witness, LAG)
            .when_full(WhenFull::DropAndCount)
            .acknowledge(On::Queued),
    }
}

/// The sink made by [`witnessed`]. Clones share both sinks.
#[derive(Clone)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct Witnessed {
    primary: Arc<dyn AuditSink>,
    witness: Queued,
}

impl Witnessed {
    /// How many events the witness may be behind, 1 to 65,536; 1,024 by default. Completions find as many
    /// places again.
    pub fn lag(mut self, events: usize) -> Self {
        self.witness = self.witness.capacity(events);
        self
    }

    /// How many events the witness missed.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.witness.lost()
    }

    /// Waits until the witness was told of the events so far; the primary is not asked. Call it when the
    /// server has stopped, inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// If the witness missed events meanwhile.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.witness.flush().await
    }
}

impl AuditSink for Witnessed {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        // At hand or lost, and counted where it is lost.
        drop(self.witness.record(event));
        self.primary.record(event)
    }

    fn complete(&self, done: Completion) {
        self.witness.complete(done.clone());
        self.primary.complete(done);
    }

    fn check(&self) -> Result<(), AuditError> {
        self.primary.check()?;
        self.witness.check()
    }
}

impl fmt::Debug for Witnessed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Witnessed")
            .field("missed", &self.missed())
            .finish_non_exhaustive()
    }
}

const LAG: usize = 1024;
