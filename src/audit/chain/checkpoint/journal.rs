use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::audit::chain::checkpoint::{Checked, CheckpointReader, Checkpoints, SignError};
use crate::audit::chain::report::CheckpointFault;
use crate::audit::chain::tree::{Hash, Tree};
use crate::audit::file::{beside, beside_at, create_own, open_own, sync_folder};
use crate::time::Timestamp;

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
    /// Where the file must be cut, as it could not be when writing failed.
    cut: Option<u64>,
}

impl Journal {
    pub(in crate::audit::chain) fn new(plan: Checkpoints, chain: &Path) -> Self {
        Self {
            plan,
            path: beside(chain, ".checkpoints"),
            covered: None,
            tried: (0, Instant::now()),
            failed: false,
            cut: None,
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

    /// What the last checkpoint says. One that a crash left unfinished is moved aside.
    ///
    /// # Errors
    ///
    /// If anything else stands there than checkpoints that this signer signed, each of as many
    /// records as the one before it or more.
    pub(in crate::audit::chain) fn last(&self, now: Timestamp) -> io::Result<Option<(u64, Hash)>> {
        if !self.path.try_exists()? {
            return Ok(None);
        }
        let file = open_own(&self.path, OpenOptions::new().read(true))?;
        let keys = [self.plan.signer.key().clone()];
        let reader = CheckpointReader::new(BufReader::new(&file), keys);
        let mut reader = reader.map_err(io::Error::other)?;
        let (mut last, mut whole, mut number) = (None, 0, 0_u64);
        while let Some(checked) = reader.next()? {
            number += 1;
            let fault = match checked {
                Checked::Good { size, .. } if last.is_some_and(|(last, _)| size < last) => {
                    CheckpointFault::OutOfOrder
                }
                Checked::Good { size, root } => {
                    (last, whole) = (Some((size, root)), reader.whole());
                    continue;
                }
                Checked::Bad { fault, .. } => fault,
            };
            if fault == CheckpointFault::Malformed && self.put_aside(&file, whole, now)? {
                break;
            }
            let why = format!("{}: checkpoint {number} {fault}", self.path.display());
            return Err(io::Error::new(io::ErrorKind::InvalidData, why));
        }
        Ok(last)
    }

    /// Moves what stands behind the last whole note elsewhere, if that is the beginning of one.
    fn put_aside(&self, mut file: &File, whole: u64, now: Timestamp) -> io::Result<bool> {
        let mut tail = Vec::new();
        file.seek(SeekFrom::Start(whole))?;
        file.take(MAX_TORN + 1).read_to_end(&mut tail)?;
        let blank = tail.windows(2).position(|two| two == b"\n\n");
        let signed = blank.and_then(|at| tail.get(at + 2..)).unwrap_or_default();
        if tail.len() as u64 > MAX_TORN || signed.contains(&b'\n') {
            return Ok(false);
        }
        let mut copy = create_own(&beside_at(&self.path, ".torn-", now))?;
        copy.write_all(&tail)?;
        copy.sync_all()?;
        file.set_len(whole)?;
        Ok(true)
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

    fn write(&mut self, note: &[u8]) -> io::Result<()> {
        let mut file = open_own(&self.path, &mut OpenOptions::new())?;
        if let Some(length) = self.cut {
            file.set_len(length)?;
            self.cut = None;
        }
        let length = file.metadata()?.len();
        let written = file.write_all(note).and_then(|()| file.sync_data());
        if written.is_err() {
            // What is left of it would spoil the next one.
            self.cut = file.set_len(length).err().map(|_| length);
        }
        written.and_then(|()| sync_folder(&self.path))
    }
}

/// An unfinished note is shorter.
const MAX_TORN: u64 = 4096;
