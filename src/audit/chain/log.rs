use std::fs::{self, File, OpenOptions};
use std::io::{self, BufReader, Seek, SeekFrom, Write};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::audit::chain::checkpoint::{Checkpoints, Journal};
use crate::audit::chain::record;
use crate::audit::chain::tree::{Hash, Tree};
use crate::audit::chain::walk::{FileEnd, Walk};
use crate::audit::chain::writable;
use crate::audit::file::{
    Day, Line, Log, Rotation, beside, beside_at, create_own, day_of, has_replaced_itself, named,
    open_itself, set_aside_numbered, sync_folder, warn_if_shared,
};
use crate::time::{Clock, SystemClock, Timestamp};

/// The file of a chain, as it is written.
#[derive(Debug)]
pub(super) struct ChainLog {
    path: PathBuf,
    rotation: Option<Rotation>,
    journal: Option<Journal>,
    clock: Arc<dyn Clock>,
    open: Option<Open>,
    /// What was acknowledged. The file must never be less.
    head: Tree,
}

#[derive(Debug)]
struct Open {
    file: File,
    /// Held as long as it lives.
    _locks: (writable::Lock, Option<writable::Lock>),
    length: u64,
    day: Option<i64>,
    tree: Tree,
}

impl ChainLog {
    pub(super) fn new(path: PathBuf) -> Self {
        Self {
            path,
            rotation: None,
            journal: None,
            clock: Arc::new(SystemClock::new()),
            open: None,
            head: Tree::default(),
        }
    }

    pub(super) const fn rotate(&mut self, rotation: Rotation) {
        self.rotation = Some(rotation);
    }

    pub(super) fn sign(&mut self, checkpoints: Checkpoints) {
        self.journal = Some(Journal::new(checkpoints, &self.path));
    }

    pub(super) fn tell_time(&mut self, clock: Arc<dyn Clock>) {
        self.clock = clock;
    }

    /// The file as this log left it; opened and verified again if it is not.
    fn current(&mut self) -> io::Result<&mut Open> {
        let open = match self.open.take() {
            Some(open) if self.is_untouched(&open)? => open,
            left => {
                if let Some(left) = &left {
                    // Its head may be signed when it is gone.
                    left.file.sync_data()?;
                }
                // Its lock, too.
                drop(left);
                self.reopened()?
            }
        };
        Ok(self.open.insert(open))
    }

    fn is_untouched(&self, open: &Open) -> io::Result<bool> {
        Ok(open.file.metadata()?.len() == open.length
            && !has_replaced_itself(&self.path, &open.file)?)
    }

    fn reopened(&mut self) -> io::Result<Open> {
        let lock = writable::lock(&self.path)?;
        let goes_on = self.head.size() > 0 && !self.path.try_exists()?;
        if !goes_on {
            writable::finish_rotation(&self.path)?;
        }
        if !self.path.try_exists()? {
            if goes_on {
                // Somebody took it away: what follows still belongs to it.
                let head = self.head.clone();
                if let Some(journal) = &mut self.journal {
                    journal.cover(&head).map_err(io::Error::other)?;
                }
                self.begin(&head, self.clock.now())?;
            } else {
                writable::refuse_lost(&self.path)?;
            }
        }
        let file = open_itself(&self.path, OpenOptions::new().read(true))?;
        let itself = writable::lock_itself(&file)?;
        warn_if_shared(&self.path, &file)?;
        sync_folder(&self.path)?;
        let (tree, end) = self.verified(&file)?;
        let mut open = Open {
            day: day_of(&file)?,
            file,
            _locks: (lock, itself),
            length: end.whole,
            tree,
        };
        if end.torn > 0 {
            self.recover(&mut open, end.torn)?;
        }
        self.head = open.tree.clone();
        Ok(open)
    }

