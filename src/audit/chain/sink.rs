use std::path::PathBuf;
use std::sync::Arc;

use crate::answer::Answer;
use crate::audit::chain::checkpoint::Checkpoints;
use crate::audit::chain::log::ChainLog;
use crate::audit::file::{LogFile, Rotation, SyncOn, Thread};
use crate::audit::{AuditError, AuditSink, Completion, Event};
use crate::time::Clock;

/// Appends every event to a file that shows whether it was changed; see [the module](crate::audit::chain).
///
/// The file is made when it is not there, readable by its owner alone. It is locked, verified and
/// continued when the layer is built. Events are written by a thread of the sink.
pub fn chained(path: impl Into<PathBuf>) -> Chained {
    Chained {
        file: LogFile::new(ChainLog::new(path.into()), Thread::Own),
    }
}

/// The sink made by [`chained`].
#[derive(Debug)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct Chained {
    file: LogFile<ChainLog>,
}

impl Chained {
    /// Sets the file aside from time to time; by default it grows. The new file begins with what is
    /// needed to go on: opening reads that one alone.
    pub fn rotate(self, rotation: Rotation) -> Self {
        self.file.configure(|log| log.rotate(rotation));
        self
    }

    /// When the file is brought to the disk; by default before it is signed.
    pub fn sync(mut self, sync: SyncOn) -> Self {
        self.file.set_sync(Thread::Own, sync);
        self
    }

    /// Has the chain signed; by default it is not.
    pub fn checkpoints(self, checkpoints: Checkpoints) -> Self {
        self.file.configure(|log| log.sign(checkpoints));
        self
    }

    /// The clock of the chain's own records, in tests; by default the system's.
    pub fn clock(self, clock: impl Clock + 'static) -> Self {
        self.file.configure(|log| log.tell_time(Arc::new(clock)));
        self
    }
}

impl AuditSink for Chained {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        self.file.record(event)
    }

    fn complete(&self, done: Completion) {
        self.file.complete(&done);
    }

    fn check(&self) -> Result<(), AuditError> {
        self.file.check().map_err(AuditError::new)
    }
}
