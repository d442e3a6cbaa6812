use std::sync::Arc;
use std::time::Duration;

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, Type};

use super::error::Fault;
use crate::grant::{End, Grant, Start, State};
use crate::identity::IdentityKey;
use crate::time::Timestamp;

/// What [`read`] reads, for a `SELECT`.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, start, deadline, last_used_at, ended_at, end_reason, ended_by_sub, ended_by_iss \
             FROM ti_grant ",
            $rest
        )
    };
}
pub(super) use select;

/// The grant of a row, as it stands there.
pub(super) fn read(row: &SqliteRow) -> Result<Grant, Fault> {
    let start = Start::from_json(column(row, "start")?)?;
    if column::<&[u8]>(row, "id")? != start.id().as_bytes() {
        return Err(Fault::Column("id"));
    }
    let state = State {
        deadline: moment(column(row, "deadline")?),
        last_used_at: moment(column(row, "last_used_at")?),
        end: end(row)?,
    };
    Ok(Grant::new(Arc::new(start), state))
}

fn end(row: &SqliteRow) -> Result<Option<End>, Fault> {
    let reason: Option<&str> = column(row, "end_reason")?;
    let (reason, at) = match (reason, column(row, "ended_at")?) {
        (None, None) => return Ok(None),
        (Some(reason), Some(at)) => (reason, moment(at)),
        _ => return Err(Fault::Column("ended_at")),
    };
    let issuer: Option<&str> = column(row, "ended_by_iss")?;
    let by = match (issuer, column::<Option<&str>>(row, "ended_by_sub")?) {
        (None, None) => None,
        (Some(issuer), Some(subject)) => Some(IdentityKey::new(issuer, subject)),
        _ => return Err(Fault::Column("ended_by_sub")),
    };
    let reason = reason.parse().map_err(|_| Fault::Column("end_reason"))?;
    Ok(Some(End { reason, at, by }))
}

pub(in crate::grant) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, Fault>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(|_| Fault::Column(name))
}

/// Nanoseconds since 1970, for the years 1678 to 2261; a moment outside is the nearest end of them.
pub(in crate::grant) fn nanos(time: Timestamp) -> i64 {
    let nanos = i128::from(time.unix_seconds()) * SECOND + i128::from(time.subsec_nanos());
    i64::try_from(nanos)
        .unwrap_or(match nanos > 0 {
            true => i64::MAX,
            false => i64::MIN,
        })
        .clamp(-FARTHEST, FARTHEST)
}

/// The same of a span, up to a year: beyond it nothing ever waits.
pub(super) fn span(span: Duration) -> i64 {
    i64::try_from(span.as_nanos()).unwrap_or(YEAR).min(YEAR)
}

pub(in crate::grant) fn moment(nanos: i64) -> Timestamp {
    const SECOND: i64 = 1_000_000_000;
    let beyond = u64::try_from(nanos.rem_euclid(SECOND)).unwrap_or_default();
    Timestamp::from_unix_seconds(nanos.div_euclid(SECOND))
        .saturating_add(Duration::from_nanos(beyond))
}

/// When the grant is over by itself.
pub(super) fn over_at(grant: &Grant) -> i64 {
    let idle = { grant.idle_limit() }.map(|idle| nanos(grant.state().last_used_at) + span(idle));
    let deadline = nanos(grant.deadline());
    idle.map_or(deadline, |idle| idle.min(deadline))
}

const SECOND: i128 = 1_000_000_000;
const YEAR: i64 = 366 * 86_400 * 1_000_000_000;
/// So that a year more can be added.
const FARTHEST: i64 = i64::MAX - YEAR;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_survive_to_the_nanosecond_and_stop_at_the_ends() {
        for seconds in [-5, 0, 1_700_000_000] {
            let time = Timestamp::from_unix_seconds(seconds);
            let time = time.saturating_add(Duration::from_nanos(123_456_789));
            assert_eq!(moment(nanos(time)), time);
        }
        let end = Timestamp::from_unix_seconds(i64::MAX);
        assert_eq!(nanos(end), FARTHEST);
        assert!(nanos(end).checked_add(span(Duration::MAX)).is_some());
        assert_eq!(nanos(Timestamp::from_unix_seconds(i64::MIN)), -FARTHEST);
    }
}
