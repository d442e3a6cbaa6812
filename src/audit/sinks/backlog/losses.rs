use std::error::Error;
use std::time::Duration;

use crate::audit::AuditError;
use crate::time::Timestamp;

/// Events that were lost: all of them, and those that no written event has told of yet.
#[derive(Default)]
pub(super) struct Losses {
    total: u64,
    untold: u64,
    warned: Option<Timestamp>,
}

/// Whether to say it, once per window.
pub(super) struct Warning {
    total: Option<u64>,
}

/// How long a warning counts.
const WINDOW: Duration = Duration::from_secs(60);

impl Losses {
    pub(super) fn add(&mut self, count: u64, now: Timestamp) -> Warning {
        self.total += count;
        self.untold += count;
        let due = self
            .warned
            // A clock that was set back must not silence it.
            .is_none_or(|at| now < at || now.saturating_since(at) >= WINDOW);
        if count == 0 || !due {
            return Warning { total: None };
        }
        self.warned = Some(now);
        Warning {
            total: Some(self.total),
        }
    }

    pub(super) fn were_told(&mut self, count: u64) {
        self.untold = self.untold.saturating_sub(count);
    }

    pub(super) fn total(&self) -> u64 {
        self.total
    }

    pub(super) fn untold(&self) -> u64 {
        self.untold
    }
}

impl Warning {
    /// Logs it; not under a lock, because a subscriber is foreign code.
    pub(super) fn tell(self, why: &AuditError) {
        if let Some(lost) = self.total {
            tracing::warn!(
                target: "impersonation::audit",
                lost,
                cause = why.source(),
                "audit events were lost; the next one that is written tells how many"
            );
        }
    }
}
