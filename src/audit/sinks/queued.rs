use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::backlog::{FULL, Line, Write};
use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event};

/// A bounded queue in front of a slow sink.
///
/// A task of its own gives the events to the sink, one after the other, in their order, completions
/// included: these go to [`AuditSink::record`], too, so that they are waited for. By default a request
/// waits until its event is [written](On::Written) and is [refused](WhenFull::Refuse) where the queue is
/// full, so the queue loses nothing that the sink would not have lost; it keeps requests from asking a
/// sink that does one thing at a time all at once.
///
/// `capacity` is how many events may wait, 1 to 65,536; completions find as many places again, because
/// nobody can refuse them any more. One that finds none, or that the sink does not take, is lost. What is
/// lost is counted by [`lost`](Queued::lost), told in the next event that is written
/// (`impersonation.audit.lost`), and logged as a warning once a minute.
///
/// The task runs on the tokio runtime of the request, outside its span. Wait for
/// [`flush`](Queued::flush) before the runtime ends: a queue that is dropped gives what is left to a sink
/// that does not have to wait, and logs what it loses.
///
/// ```
/// use tower_impersonate::audit::{self, AuditSink, On, WhenFull};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let queue = audit::queued(audit::tracing(), 1000)
///     .when_full(WhenFull::Refuse)
///     .acknowledge(On::Written);
/// assert!(queue.check().is_ok());
/// // Give a clone to the builder, and keep one for the end:
/// queue.flush().await?;
/// assert_eq!((queue.lost(), queue.waiting()), (0, 0));
/// # Ok(())
/// # }
/// ```
pub fn queued(sink: impl AuditSink + 'static, capacity: usize) -> Queued {
    let sink: Arc<dyn AuditSink> = Arc::new(sink);
    let writer = Arc::new(OneByOne(Arc::clone(&sink)));
    Queued {
        sink,
        line: Line::new(writer, capacity, DEADLINE),
        when_full: WhenFull::Refuse,
        acknowledge: On::Written,
    }
}

/// The sink made by [`queued`]. Clones share the queue, not the settings that follow.
#[derive(Clone)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct Queued {
    sink: Arc<dyn AuditSink>,
    line: Line,
    when_full: WhenFull,
    acknowledge: On,
}

/// What becomes of an event that finds the queue full.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum WhenFull {
    /// It is not recorded, so its request is refused with 503. The default.
    Refuse,
    /// It counts as recorded and is lost; only their number is kept. Requests run of which nothing but
    /// that number is known: for an audit beside the one that must be complete.
    DropAndCount,
}

/// When an event counts as recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum On {
    /// When the sink took it. The default.
    Written,
    /// When it is in the queue. What the sink does not take after that, or what is in the queue when the
    /// process dies, is lost, although its request ran.
    Queued,
}

impl Queued {
    /// What becomes of an event that finds the queue full; [`WhenFull::Refuse`] by default.
    pub fn when_full(mut self, then: WhenFull) -> Self {
        self.when_full = then;
        self
    }

    /// When an event counts as recorded; [`On::Written`] by default.
    pub fn acknowledge(mut self, on: On) -> Self {
        self.acknowledge = on;
        self
    }

    /// How long the sink may take for one event before the next one is tried; 5 s by default, 1 ms to
    /// 60 s. A request waits no longer than the builder's own
    /// [deadline](crate::middleware::Builder::deadline).
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.line.deadline = deadline;
        self
    }

    /// Waits until the events that are in the queue now have left it. Call it when the server has
    /// stopped, inside a tokio runtime.
    ///
    /// # Errors
    ///
    /// If events were lost meanwhile.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.line.flush().await
    }

    /// How many events were lost since the queue was made: those that counted as recorded and were not
    /// written, and completions.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.line.lost()
    }

    /// How many events are in the queue, the one that is being written included.
    #[must_use]
    pub fn waiting(&self) -> u64 {
        self.line.waiting()
    }

    pub(super) fn capacity(mut self, capacity: usize) -> Self {
        self.line.capacity = capacity;
        self
    }
}

impl AuditSink for Queued {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let taken = match self.acknowledge {
            On::Written => self.line.record(event),
            On::Queued => self.line.take(event).map(|()| Answer::now(Ok(()))),
        };
        taken.unwrap_or_else(|_| {
            Answer::now(match self.when_full {
                WhenFull::Refuse => Err(AuditError::new(FULL)),
                WhenFull::DropAndCount => {
                    self.line.lose(event.time);
                    Ok(())
                }
            })
        })
    }

    fn complete(&self, done: Completion) {
        self.line.complete(done);
    }

    fn check(&self) -> Result<(), AuditError> {
        check_capacity(self.line.capacity)?;
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(60));
        if !(least..=most).contains(&self.line.deadline) {
            return Err(AuditError::new(
                "the deadline of an audit queue must be between 1 ms and 60 s",
            ));
        }
        self.sink.check()
    }
}

impl fmt::Debug for Queued {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Queued")
            .field("capacity", &self.line.capacity)
            .field("when_full", &self.when_full)
            .field("acknowledge", &self.acknowledge)
            .field("waiting", &self.waiting())
            .field("lost", &self.lost())
            .finish_non_exhaustive()
    }
}

pub(super) fn check_capacity(capacity: usize) -> Result<(), AuditError> {
    if !(1..=65_536).contains(&capacity) {
        return Err(AuditError::new(
            "the capacity of an audit queue must be between 1 and 65,536",
        ));
    }
    Ok(())
}

/// The sink behind a queue.
struct OneByOne(Arc<dyn AuditSink>);

impl Write for OneByOne {
    fn batch(&self) -> usize {
        1
    }

    fn write(&self, events: &[Event<'_>]) -> Answer<Result<(), AuditError>> {
        events
            .first()
            .map_or(Answer::now(Ok(())), |event| self.0.record(event))
    }
}

const DEADLINE: Duration = Duration::from_secs(5);
