use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use super::{Item, Shared, poll};
use crate::audit::AuditError;

/// The one that writes what waits. Dropped in the middle, it lets another one begin.
pub(super) struct Drainer {
    shared: Arc<Shared>,
    deadline: Duration,
    in_hand: Vec<Item>,
    /// How many lost events the first one in hand tells of.
    told: u64,
    ended: bool,
}

impl Drainer {
    /// Nothing where one runs already, or where nothing waits.
    pub(super) fn begin(shared: &Arc<Shared>, deadline: Duration) -> Option<Self> {
        let mut state = shared.state();
        if state.draining || state.waiting.is_empty() {
            return None;
        }
        state.draining = true;
        drop(state);
        Some(Self {
            shared: Arc::clone(shared),
            deadline,
            in_hand: Vec::new(),
            told: 0,
            ended: false,
        })
    }

    pub(super) async fn run(mut self) {
        while self.take() {
            let written = self.write().await;
            self.settle(written);
            // A sink that answers at once would never let others of this thread run.
            tokio::task::yield_now().await;
        }
    }

    /// Takes the next events in hand; ends where there are none.
    fn take(&mut self) -> bool {
        let mut state = self.shared.state();
        let count = self
            .shared
            .writer
            .batch()
            .clamp(1, state.waiting.len().max(1));
        if state.waiting.is_empty() {
            state.draining = false;
            self.ended = true;
            return false;
        }
        self.in_hand.extend(state.waiting.drain(..count));
        self.told = state.losses.untold();
        true
    }

    async fn write(&self) -> Result<(), AuditError> {
        let mut answer = self.shared.write(&self.in_hand, self.told);
        let written = poll_fn(|context| poll(Pin::new(&mut answer), context));
        tokio::time::timeout(self.deadline, written)
            .await
            .unwrap_or_else(|_| Err(AuditError::new("an audit sink did not answer in time")))
    }

    /// Tells those who asked. What failed and nobody asked for is lost.
    fn settle(&mut self, written: Result<(), AuditError>) {
        let (count, mut lost, mut latest) = (self.in_hand.len() as u64, 0, None);
        for item in self.in_hand.drain(..) {
            latest = Some(item.kept.event().time);
            match item.asker {
                // Who went away meanwhile needs no answer.
                Some(asker) => drop(asker.send(written.clone())),
                None => lost += u64::from(written.is_err()),
            }
        }
        let mut state = self.shared.state();
        if written.is_ok() {
            state.losses.were_told(self.told);
        }
        let warning = latest.map(|time| state.losses.add(lost, time));
        state.settled += count;
        let settled = state.settled;
        drop(state);
        if let (Some(warning), Err(error)) = (warning, written) {
            warning.tell(&error);
        }
        self.shared.settled.send_replace(settled);
    }
}

impl Drop for Drainer {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        self.settle(Err(AuditError::new("the audit's writer was stopped")));
        self.shared.state().draining = false;
        // Whoever waits for the end starts another one.
        self.shared.settled.send_modify(|_| {});
    }
}
