use std::sync::Arc;

use sqlx::sqlite::SqliteRow;
use sqlx::{Decode, Row, Sqlite, SqliteConnection, Type};

use super::error::Fault;
use crate::cognito::lease::{Lease, Stage};
use crate::grant::{End, Grant, Start, State};
use crate::identity::IdentityKey;
use crate::terms::GrantId;
use crate::time::Timestamp;

/// What [`read`] reads, for a `SELECT`.
macro_rules! select {
    ($rest:literal) => {
        concat!(
            "SELECT id, held, deadline, ended_at, end_reason, ended_by_sub, ended_by_iss, agreed \
             FROM ti_lease ",
            $rest
        )
    };
}
pub(super) use select;

/// The lease of that id.
pub(super) async fn find(on: &mut SqliteConnection, id: &GrantId) -> Result<Option<Lease>, Fault> {
    let row = sqlx::query(select!("WHERE id = ?"))
        .bind(id.as_bytes().as_slice())
        .fetch_optional(on)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The lease of a row, as it stands there.
pub(super) fn read(row: &SqliteRow) -> Result<Lease, Fault> {
    let start = Start::from_json(column(row, "agreed")?)?;
    if column::<&[u8]>(row, "id")? != start.id().as_bytes() {
        return Err(Fault::Column("id"));
    }
    let state = State {
        deadline: moment(column(row, "deadline")?),
        last_used_at: start.started_at(),
        end: end(row)?,
    };
    let stage = match column(row, "held")? {
        0_i64 => Stage::Taking,
        _ => Stage::Held,
    };
    Ok(Lease::new(Grant::new(Arc::new(start), state), stage))
}

fn end(row: &SqliteRow) -> Result<Option<End>, Fault> {
    let reason: Option<&str> = column(row, "end_reason")?;
    let (reason, at) = match (reason, column(row, "ended_at")?) {
        (None, None) => return Ok(None),
        (Some(reason), Some(at)) => (reason, moment(at)),
        _ => return Err(Fault::Column("ended_at")),
    };
    let by = match (
        column::<Option<&str>>(row, "ended_by_iss")?,
        column::<Option<&str>>(row, "ended_by_sub")?,
    ) {
        (None, None) => None,
        (Some(issuer), Some(subject)) => Some(IdentityKey::new(issuer, subject)),
        _ => return Err(Fault::Column("ended_by_sub")),
    };
    let reason = reason.parse().map_err(|_| Fault::Column("end_reason"))?;
    Ok(Some(End { reason, at, by }))
}

pub(super) fn column<'r, T>(row: &'r SqliteRow, name: &'static str) -> Result<T, Fault>
where
    T: Decode<'r, Sqlite> + Type<Sqlite>,
{
    row.try_get(name).map_err(|_| Fault::Column(name))
}

/// Milliseconds since 1970.
pub(super) fn millis(time: Timestamp) -> i64 {
    i64::try_from(time.unix_millis()).unwrap_or(i64::MAX)
}

pub(super) fn moment(millis: i64) -> Timestamp {
    Timestamp::from_unix_millis(u64::try_from(millis).unwrap_or_default())
}
