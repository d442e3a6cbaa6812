//! Time, injected.
//!
//! Logic never asks the system for the time: it takes a [`Timestamp`] that was read once per
//! request from a [`Clock`]. The wall clock decides about `exp`, `nbf` and `auth_time`; the
//! monotonic one about caches, cool-downs and durations, so that a clock that is set back or
//! forward lengthens nobody's rights.
//!
//! The default is [`SystemClock`]. A clock that errs lets expired tokens in: replace it in tests only.
//!
//! ```
//! use tower_impersonate::time::Timestamp;
//!
//! let noon = Timestamp::from_unix_seconds(1_700_000_000);
//! assert_eq!(noon.unix_seconds(), 1_700_000_000);
//! assert_eq!(noon.to_string(), "2023-11-14T22:13:20.000000000Z");
//! ```

use std::fmt;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Reads the time.
///
/// Both methods are called on the path of every request: they must not block.
pub trait Clock: fmt::Debug + Send + Sync {
    /// The wall clock, for the times inside tokens and audit events.
    fn now(&self) -> Timestamp;

    /// Time since an arbitrary fixed point, never going back, for caches and deadlines.
    fn monotonic(&self) -> Duration;
}

/// The operating system's clocks.
#[derive(Debug, Clone)]
pub struct SystemClock {
    origin: Instant,
}

impl SystemClock {
    /// A clock whose monotonic side starts at zero now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            origin: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        Timestamp {
            seconds: i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
            nanos: since.subsec_nanos(),
        }
    }

    fn monotonic(&self) -> Duration {
        self.origin.elapsed()
    }
}

/// A moment on the wall clock, in UTC, to the nanosecond.
///
/// `Display` is RFC 3339 with nine decimals, for the years 1970 to 9999; a moment outside is shown
/// as the nearest end of that range.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp {
    seconds: i64,
    nanos: u32,
}

impl Timestamp {
    /// The moment that many seconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self { seconds, nanos: 0 }
    }

    /// The moment that many milliseconds after 1970-01-01T00:00:00Z.
    #[must_use]
    pub fn from_unix_millis(millis: u64) -> Self {
        Self::from_unix_seconds(0).saturating_add(Duration::from_millis(millis))
    }

    /// Whole seconds since 1970-01-01T00:00:00Z, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.seconds
    }

    /// The nanoseconds beyond [`unix_seconds`](Self::unix_seconds), less than a thousand million.
    #[must_use]
    pub const fn subsec_nanos(self) -> u32 {
        self.nanos
    }

    /// Whole milliseconds since 1970-01-01T00:00:00Z; zero for a moment before.
    #[must_use]
    pub fn unix_millis(self) -> u64 {
        let seconds = u64::try_from(self.seconds).unwrap_or(0);
        seconds
            .saturating_mul(1000)
            .saturating_add(u64::from(self.nanos / 1_000_000))
    }

    /// This moment moved later, stopping at the end of time.
    #[must_use]
    pub fn saturating_add(self, by: Duration) -> Self {
        let nanos = self.nanos + by.subsec_nanos();
        let carry = i64::from(nanos >= 1_000_000_000);
        let by = i64::try_from(by.as_secs()).unwrap_or(i64::MAX);
        Self {
            seconds: self.seconds.saturating_add(by).saturating_add(carry),
            nanos: nanos % 1_000_000_000,
        }
    }

    /// This moment moved earlier, stopping at 1970-01-01T00:00:00Z, or where it stands before that.
    #[must_use]
    pub fn saturating_sub(self, by: Duration) -> Self {
        let epoch = Self::from_unix_seconds(0);
        match self.saturating_since(epoch).checked_sub(by) {
            Some(since) => epoch.saturating_add(since),
            None => self.min(epoch),
        }
    }

    /// How much later this moment is than `earlier`; zero when it is not later.
    #[must_use]
    pub fn saturating_since(self, earlier: Self) -> Duration {
        let (seconds, nanos) = if self.nanos >= earlier.nanos {
            (
                self.seconds.saturating_sub(earlier.seconds),
                self.nanos - earlier.nanos,
            )
        } else {
            let seconds = self
                .seconds
                .saturating_sub(earlier.seconds)
                .saturating_sub(1);
            (seconds, self.nanos + 1_000_000_000 - earlier.nanos)
        };
        u64::try_from(seconds).map_or(Duration::ZERO, |seconds| Duration::new(seconds, nanos))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const LAST_SECOND_OF_9999: u64 = 253_402_300_799;
        let (seconds, nanos) = match u64::try_from(self.seconds) {
            Err(_) => (0, 0),
            Ok(seconds) if seconds > LAST_SECOND_OF_9999 => (LAST_SECOND_OF_9999, 0),
            Ok(seconds) => (seconds, self.nanos),
        };
        let moment = UNIX_EPOCH + Duration::new(seconds, nanos);
        humantime::format_rfc3339_nanos(moment).fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_time_do_not_overflow() {
        let end = Timestamp::from_unix_seconds(i64::MAX);
        assert_eq!(end.saturating_add(Duration::MAX).unix_seconds(), i64::MAX);
        let start = Timestamp::from_unix_seconds(i64::MIN);
        assert_eq!(start.saturating_since(end), Duration::ZERO);
        assert_eq!(end.to_string(), "9999-12-31T23:59:59.000000000Z");
        assert_eq!(start.to_string(), "1970-01-01T00:00:00.000000000Z");
    }

    #[test]
    fn since_borrows_a_second_for_the_nanos() {
        let early = Timestamp {
            seconds: 1,
            nanos: 900_000_000,
        };
        let late = Timestamp {
            seconds: 3,
            nanos: 100_000_000,
        };
        assert_eq!(late.saturating_since(early), Duration::from_millis(1200));
        assert_eq!(early.saturating_add(Duration::from_millis(1200)), late);
    }
}
