use std::io::{self, BufRead};

use crate::audit::chain::checkpoint::{Checked, CheckpointReader};
use crate::audit::chain::report::{BadCheckpoint, CheckpointFault, Report};
use crate::audit::chain::tree::{Hash, Tree};
use crate::audit::chain::walk::Walk;

/// Reads a chain, the files in the order in which they were written, and tells whether it is whole.
///
/// It reads line by line and keeps none of them. What a chain alone cannot show is
/// [`CANNOT_SHOW`](super::CANNOT_SHOW); [`verify_with`] can.
///
/// # Errors
///
/// If a file cannot be read. A chain that is not whole is no error but a [`Report`].
pub fn verify<R: BufRead>(files: impl IntoIterator<Item = R>) -> io::Result<Report> {
    walk(files, None::<&mut Against<io::Empty>>)
}

/// As [`verify`], and holds the chain to checkpoints, in the order in which they were made.
///
/// # Errors
///
/// If a file or the checkpoints cannot be read.
pub fn verify_with<R: BufRead, C: BufRead>(
    files: impl IntoIterator<Item = R>,
    checkpoints: CheckpointReader<C>,
) -> io::Result<Report> {
    let mut against = Against::new(checkpoints)?;
    walk(files, Some(&mut against))
}

fn walk<R: BufRead, C: BufRead>(
    files: impl IntoIterator<Item = R>,
    mut against: Option<&mut Against<C>>,
) -> io::Result<Report> {
    let mut walk = Walk::default();
    let mut torn = None;
    for file in files {
        let end = walk.file(file, |tree| match &mut against {
            Some(against) => against.meet(tree),
            None => Ok(()),
        })?;
        torn = torn.or((end.torn > 0).then_some(end.torn));
    }
    let tree = walk.tree.take().unwrap_or_default();
    let mut report = Report {
        first: walk.first,
        records: walk.records,
        size: tree.size(),
        root: tree.root(),
        bad: walk.bad,
        torn,
        recovered: walk.recovered,
        clock_went_back: walk.clock_went_back,
        checkpoints: 0,
        covered: None,
        bad_checkpoint: None,
    };
    if let Some(against) = against {
        against.meet(&tree)?;
        against.end(&mut report);
    }
    Ok(report)
}

/// Checkpoints that are met while the chain grows.
struct Against<C> {
    checkpoints: CheckpointReader<C>,
    next: Option<Checked>,
    /// How many were read.
    number: u64,
    fit: u64,
    last: Option<u64>,
    bad: Option<BadCheckpoint>,
}

impl<C: BufRead> Against<C> {
    fn new(checkpoints: CheckpointReader<C>) -> io::Result<Self> {
        let mut against = Self {
            checkpoints,
            next: None,
            number: 0,
            fit: 0,
            last: None,
            bad: None,
        };
        against.read()?;
        Ok(against)
    }

    fn read(&mut self) -> io::Result<()> {
        self.next = self.checkpoints.next()?;
        self.number += u64::from(self.next.is_some());
        Ok(())
    }

    fn found(&mut self, size: Option<u64>, fault: CheckpointFault) {
        let number = self.number.max(1);
        self.bad.get_or_insert(BadCheckpoint {
            number,
            size,
            fault,
        });
    }

    /// Looks at all checkpoints up to this tree.
    fn meet(&mut self, tree: &Tree) -> io::Result<()> {
        while self.bad.is_none() {
            let (size, root): (u64, Hash) = match &self.next {
                None => return Ok(()),
                Some(Checked::Good { size, root }) => (*size, *root),
                Some(Checked::Bad { size, fault }) => {
                    let (size, fault) = (*size, *fault);
                    self.found(size, fault);
                    return Ok(());
                }
            };
            if size > tree.size() {
                return Ok(());
            }
            if self.last.is_some_and(|last| size < last) {
                self.found(Some(size), CheckpointFault::OutOfOrder);
            } else if size == tree.size() && root != tree.root() {
                self.found(Some(size), CheckpointFault::Misfit);
            } else if size == tree.size() {
                self.fit += 1;
                self.last = Some(size);
                self.read()?;
            } else {
                // Of records in a file before those that were given; `end` wants one that fits.
                self.read()?;
            }
        }
        Ok(())
    }

    fn end(&mut self, report: &mut Report) {
        if report.bad.is_none() {
            if let Some(Checked::Good { size, .. }) = self.next {
                self.found(Some(size), CheckpointFault::Beyond);
            }
        }
        if self.number == 0 {
            self.found(None, CheckpointFault::Missing);
        }
        // A file that begins behind them all may have been made by anybody.
        if self.fit == 0 && report.bad.is_none() {
            self.found(None, CheckpointFault::Unmet);
        }
        report.checkpoints = self.fit;
        report.covered = self.last;
        report.bad_checkpoint = self.bad.take();
    }
}
