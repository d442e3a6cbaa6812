use std::io;
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::audit::AuditError;
use crate::audit::file::log_file::{Line, Log, locked, lost};

/// The thread that writes a log: what came in while it waited for the disk is written and synced
/// together.
#[derive(Debug)]
pub(super) struct Writer {
    jobs: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
}

type Written = Result<(), Arc<io::Error>>;

#[derive(Debug)]
struct Job {
    line: Line,
    sync: bool,
    /// Who waits; nobody for a completion.
    reply: Option<oneshot::Sender<Written>>,
}

impl Writer {
    pub(super) fn start<L: Log>(log: Arc<Mutex<L>>) -> io::Result<Self> {
        let (jobs, received) = sync_channel(MAX_WAITING);
        let thread = thread::Builder::new()
            .name("impersonation-audit".to_owned())
            .spawn(move || run(&log, &received))?;
        Ok(Self {
            jobs: Some(jobs),
            thread: Some(thread),
        })
    }

    /// Writes a line; the answer comes when it is written. It is written, too, if nobody waits any
    /// more.
    pub(super) fn write(
        &self,
        line: Line,
        sync: bool,
    ) -> io::Result<Answer<Result<(), AuditError>>> {
        let (reply, written) = oneshot::channel();
        self.send(Job {
            line,
            sync,
            reply: Some(reply),
        })?;
        Ok(Answer::later(async move {
            match written.await {
                Ok(written) => written.map_err(AuditError::new),
                Err(_) => Err(AuditError::new(GONE)),
            }
        }))
    }

    /// Writes a line for which nobody waits.
    pub(super) fn leave(&self, line: Line, sync: bool) -> io::Result<()> {
        self.send(Job {
            line,
            sync,
            reply: None,
        })
    }

    fn send(&self, job: Job) -> io::Result<()> {
        let Some(jobs) = &self.jobs else {
            return Err(io::Error::other(GONE));
        };
        jobs.try_send(job).map_err(|error| match error {
            TrySendError::Full(_) => io::Error::other("the disk is slow: too many events wait"),
            TrySendError::Disconnected(_) => io::Error::other(GONE),
        })
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let Some(thread) = self.thread.take() else {
            return;
        };
        // What the application gave to the sink may hold its last clone.
        if thread.thread().id() != thread::current().id() && thread.join().is_err() {
            tracing::error!(target: "impersonation::audit", "{GONE}");
        }
    }
}

fn run<L: Log>(log: &Mutex<L>, jobs: &Receiver<Job>) {
    let mut batch = Vec::new();
    loop {
        let due = locked(log).due();
        let next = match due {
            Some(due) => jobs.recv_timeout(due),
            None => jobs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match next {
            Ok(job) => batch.push(job),
            Err(RecvTimeoutError::Timeout) => {}
            Err(RecvTimeoutError::Disconnected) => break,
        }
        batch.extend(jobs.try_iter().take(MAX_TOGETHER));
        if !batch.is_empty() {
            write(log, batch.drain(..));
        }
        locked(log).tend();
    }
    locked(log).close();
}

fn write<L: Log>(log: &Mutex<L>, batch: impl Iterator<Item = Job>) {
    let (mut lines, mut replies, mut sync) = (Vec::new(), Vec::new(), false);
    for job in batch {
        lines.push(job.line);
        replies.push(job.reply);
        sync |= job.sync;
    }
    let written = locked(log).append(&lines, sync).map_err(Arc::new);
    for reply in replies {
        match (reply, &written) {
            // Whoever does not wait any more was refused already.
            (Some(reply), written) => drop(reply.send(written.clone())),
            (None, Ok(())) => {}
            (None, Err(error)) => lost(error),
        }
    }
}

/// More than wait in one second, the deadline, at a disk that works.
const MAX_WAITING: usize = 4096;

/// How many are written together.
const MAX_TOGETHER: usize = 255;

const GONE: &str = "the thread that writes the audit is gone";
