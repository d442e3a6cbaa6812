use std::fmt;

/// What [`verify`](super::verify) found. Its `Display` is for people: a line for each finding.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The number of the first record: 0, unless the first file continues one that was not given.
    pub first: u64,
    /// How many records are good, up to the first bad one.
    pub records: u64,
    /// How many records the chain has up to there, those before [`first`](Self::first) included.
    pub size: u64,
    /// The tree head over them (RFC 6962, section 2.1).
    pub root: [u8; 32],
    /// The first bad record.
    pub bad: Option<BadRecord>,
    /// How many bytes stand behind the last whole line: somebody cut the file, or a process was
    /// stopped while it wrote. A file that is being written may end so, too.
    pub torn: Option<u64>,
    /// How many times a torn line was moved away, as the chain itself says.
    pub recovered: u64,
    /// The first record whose time is before that of the one before it. The order is that of the
    /// numbers; a clock that was set back is no fault of the chain.
    pub clock_went_back: Option<u64>,
    /// How many checkpoints fit.
    pub checkpoints: u64,
    /// How many records the last of them covers: what stands behind them, nobody has signed.
    pub covered: Option<u64>,
    /// The first bad checkpoint.
    pub bad_checkpoint: Option<BadCheckpoint>,
}

impl Report {
    /// Whether nothing was found. Read [`CANNOT_SHOW`] for what that does not say.
    #[must_use]
    pub const fn is_intact(&self) -> bool {
        self.bad.is_none() && self.torn.is_none() && self.bad_checkpoint.is_none()
    }
}

/// What no chain can show without a checkpoint that was kept elsewhere.
pub const CANNOT_SHOW: &str = "a chain alone does not show that its last records were cut off or rewritten, \
    or that the whole of it was made anew: that needs a checkpoint that was kept elsewhere";

/// The first record that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadRecord {
    /// The number that belongs there.
    pub seq: u64,
    /// The line, from 1 on, counted over all files.
    pub line: u64,
    /// What is wrong with it.
    pub fault: Fault,
}

/// What is wrong with a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// Its bytes are not those that were written.
    Edited,
    /// It is in itself right, but what stands before it is not what stood there when it was written:
    /// a record before it was replaced, or it was itself.
    Rewritten,
    /// It is not there.
    Removed,
    /// It stands further down.
    OutOfOrder,
    /// A record that was there before stands in its place.
    Duplicated,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Edited => "was edited",
            Self::Rewritten => "does not fit what stands before it: something was rewritten",
            Self::Removed => "is missing: it was removed",
            Self::OutOfOrder => "stands further down: records were swapped",
            Self::Duplicated => "is not there: an earlier record was duplicated in its place",
        })
    }
}

/// The first checkpoint that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct BadCheckpoint {
    /// Which one, from 1 on.
    pub number: u64,
    /// How many records it covers, if it could be read.
    pub size: Option<u64>,
    /// What is wrong with it.
    pub fault: CheckpointFault,
}

/// What is wrong with a checkpoint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CheckpointFault {
    /// There is none.
    Missing,
    /// It is no checkpoint.
    Malformed,
    /// None of the keys signed it.
    Forged,
    /// It covers fewer records than the one before it.
    OutOfOrder,
    /// It is the last, and none was met: all cover records before those that were given.
    Unmet,
    /// It covers other records than those that are there.
    Misfit,
    /// It covers more records than there are: the end was cut off.
    Beyond,
}

impl fmt::Display for CheckpointFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Missing => "is missing: there is none",
            Self::Malformed => "is malformed",
            Self::Forged => "is forged: no key that was given signed it",
            Self::OutOfOrder => "covers fewer records than the one before it",
            Self::Unmet => {
                "is met by nothing that was given, nor is any other: nobody signed these records"
            }
            Self::Misfit => "covers other records: the chain was rewritten or replaced",
            Self::Beyond => "covers more records than there are: the end was cut off",
        })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let root = super::tree::encoded(&self.root);
        writeln!(
            f,
            "{} records from {} on are good, head {root}",
            self.records, self.first
        )?;
        if let Some(bad) = &self.bad {
            writeln!(f, "record {} (line {}) {}", bad.seq, bad.line, bad.fault)?;
        }
        if let Some(torn) = self.torn {
            writeln!(f, "{torn} bytes of a torn line stand at the end")?;
        }
        if self.recovered > 0 {
            writeln!(f, "a torn line was moved away {} times", self.recovered)?;
        }
        if let Some(seq) = self.clock_went_back {
            writeln!(
                f,
                "the clock went back before record {seq}; the order is that of the numbers"
            )?;
        }
        if let Some(bad) = &self.bad_checkpoint {
            let size = bad.size.map(|size| format!(" of {size} records"));
            writeln!(
                f,
                "checkpoint {}{} {}",
                bad.number,
                size.unwrap_or_default(),
                bad.fault
            )?;
        }
        match self.covered {
            Some(covered) => writeln!(
                f,
                "{} checkpoints fit; {} records stand behind the last of them",
                self.checkpoints,
                self.size.saturating_sub(covered)
            ),
            None => writeln!(f, "note: {CANNOT_SHOW}"),
        }
    }
}
