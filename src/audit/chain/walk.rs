use std::io::{self, BufRead, Read};

use crate::audit::chain::record::{MAX_LINE, RECOVERED, Record};
use crate::audit::chain::report::{BadRecord, Fault};
use crate::audit::chain::tree::Tree;

/// Goes through the lines of a chain, in constant memory.
#[derive(Debug, Default)]
pub(super) struct Walk {
    /// Nothing before the first record.
    pub(super) tree: Option<Tree>,
    pub(super) first: u64,
    pub(super) records: u64,
    pub(super) recovered: u64,
    pub(super) clock_went_back: Option<u64>,
    pub(super) bad: Option<BadRecord>,
    lines: u64,
    time: String,
}

/// How a file ended.
#[derive(Debug, Clone, Copy)]
pub(super) struct FileEnd {
    /// The bytes of whole lines.
    pub(super) whole: u64,
    /// The bytes behind the last whole line.
    pub(super) torn: u64,
}

impl Walk {
    /// Reads one file, the next after those before. `seen` is shown every tree that there was.
    pub(super) fn file<R: BufRead>(
        &mut self,
        mut file: R,
        mut seen: impl FnMut(&Tree) -> io::Result<()>,
    ) -> io::Result<FileEnd> {
        let mut end = FileEnd { whole: 0, torn: 0 };
        let mut line = Vec::new();
        loop {
            line.clear();
            let read = file
                .by_ref()
                .take(MAX_LINE as u64)
                .read_until(b'\n', &mut line)?;
            let Some(whole) = line.strip_suffix(b"\n") else {
                if read < MAX_LINE {
                    end.torn = read as u64;
                    return Ok(end);
                }
                // Longer than any line: this piece is nothing, and what follows is.
                end.whole += read as u64;
                self.lines += 1;
                self.found(Fault::Edited);
                continue;
            };
            end.whole += read as u64;
            self.lines += 1;
            self.line(whole, &mut seen)?;
        }
    }

    pub(super) fn size(&self) -> u64 {
        self.tree.as_ref().map_or(0, Tree::size)
    }

    fn line(
        &mut self,
        line: &[u8],
        seen: &mut impl FnMut(&Tree) -> io::Result<()>,
    ) -> io::Result<()> {
        let record = Record::read(line);
        if let Some(bad) = &mut self.bad {
            // What seemed to be missing stands further down.
            if bad.fault == Fault::Removed && record.is_some_and(|record| record.seq == bad.seq) {
                bad.fault = Fault::OutOfOrder;
            }
            return Ok(());
        }
        let Some(record) = record else {
            self.found(Fault::Edited);
            return Ok(());
        };
        let continued = record.continues();
        let known = self.tree.take();
        let begins = known.is_none();
        let tree = known.unwrap_or_else(|| continued.clone().unwrap_or_default());
        if begins {
            self.first = tree.size();
            seen(&tree)?;
        }
        let fault = judge(&record, &tree, continued.as_ref());
        let tree = self.tree.insert(tree);
        if let Some(fault) = fault {
            self.found(fault);
            return Ok(());
        }
        tree.push(record.leaf);
        self.records += 1;
        if record.content.name == RECOVERED {
            self.recovered += 1;
        }
        if record.content.time < self.time {
            self.clock_went_back.get_or_insert(record.seq);
        }
        self.time = record.content.time;
        seen(tree)
    }

    fn found(&mut self, fault: Fault) {
        let bad = BadRecord {
            seq: self.size(),
            line: self.lines,
            fault,
        };
        self.bad.get_or_insert(bad);
    }
}

fn judge(record: &Record, tree: &Tree, continued: Option<&Tree>) -> Option<Fault> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    match record.seq.cmp(&tree.size()) {
        Less => Some(Fault::Duplicated),
        Greater => Some(Fault::Removed),
        Equal if record.root != tree.root() => Some(Fault::Rewritten),
        // Whoever reads this file alone must come to the same tree.
        Equal => continued
            .is_some_and(|range| range != tree)
            .then_some(Fault::Edited),
    }
}
