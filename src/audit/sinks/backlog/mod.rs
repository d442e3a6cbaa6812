//! Events that wait, in their order, for one writer.
//!
//! A line is bounded: it takes events that may still be refused up to its capacity, and completions,
//! which nobody can refuse any more, into as many places again. A task writes while there is something
//! to write and ends then, so a line outlives the runtime that it was first used in.

mod drainer;
mod losses;

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{oneshot, watch};

use self::drainer::Drainer;
use self::losses::Losses;
use crate::answer::Answer;
use crate::audit::kept::Kept;
use crate::audit::{AuditError, Completion, Event};
use crate::time::Timestamp;

/// Writes what waits.
pub(super) trait Write: Send + Sync {
    /// The most events that it takes at once.
    fn batch(&self) -> usize;

    /// Writes all of these events or none.
    fn write(&self, events: &[Event<'_>]) -> Answer<Result<(), AuditError>>;
}

/// The places of a line, and the way to its end. Clones share the line.
#[derive(Clone)]
pub(super) struct Line {
    shared: Arc<Shared>,
    pub(super) capacity: usize,
    /// How long one write may take.
    pub(super) deadline: Duration,
}

/// There is no place left.
pub(super) struct Full;

struct Shared {
    writer: Arc<dyn Write>,
    state: Mutex<State>,
    /// How many events have left the line, written or not.
    settled: watch::Sender<u64>,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Item>,
    draining: bool,
    accepted: u64,
    settled: u64,
    losses: Losses,
}

struct Item {
    kept: Kept,
    /// Who wants to know; without, a failure loses the event.
    asker: Option<oneshot::Sender<Result<(), AuditError>>>,
}

impl Line {
    pub(super) fn new(writer: Arc<dyn Write>, capacity: usize, deadline: Duration) -> Self {
        let shared = Shared {
            writer,
            state: Mutex::default(),
            settled: watch::Sender::new(0),
        };
        Self {
            shared: Arc::new(shared),
            capacity,
            deadline,
        }
    }

    /// Takes an event, and answers when it is written.
    pub(super) fn record(&self, event: &Event<'_>) -> Result<Answer<Result<(), AuditError>>, Full> {
        let (asker, answer) = oneshot::channel();
        self.push(event, Some(asker))?;
        Ok(Answer::later(async move {
            let stopped = |_| Err(AuditError::new("the audit's writer was stopped"));
            answer.await.unwrap_or_else(stopped)
        }))
    }

    /// Takes an event that nobody waits for.
    pub(super) fn take(&self, event: &Event<'_>) -> Result<(), Full> {
        self.push(event, None)
    }

    /// Takes a completion, or counts it as lost.
    pub(super) fn complete(&self, done: Completion) {
        let time = done.event().time;
        let item = Item {
            kept: Kept::Completion(done),
            asker: None,
        };
        if self.put(item, self.capacity.saturating_mul(2)).is_err() {
            self.lose(time);
        }
    }

    /// Counts an event that found no place.
    pub(super) fn lose(&self, time: Timestamp) {
        let warning = self.shared.state().losses.add(1, time);
        warning.tell(&AuditError::new(FULL));
    }

    /// Waits until whatever is in the line now has left it.
    pub(super) async fn flush(&self) -> Result<(), AuditError> {
        Handle::try_current().map_err(AuditError::new)?;
        let (before, until) = {
            let state = self.shared.state();
            (state.losses.total(), state.accepted)
        };
        let mut settled = self.shared.settled.subscribe();
        while *settled.borrow_and_update() < until {
            self.wake();
            settled.changed().await.map_err(AuditError::new)?;
        }
        match self.lost() - before {
            0 => Ok(()),
            lost => Err(AuditError::new(format!("{lost} audit events were lost"))),
        }
    }

    /// How many events were lost since the line was made.
    pub(super) fn lost(&self) -> u64 {
        self.shared.state().losses.total()
    }

    /// How many events are in the line, those that are being written included.
    pub(super) fn waiting(&self) -> u64 {
        self.shared.state().outstanding()
    }

    fn push(
        &self,
        event: &Event<'_>,
        asker: Option<oneshot::Sender<Result<(), AuditError>>>,
    ) -> Result<(), Full> {
        let kept = Kept::of(event);
        self.put(Item { kept, asker }, self.capacity)
    }

    fn put(&self, item: Item, places: usize) -> Result<(), Full> {
        {
            let mut state = self.shared.state();
            if state.outstanding() >= places as u64 {
                return Err(Full);
            }
            state.accepted += 1;
            state.waiting.push_back(item);
        }
        self.wake();
        Ok(())
    }

    /// Starts the writing task, unless it runs. Without a runtime the events wait for the next call.
    fn wake(&self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if let Some(drainer) = Drainer::begin(&self.shared, self.deadline) {
            // Not under the lock: a runtime that ends drops the task at once.
            runtime.spawn(drainer.run());
        }
    }
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks the writer, whose panics are errors.
    fn write(&self, items: &[Item], lost: u64) -> Answer<Result<(), AuditError>> {
        let mut events: Vec<_> = items.iter().map(|item| item.kept.event()).collect();
        if let Some(first) = events.first_mut() {
            first.lost = first.lost.saturating_add(lost);
        }
        catch_unwind(AssertUnwindSafe(|| self.writer.write(&events)))
            .unwrap_or_else(|_| Answer::now(Err(panicked())))
    }
}

impl State {
    fn outstanding(&self) -> u64 {
        self.accepted - self.settled
    }
}

impl Drop for Shared {
    /// The last handle is gone and no task writes: what still waits is given to a writer that does not
    /// have to wait, and counted where it does.
    fn drop(&mut self) {
        let (waiting, mut untold): (Vec<_>, _) = {
            let mut state = self.state();
            let untold = state.losses.untold();
            (state.waiting.drain(..).collect(), untold)
        };
        let mut lost = 0;
        for items in waiting.chunks(self.writer.batch().max(1)) {
            let mut written = self.write(items, untold);
            let mut nobody = Context::from_waker(Waker::noop());
            let written = poll(Pin::new(&mut written), &mut nobody);
            if matches!(written, Poll::Ready(Ok(()))) {
                untold = 0;
            } else {
                lost += items.len();
                untold += items.len() as u64;
            }
        }
        if lost > 0 {
            tracing::error!(
                target: "impersonation::audit",
                lost,
                "audit events were lost when their queue was dropped: flush it before"
            );
        }
    }
}

/// Polls an answer, whose panics are errors.
fn poll(
    answer: Pin<&mut Answer<Result<(), AuditError>>>,
    context: &mut Context<'_>,
) -> Poll<Result<(), AuditError>> {
    catch_unwind(AssertUnwindSafe(|| answer.poll(context)))
        .unwrap_or_else(|_| Poll::Ready(Err(panicked())))
}

fn panicked() -> AuditError {
    AuditError::new("an audit sink panicked")
}

/// Why an event was lost that found no place.
pub(super) const FULL: &str = "the audit queue is full";
