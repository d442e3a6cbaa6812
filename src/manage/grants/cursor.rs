//! Where a list goes on: the place of the last grant that was told.
//!
//! It stands in the cursor whole, so that nobody looks for the grant: whether there is, or was, one at that place
//! no answer tells, and the list goes on when it is forgotten. A place is no right: what may be seen behind it
//! is decided anew, so it need not be signed either, and every process reads what another one wrote.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::grant::Cursor;
use crate::terms::GrantId;
use crate::time::Timestamp;

/// The cursor for that place.
pub(super) fn write(place: Cursor) -> String {
    let Cursor { started_at, id } = place;
    let mut bytes = Vec::with_capacity(LENGTH + SUM);
    bytes.extend(started_at.unix_seconds().to_be_bytes());
    bytes.extend(started_at.subsec_nanos().to_be_bytes());
    bytes.extend(id.as_bytes());
    let sum = sum(&bytes);
    bytes.extend(sum);
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The place behind which the list goes on; `None` for what is no cursor, or one with a slip in it.
pub(super) fn read(text: &str) -> Option<Cursor> {
    let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
    let (place, given) = bytes.split_at_checked(LENGTH)?;
    if given != sum(place) {
        return None;
    }
    let (seconds, rest) = place.split_first_chunk()?;
    let (nanos, id) = rest.split_first_chunk()?;
    let nanos = u64::from(u32::from_be_bytes(*nanos));
    let started_at = Timestamp::from_unix_seconds(i64::from_be_bytes(*seconds));
    Some(Cursor {
        started_at: started_at.saturating_add(Duration::from_nanos(nanos)),
        id: GrantId::from_bytes(id.try_into().ok()?),
    })
}

/// Against slips only: anybody can work it out.
fn sum(place: &[u8]) -> [u8; SUM] {
    let sum = Sha256::new_with_prefix("cursor of grants").chain_update(place);
    let sum: [u8; 32] = sum.finalize().into();
    [sum[0], sum[1], sum[2], sum[3]]
}

/// Seconds, nanoseconds and the id.
const LENGTH: usize = 8 + 4 + 32;
const SUM: usize = 4;

#[cfg(test)]
mod tests {
    use super::*;

    fn place(seconds: i64, nanos: u64) -> Cursor {
        let second = Timestamp::from_unix_seconds(seconds);
        Cursor {
            started_at: second.saturating_add(Duration::from_nanos(nanos)),
            id: GrantId::from_bytes([7; 32]),
        }
    }

    #[test]
    fn what_was_written_is_read() {
        for place in [
            place(1_700_000_000, 123_456_789),
            place(0, 0),
            place(-5, 999_999_999),
            place(i64::MAX, 0),
            place(i64::MIN, 0),
        ] {
            assert_eq!(read(&write(place)), Some(place));
        }
    }

    #[test]
    fn a_slip_is_no_cursor() {
        let place = place(1_700_000_000, 1);
        let cursor = write(place);
        let other = if cursor.starts_with('A') { "B" } else { "A" };
        for wrong in [
            format!("{other}{}", &cursor[1..]),
            cursor[..40].to_owned(),
            format!("{cursor}AAAA"),
            place.id.to_string(),
            String::new(),
            "!".to_owned(),
        ] {
            assert_eq!(read(&wrong), None, "{wrong}");
        }
    }
}
