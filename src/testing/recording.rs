use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde_json::Value;
use tokio::sync::Notify;

use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event, EventName};
use crate::stamp::fields;

/// An audit sink that keeps every event, as the JSON that would be written.
///
/// Clones share the events.
#[derive(Clone, Default)]
pub struct RecordingSink(Arc<Shared>);

#[derive(Default)]
struct Shared {
    events: Mutex<Vec<Value>>,
    changed: Notify,
}

impl RecordingSink {
    /// A sink without events.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All events so far, in their order.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.locked().clone()
    }

    /// All events of that name so far, in their order.
    #[must_use]
    pub fn named(&self, name: EventName) -> Vec<Value> {
        let is_named = |event: &&Value| event["event.name"] == name.as_str();
        self.locked().iter().filter(is_named).cloned().collect()
    }

    /// All events so far of this actor, by its `sub`.
    #[must_use]
    pub fn by_actor(&self, sub: &str) -> Vec<Value> {
        self.telling(fields::ACTOR_SUB, sub)
    }

    /// All events so far about this target, by its `sub`; not those that were refused before it was
    /// found.
    #[must_use]
    pub fn about_target(&self, sub: &str) -> Vec<Value> {
        self.telling(fields::TARGET_SUB, sub)
    }

    fn telling(&self, field: &str, value: &str) -> Vec<Value> {
        let tells = |event: &&Value| event[field] == value;
        self.locked().iter().filter(tells).cloned().collect()
    }

    /// Waits until there are at least `count` events of that name, and returns them. After five
    /// seconds it returns what there is.
    pub async fn wait_for(&self, name: EventName, count: usize) -> Vec<Value> {
        let enough = async {
            loop {
                let changed = self.0.changed.notified();
                let events = self.named(name);
                if events.len() >= count {
                    return events;
                }
                changed.await;
            }
        };
        match tokio::time::timeout(Duration::from_secs(5), enough).await {
            Ok(events) => events,
            Err(_) => self.named(name),
        }
    }

    /// Forgets all events.
    pub fn clear(&self) {
        self.locked().clear();
    }

    fn keep(&self, event: &Event<'_>) -> Result<(), AuditError> {
        let event = serde_json::to_value(event).map_err(AuditError::new)?;
        self.locked().push(event);
        self.0.changed.notify_waiters();
        Ok(())
    }

    fn locked(&self) -> MutexGuard<'_, Vec<Value>> {
        self.0.events.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AuditSink for RecordingSink {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        Answer::now(self.keep(event))
    }

    fn complete(&self, done: Completion) {
        // A completion cannot fail the request, and the test sees what is missing.
        drop(self.keep(&done.event()));
    }
}

impl fmt::Debug for RecordingSink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RecordingSink")
            .field("events", &self.locked().len())
            .finish()
    }
}
