//! Audit sinks that misbehave, and the file of one that does not.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::future;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::sync::Semaphore;
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::testing::RecordingSink;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Takes the event, a moment later.
    Slow,
    Fails,
    FailsLater,
    Hangs,
    Panics,
    PanicsLater,
}

/// A sink in a mood. Whatever it does to a request, it keeps what it was given.
#[derive(Clone)]
pub struct Moody {
    pub kept: RecordingSink,
    mood: Arc<Mutex<Mood>>,
    completing: Arc<Mutex<Mood>>,
}

impl Moody {
    pub fn new(mood: Mood) -> Self {
        Self {
            kept: RecordingSink::new(),
            mood: Arc::new(Mutex::new(mood)),
            completing: Arc::new(Mutex::new(Mood::Well)),
        }
    }

    pub fn turns(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// What it does with completions: well, or panic.
    pub fn completes(self, mood: Mood) -> Self {
        *self.completing.lock().unwrap() = mood;
        self
    }
}

impl AuditSink for Moody {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let kept = self.kept.record(event);
        let mood = *self.mood.lock().unwrap();
        let failed = || Err(AuditError::new("the disk is full"));
        match mood {
            Mood::Well => kept,
            Mood::Slow => Answer::later(async {
                tokio::task::yield_now().await;
                Ok(())
            }),
            Mood::Fails => Answer::now(failed()),
            Mood::FailsLater => Answer::later(async move {
                tokio::task::yield_now().await;
                failed()
            }),
            Mood::Hangs => Answer::later(future::pending()),
            Mood::Panics => panic!("a sink that panics"),
            Mood::PanicsLater => Answer::later(async {
                tokio::task::yield_now().await;
                panic!("a sink that panics later")
            }),
        }
    }

    fn complete(&self, done: Completion) {
        self.kept.complete(done);
        let mood = *self.completing.lock().unwrap();
        assert!(mood != Mood::Panics, "a sink that panics at the end");
    }
}

/// A sink behind a gate: it takes an event when it is let through, one pass each.
#[derive(Clone)]
pub struct Gated {
    passes: Arc<Semaphore>,
    taken: Arc<Mutex<Vec<Value>>>,
}

impl Gated {
    pub fn closed() -> Self {
        Self {
            passes: Arc::new(Semaphore::new(0)),
            taken: Arc::default(),
        }
    }

    pub fn open(&self) {
        self.passes.add_permits(1_000_000);
    }

    pub fn taken(&self) -> Vec<Value> {
        self.taken.lock().unwrap().clone()
    }
}

impl AuditSink for Gated {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let (event, gate) = (serde_json::to_value(event).unwrap(), self.clone());
        Answer::later(async move {
            gate.passes
                .acquire()
                .await
                .map_err(AuditError::new)?
                .forget();
            gate.taken.lock().unwrap().push(event);
            Ok(())
        })
    }

    fn complete(&self, done: Completion) {
        let event = serde_json::to_value(done.event()).unwrap();
        self.taken.lock().unwrap().push(event);
    }
}

/// A folder of its own, removed when dropped.
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Self {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let next = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("tower-impersonate-{}-{next}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    pub fn file(&self) -> PathBuf {
        self.0.join("audit.jsonl")
    }

    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Every line of the file, each an object.
#[track_caller]
pub fn lines(file: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap();
    assert!(text.is_empty() || text.ends_with('\n'), "{text}");
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
        .inspect(crate::support::schema::assert_valid)
        .collect()
}

/// Tells what this machine cannot do, or fails where it has to.
pub fn left_out(demand: &str, what: &str) {
    // Past what keeps the output of tests that pass.
    let told = format!("WARNING: {what} is NOT TESTED\n");
    std::io::Write::write_all(&mut std::io::stderr(), told.as_bytes()).unwrap();
    let demanded = std::env::var_os(demand).is_some_and(|value| value == "demanded");
    assert!(!demanded, "{demand}=demanded, and {what}");
}
