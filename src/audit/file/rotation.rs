use std::io;
use std::time::Duration;

use crate::time::Timestamp;

/// When a file is set aside and a new one begun.
///
/// The old file is renamed to `<path>.<time>`, such as `audit.jsonl.20261122T021139Z`, by the time of
/// the event that begins the new one. Where an older file has that time or, as a clock was set back, a
/// later one, it is given that one's time and a number behind it, such as `-000001`. A chain has the
/// number of its records before the time, in 20 digits: `audit.jsonl.00000000000000004711.<time>`. So
/// names sort as the files were written, as long as the newest of them is left in the folder. It is
/// never deleted: how many to keep is the operator's business.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation(When);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    Bytes(u64),
    Daily,
}

impl Rotation {
    /// Before the file would grow beyond that many bytes, at least 4,096. Lines that are written
    /// together are never parted, so a file may be larger by what waited for the disk.
    #[must_use]
    pub const fn bytes(bytes: u64) -> Self {
        Self(When::Bytes(bytes))
    }

    /// With the first event of a day, in UTC. The day of an event is that of its `time`; a file that
    /// was there when the sink was opened is of the day on which it was last written.
    #[must_use]
    pub const fn daily() -> Self {
        Self(When::Daily)
    }

    pub(in crate::audit) fn check(self) -> io::Result<()> {
        let few = matches!(self.0, When::Bytes(0..MIN_BYTES));
        if few {
            let why = "a file is set aside after 4,096 bytes or more";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, why));
        }
        Ok(())
    }

    /// Whether a file of that length and day is set aside before these bytes.
    pub(in crate::audit) fn is_due(
        self,
        length: u64,
        of: Option<i64>,
        more: u64,
        now: Day,
    ) -> bool {
        length > 0
            && match self.0 {
                When::Bytes(most) => length.saturating_add(more) > most,
                When::Daily => of.is_some_and(|of| of < now.0),
            }
    }
}

const MIN_BYTES: u64 = 4096;

/// Days since 1970-01-01, in UTC.
#[derive(Debug, Clone, Copy)]
pub(in crate::audit) struct Day(pub(in crate::audit) i64);

impl From<Timestamp> for Day {
    fn from(time: Timestamp) -> Self {
        Self(time.unix_seconds().div_euclid(SECONDS_PER_DAY))
    }
}

impl From<Duration> for Day {
    fn from(since_1970: Duration) -> Self {
        let seconds = i64::try_from(since_1970.as_secs()).unwrap_or(i64::MAX);
        Self(seconds.div_euclid(SECONDS_PER_DAY))
    }
}

const SECONDS_PER_DAY: i64 = 86_400;
