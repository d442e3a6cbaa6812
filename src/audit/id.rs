use std::error::Error;
use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::str::FromStr;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::time::Timestamp;

/// The name of one event: a UUID of version 7 (RFC 9562, section 5.7).
///
/// The millisecond comes first, so ids sort by time. Behind it stand a number that this process
/// drew at random and a counter, so ids are unique without a system call; they are not secrets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EventId(u128);

impl EventId {
    /// A fresh id.
    #[must_use]
    pub fn new(now: Timestamp) -> Self {
        static PROCESS: OnceLock<u64> = OnceLock::new();
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let process = *PROCESS.get_or_init(|| RandomState::new().hash_one("tower-impersonate"));
        let count = COUNTER.fetch_add(1, Ordering::Relaxed);

        let millis = millis(now);
        // 12 + 22 bits of the process, then a counter of 40 bits.
        let rand_a = u128::from(process >> 52);
        let rand_b = (u128::from(process & 0x3F_FFFF) << 40) | u128::from(count & 0xFF_FFFF_FFFF);
        Self(millis << 80 | 0x7 << 76 | rand_a << 64 | 0b10 << 62 | rand_b)
    }
}

impl EventId {
    /// Below all ids of this moment's millisecond and of those after it, above all earlier ones.
    #[cfg(feature = "sqlite")]
    pub(super) fn first_of(now: Timestamp) -> Self {
        Self(millis(now) << 80)
    }
}

/// Ids begin with these 48 bits; the moments after them, in the year 10889, share the last one.
fn millis(now: Timestamp) -> u128 {
    u128::from(now.unix_millis().min(0xFFFF_FFFF_FFFF))
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bits = self.0;
        write!(
            f,
            "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
            bits >> 96,
            (bits >> 80) & 0xFFFF,
            (bits >> 64) & 0xFFFF,
            (bits >> 48) & 0xFFFF,
            bits & 0xFFFF_FFFF_FFFF
        )
    }
}

/// From the form that `Display` writes, and from no other, so that ids compare as their texts do.
impl FromStr for EventId {
    type Err = EventIdError;

    fn from_str(text: &str) -> Result<Self, EventIdError> {
        let digits: String = text.split('-').collect();
        let id = u128::from_str_radix(&digits, 16).map(Self);
        match id {
            Ok(id) if id.to_string() == text => Ok(id),
            _ => Err(EventIdError { _private: () }),
        }
    }
}

/// A text that is no [`EventId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventIdError {
    _private: (),
}

impl fmt::Display for EventIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an event id: a UUID in lower case with hyphens")
    }
}

impl Error for EventIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_written_and_in_no_other_way() {
        let id = EventId::new(Timestamp::from_unix_seconds(1_645_557_742));
        let text = id.to_string();
        assert_eq!(text.parse(), Ok(id));
        let upper = text.to_uppercase();
        let long = format!("{text}0");
        for bad in [&upper, &long, &text.replace('-', ""), "", "+1", &text[1..]] {
            assert!(bad.parse::<EventId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_a_version_7_uuid_of_that_millisecond() {
        let id = EventId::new(Timestamp::from_unix_seconds(1_645_557_742)).to_string();
        assert!(id.starts_with("017f22e2-79b0-7"), "{id}");
        assert!(
            matches!(id.as_bytes()[19], b'8' | b'9' | b'a' | b'b'),
            "{id}"
        );
        assert_eq!(id.len(), 36);
    }

    #[test]
    fn ids_of_one_moment_differ_and_keep_their_order() {
        let now = Timestamp::from_unix_seconds(1);
        let ids: Vec<_> = (0..1000).map(|_| EventId::new(now)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
