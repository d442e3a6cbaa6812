use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::audit::chain::checkpoint::notes::Notes;
use crate::audit::chain::checkpoint::{Checkpoints, SignError};
use crate::audit::chain::tree::{Hash, Tree};
use crate::audit::file::{append_to, beside, sync_folder};

/// The checkpoints of one chain: makes them when they are due, and writes them beside it.
#[derive(Debug)]
pub(in crate::audit::chain) struct Journal {
    plan: Checkpoints,
    path: PathBuf,
    /// How many records the last one covers.
    covered: Option<u64>,
    /// How many records there were when the last one was tried, and when that was.
    tried: (u64, Instant),
    /// Whether that one was not made.
    failed: bool,
}

impl Journal {
    pub(in crate::audit::chain) fn new(plan: Checkpoints, chain: &Path) -> Self {
        Self {
            plan,
            path: beside(chain, ".checkpoints"),
            covered: None,
            tried: (0, Instant::now()),
            failed: false,
        }
    }

    /// Whether the plan can be kept.
    pub(in crate::audit::chain) fn check(&self) -> Result<(), SignError> {
        if !self.plan.is_usable() {
            return Err(
                "checkpoints are made after 1 record or more, and after 10 ms to 24 h".into(),
            );
        }
        self.plan.signer.verifier()?;
        Ok(())
    }

    /// What the last checkpoint says; one that a crash left unfinished is cut off.
    pub(in crate::audit::chain) fn last(&self) -> io::Result<Option<(u64, Hash)>> {
        let file = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            file => file?,
        };
        let mut notes = Notes::new(BufReader::new(file));
        let mut last = None;
        while let Some((note, true)) = notes.next()? {
            last = note.checkpoint().map(|(_, size, root)| (size, root));
        }
        if fs::metadata(&self.path)?.len() > notes.whole {
            let file = OpenOptions::new().write(true).open(&self.path)?;
            file.set_len(notes.whole)?;
        }
        Ok(last)
    }

    /// How long until one is due.
    pub(in crate::audit::chain) fn due(&self, size: u64) -> Option<Duration> {
        let left = self.plan.period.saturating_sub(self.tried.1.elapsed());
        self.is_behind(size).then_some(left)
    }

    pub(in crate::audit::chain) fn is_due(&self, size: u64) -> bool {
        let many = size.saturating_sub(self.tried.0) >= self.plan.records;
        self.is_behind(size) && (many || self.tried.1.elapsed() >= self.plan.period)
    }

    pub(in crate::audit::chain) fn is_behind(&self, size: u64) -> bool {
        self.covered.is_none_or(|covered| covered < size)
    }

    /// Whether a signer that failed has had its rest.
    pub(in crate::audit::chain) fn may_try(&self) -> bool {
        !self.failed || self.tried.1.elapsed() >= self.plan.period
    }

    /// Signs this head unless it is signed.
    pub(in crate::audit::chain) fn cover(&mut self, tree: &Tree) -> Result<(), SignError> {
        match self.is_behind(tree.size()) {
            true => self.make(tree),
            false => Ok(()),
        }
    }

    /// Signs this head, all records of which are on the disk.
    pub(in crate::audit::chain) fn make(&mut self, tree: &Tree) -> Result<(), SignError> {
        self.tried = (tree.size(), Instant::now());
        self.failed = true;
        let verifier = self.plan.signer.verifier()?;
        let note = self.plan.signer.note(tree, &verifier)?;
        self.write(note.as_bytes())?;
        self.covered = Some(tree.size());
        self.failed = false;
        if let Some(anchor) = &self.plan.anchor {
            if catch_unwind(AssertUnwindSafe(|| anchor(&note))).is_err() {
                tracing::error!(
                    target: "impersonation::audit",
                    "the anchor of a checkpoint panicked"
                );
            }
        }
        Ok(())
    }

    fn write(&self, note: &[u8]) -> io::Result<()> {
        let mut file = append_to(&self.path, &mut OpenOptions::new())?;
        let length = file.metadata()?.len();
        let written = file.write_all(note).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is left of it would spoil the next one.
            file.set_len(length)?;
        }
        written.and_then(|()| sync_folder(&self.path))
    }
}
