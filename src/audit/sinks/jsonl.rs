use std::path::PathBuf;

use crate::answer::Answer;
use crate::audit::file::{LogFile, Rotation, SyncOn, Thread};
use crate::audit::sinks::lines::Lines;
use crate::audit::{AuditError, AuditSink, Completion, Event};

/// Appends every event to a file, as one line of JSON.
///
/// The file is made when it is not there, readable by its owner alone, and opened when the layer is
/// built. An event counts as recorded when `write` returned; the system writes to the disk when it
/// sees fit, unless [`sync`](JsonLines::sync) says otherwise. Lines are written whole, under a lock,
/// on the thread of the request: use a local file. Control and other invisible characters are
/// written as escapes, so a line is one line on any terminal.
///
/// A file that was renamed, or whose folder vanished and came back, is made anew with the next event.
/// A fault of the disk refuses the requests that it hits, and no others.
pub fn jsonl(path: impl Into<PathBuf>) -> JsonLines {
    JsonLines {
        file: LogFile::new(Lines::new(path.into()), Thread::Callers),
    }
}

/// The sink made by [`jsonl`].
#[derive(Debug)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct JsonLines {
    file: LogFile<Lines>,
}

impl JsonLines {
    /// Sets the file aside from time to time; by default it grows. Only one process may then write
    /// it.
    pub fn rotate(self, rotation: Rotation) -> Self {
        self.file.configure(|lines| lines.rotate(rotation));
        self
    }

    /// When the file is brought to the disk; by default never. Otherwise events are written, and
    /// waited for, by a thread of the sink.
    pub fn sync(mut self, sync: SyncOn) -> Self {
        let thread = match sync {
            SyncOn::Never => Thread::Callers,
            SyncOn::Request | SyncOn::EachRecord => Thread::Own,
        };
        self.file
            .configure(|lines| lines.sync(sync != SyncOn::Never));
        self.file.set_sync(thread, sync);
        self
    }
}

impl AuditSink for JsonLines {
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