    fn verified(&self, file: &File) -> io::Result<(Tree, FileEnd)> {
        let last = self
            .journal
            .as_ref()
            .map(|journal| journal.last(self.clock.now()))
            .transpose()?
            .flatten();
        let acknowledged = self.head.size() > 0;
        let head = acknowledged.then(|| (self.head.size(), self.head.root()));
        let known: Vec<(u64, Hash)> = last.into_iter().chain(head).collect();
        let mut fits = true;
        let mut walk = Walk::default();
        let end = walk.file(BufReader::new(file), |tree| {
            let other = |(size, root): &(u64, Hash)| *size == tree.size() && *root != tree.root();
            fits &= !known.iter().any(other);
            Ok(())
        })?;
        let refused = |why: String| Err(io::Error::new(io::ErrorKind::InvalidData, why));
        if let Some(bad) = walk.bad {
            return refused(format!(
                "record {} (line {}) {}",
                bad.seq, bad.line, bad.fault
            ));
        }
        let tree = walk.tree.unwrap_or_default();
        if !fits {
            return refused(
                "it is not the chain that was there before: it was replaced".to_owned(),
            );
        }
        let most = known.iter().map(|(size, _)| *size).max().unwrap_or(0);
        if known.iter().any(|(size, _)| *size < walk.first) {
            let first = walk.first;
            return refused(format!(
                "it begins with record {first}, and of those before it only {most} are known: \
                 it was replaced"
            ));
        }
        if tree.size() < most {
            let size = tree.size();
            return refused(format!(
                "it has {size} records where there were {most}: it was cut off"
            ));
        }
        Ok((tree, end))
    }

    /// Moves what stands behind the last whole line elsewhere, and says so in the chain.
    fn recover(&self, open: &mut Open, torn: u64) -> io::Result<()> {
        let now = self.clock.now();
        let aside = beside_at(&self.path, ".torn-", now);
        let mut copy = create_own(&aside)?;
        open.file.seek(SeekFrom::Start(open.length))?;
        io::copy(&mut &open.file, &mut copy)?;
        copy.sync_all()?;
        // Over it, so that there is no moment in which it is neither there nor told. A crash in the
        // midst leaves a torn line again.
        let event = record::recovered(torn, now)?;
        let (mut tree, mut line) = (open.tree.clone(), Vec::new());
        record::write(&event, &mut tree, &mut line);
        let mut over = OpenOptions::new().write(true).open(&self.path)?;
        if has_replaced_itself(&self.path, &open.file)? {
            return Err(io::ErrorKind::NotFound.into());
        }
        let length = open.length + line.len() as u64;
        over.seek(SeekFrom::Start(open.length))?;
        over.write_all(&line)?;
        over.set_len(length)?;
        over.sync_data()?;
        (open.tree, open.length) = (tree, length);
        Ok(())
    }

    /// Makes the file that goes on after this tree.
    fn begin(&self, tree: &Tree, time: Timestamp) -> io::Result<()> {
        let next = beside(&self.path, writable::NEXT);
        let mut line = Vec::new();
        record::write(
            &record::continued(tree, time)?,
            &mut tree.clone(),
            &mut line,
        );
        // Nothing is written into what stands there: it may lead elsewhere.
        if next.symlink_metadata().is_ok() {
            fs::remove_file(&next)?;
        }
        let mut file = create_own(&next)?;
        file.write_all(&line)?;
        file.sync_all()?;
        if self.path.try_exists()? {
            set_aside_numbered(&self.path, tree.size(), time)?;
        }
        fs::rename(&next, &self.path)?;
        sync_folder(&self.path)
    }

    fn rotate_before(&mut self, lines: &[Line]) -> io::Result<()> {
        let (Some(rotation), Some(first)) = (self.rotation, lines.first()) else {
            return Ok(());
        };
        let bytes = lines
            .iter()
            .map(|line| line.json.len() + record::MORE)
            .sum::<usize>() as u64;
        let rests = |journal: &Journal| !journal.may_try();
        let rests = self.journal.as_ref().is_some_and(rests);
        let open = self.current()?;
        if rests || !rotation.is_due(open.length, open.day, bytes, first.time.into()) {
            return Ok(());
        }
        // What the next file continues must not be lost behind it.
        open.file.sync_all()?;
        let tree = open.tree.clone();
        if !self.is_covered(&tree) {
            return Ok(());
        }
        self.begin(&tree, first.time)?;
        self.current().map(|_| ())
    }

