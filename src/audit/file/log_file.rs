use std::io;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use crate::answer::Answer;
use crate::audit::file::sync::SyncOn;
use crate::audit::file::writer::Writer;
use crate::audit::{AuditError, Completion, Event};
use crate::time::Timestamp;
use crate::visible;

/// One event, as it will be written.
#[derive(Debug)]
pub(in crate::audit) struct Line {
    /// A JSON object in which every character can be seen, without an end of line.
    pub(in crate::audit) json: Vec<u8>,
    pub(in crate::audit) time: Timestamp,
}

impl Line {
    fn of(event: &Event<'_>) -> io::Result<Self> {
        let mut json = Vec::with_capacity(1024);
        visible::write_json(event, &mut json)?;
        Ok(Self {
            json,
            time: event.time,
        })
    }
}

/// What is done with lines: the one thing in which the sinks differ.
pub(in crate::audit) trait Log: Send + 'static {
    /// Gets ready.
    fn open(&mut self) -> io::Result<()>;

    /// Appends all lines or, as far as the disk allows, none; and syncs them if asked to.
    fn append(&mut self, lines: &[Line], sync: bool) -> io::Result<()>;

    /// How long until [`tend`](Self::tend) has something to do without a line.
    fn due(&self) -> Option<Duration>;

    /// What is to be done after lines, and when it is due. Nobody waits for it.
    fn tend(&mut self);

    /// No line will follow.
    fn close(&mut self);
}

/// Where a log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::audit) enum Thread {
    /// On the thread that asks.
    Callers,
    /// On a thread of its own.
    Own,
}

/// A log as a sink uses it.
#[derive(Debug)]
pub(in crate::audit) struct LogFile<L> {
    log: Arc<Mutex<L>>,
    thread: Thread,
    sync: SyncOn,
    writer: OnceLock<Writer>,
    /// Held while the writer is started: one that ended at once would close the log.
    starting: Mutex<()>,
}

impl<L: Log> LogFile<L> {
    /// Nothing of it is synced.
    pub(in crate::audit) fn new(log: L, thread: Thread) -> Self {
        Self {
            log: Arc::new(Mutex::new(log)),
            thread,
            sync: SyncOn::Never,
            writer: OnceLock::new(),
            starting: Mutex::new(()),
        }
    }

    pub(in crate::audit) fn configure(&self, configure: impl FnOnce(&mut L)) {
        configure(&mut locked(&self.log));
    }

    /// On which thread it is written, and when it is synced.
    pub(in crate::audit) fn set_sync(&mut self, thread: Thread, sync: SyncOn) {
        (self.thread, self.sync) = (thread, sync);
    }

    /// What [`AuditSink::record`](crate::audit::AuditSink::record) does.
    pub(in crate::audit) fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let sync = self.sync != SyncOn::Never;
        let begun = Line::of(event).and_then(|line| match self.thread {
            Thread::Callers => locked(&self.log)
                .append(&[line], sync)
                .map(|()| Answer::now(Ok(()))),
            Thread::Own => self.writer()?.write(line, sync),
        });
        begun.unwrap_or_else(|error| Answer::now(Err(AuditError::new(error))))
    }

    /// What [`AuditSink::complete`](crate::audit::AuditSink::complete) does.
    pub(in crate::audit) fn complete(&self, done: &Completion) {
        let sync = self.sync == SyncOn::EachRecord;
        let begun = Line::of(&done.event()).and_then(|line| match self.thread {
            Thread::Callers => locked(&self.log).append(&[line], sync),
            Thread::Own => self.writer()?.leave(line, sync),
        });
        if let Err(error) = begun {
            lost(&error);
        }
    }

    /// What [`AuditSink::check`](crate::audit::AuditSink::check) does.
    pub(in crate::audit) fn check(&self) -> io::Result<()> {
        locked(&self.log).open()
    }

    fn writer(&self) -> io::Result<&Writer> {
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let _alone = locked(&self.starting);
        if let Some(writer) = self.writer.get() {
            return Ok(writer);
        }
        let started = Writer::start(Arc::clone(&self.log))?;
        Ok(self.writer.get_or_init(|| started))
    }
}

impl<L> Drop for LogFile<L> {
    fn drop(&mut self) {
        // Waits until what was asked for is written.
        drop(self.writer.take());
    }
}

/// Nobody can be refused for it any more.
pub(super) fn lost(error: &dyn std::error::Error) {
    tracing::error!(target: "impersonation::audit", %error, "a completion could not be written");
}

pub(super) fn locked<L>(log: &Mutex<L>) -> MutexGuard<'_, L> {
    log.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    /// Counts how often it is closed.
    #[derive(Debug)]
    struct Closes(Arc<AtomicUsize>);

    impl Log for Closes {
        fn open(&mut self) -> io::Result<()> {
            Ok(())
        }

        fn append(&mut self, _: &[Line], _: bool) -> io::Result<()> {
            Ok(())
        }

        fn due(&self) -> Option<Duration> {
            None
        }

        fn tend(&mut self) {}

        fn close(&mut self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn many_who_come_first_start_one_thread() {
        for _ in 0..100 {
            let closed = Arc::<AtomicUsize>::default();
            let file = LogFile::new(Closes(Arc::clone(&closed)), Thread::Own);
            let together = Barrier::new(4);
            thread::scope(|scope| {
                for _ in 0..4 {
                    scope.spawn(|| {
                        together.wait();
                        file.writer().unwrap();
                    });
                }
            });
            assert_eq!(closed.load(Ordering::Relaxed), 0);
            drop(file);
            assert_eq!(closed.load(Ordering::Relaxed), 1);
        }
    }
}