    /// Whether the head that the next file continues is signed: by that, and by nothing else, the
    /// next file shows that it belongs to this one. Until then this one grows.
    fn is_covered(&mut self, tree: &Tree) -> bool {
        let Some(journal) = &mut self.journal else {
            return true;
        };
        let covered = journal.cover(tree);
        if let Err(error) = &covered {
            unsigned(&**error);
        }
        covered.is_ok()
    }

    fn checkpoint(&mut self) {
        let (Some(journal), Some(open)) = (&mut self.journal, &self.open) else {
            return;
        };
        let synced = open.file.sync_data().map_err(Into::into);
        if let Err(error) = synced.and_then(|()| journal.make(&open.tree)) {
            unsigned(&*error);
        }
    }
}

fn unsigned(error: &dyn std::error::Error) {
    tracing::error!(target: "impersonation::audit", %error, "a checkpoint could not be made");
}

impl Open {
    /// All lines or none.
    fn append(&mut self, lines: &[Line], sync: bool) -> io::Result<()> {
        let mut tree = self.tree.clone();
        let mut bytes = Vec::new();
        for line in lines {
            record::write(&line.json, &mut tree, &mut bytes);
        }
        let written = self.file.write_all(&bytes).and_then(|()| match sync {
            true => self.file.sync_data(),
            false => Ok(()),
        });
        if let Err(error) = written {
            // As if nothing had been written.
            drop(self.file.set_len(self.length));
            return Err(error);
        }
        self.tree = tree;
        self.length += bytes.len() as u64;
        Ok(())
    }
}

impl Log for ChainLog {
    fn open(&mut self) -> io::Result<()> {
        self.rotation.map_or(Ok(()), Rotation::check)?;
        if let Some(journal) = &self.journal {
            journal.check().map_err(io::Error::other)?;
        }
        let opened = self.current().map(|_| ());
        opened.map_err(|error| named(&self.path, &error))?;
        // A signer that cannot sign is found before the first request.
        if let (Some(journal), Some(open)) = (&mut self.journal, &self.open) {
            open.file.sync_data()?;
            journal.make(&open.tree).map_err(io::Error::other)?;
        }
        Ok(())
    }

    fn append(&mut self, lines: &[Line], sync: bool) -> io::Result<()> {
        if lines
            .iter()
            .any(|line| line.json.len() + record::MORE > record::MAX_LINE)
        {
            return Err(io::Error::other("an event of more than a megabyte"));
        }
        self.rotate_before(lines)?;
        let open = self.current()?;
        let written = open.append(lines, sync);
        if written.is_ok() {
            let day = lines.last().map(|line| Day::from(line.time).0);
            open.day = open.day.max(day);
            self.head = open.tree.clone();
        } else {
            // It is opened and verified again: what was wrong with it may be over.
            self.open = None;
        }
        written
    }

    fn due(&self) -> Option<Duration> {
        self.journal.as_ref()?.due(self.open.as_ref()?.tree.size())
    }

    fn tend(&mut self) {
        let size = self.open.as_ref().map(|open| open.tree.size());
        let due = |(journal, size): (&Journal, u64)| journal.is_due(size);
        if self.journal.as_ref().zip(size).is_some_and(due) {
            self.checkpoint();
        }
    }

    fn close(&mut self) {
        let size = self.open.as_ref().map(|open| open.tree.size());
        let behind = |(journal, size): (&Journal, u64)| journal.is_behind(size);
        if self.journal.as_ref().zip(size).is_some_and(behind) {
            self.checkpoint();
        }
        self.open = None;
    }
}
