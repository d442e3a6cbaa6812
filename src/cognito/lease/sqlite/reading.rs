use sqlx::sqlite::SqliteRow;

use super::error::Fault;
use super::row::{self, millis, read, select};
use crate::cognito::lease::{Lease, Membership};
use crate::sqlite::Connections;
use crate::terms::GrantId;
use crate::time::Timestamp;

pub(super) async fn find(file: &Connections, id: &GrantId) -> Result<Option<Lease>, Fault> {
    let mut lent = file.reader().await?;
    let found = row::find(&mut lent.connection, id).await?;
    lent.give_back();
    Ok(found)
}

pub(super) async fn counting(
    file: &Connections,
    issuer: &str,
    behind: Option<&GrantId>,
) -> Result<Vec<Lease>, Fault> {
    let mut lent = file.reader().await?;
    // No id is as short as nothing.
    let rows = sqlx::query(select!(
        "WHERE member_iss = ? AND ended_at IS NULL AND id > ? ORDER BY id LIMIT 200"
    ))
    .bind(issuer)
    .bind(behind.map_or(&[][..], |behind| behind.as_bytes().as_slice()))
    .fetch_all(&mut lent.connection)
    .await?;
    lent.give_back();
    Ok(sound(file, &rows))
}

pub(super) async fn lapsed(
    file: &Connections,
    issuer: &str,
    now: Timestamp,
) -> Result<Vec<Lease>, Fault> {
    let mut lent = file.reader().await?;
    let rows = sqlx::query(select!(
        "WHERE member_iss = ? AND ended_at IS NULL AND deadline <= ? ORDER BY deadline LIMIT 200"
    ))
    .bind(issuer)
    .bind(millis(now))
    .fetch_all(&mut lent.connection)
    .await?;
    lent.give_back();
    Ok(sound(file, &rows))
}

pub(super) async fn last(
    file: &Connections,
    membership: &Membership,
) -> Result<Option<Lease>, Fault> {
    let mut lent = file.reader().await?;
    let found = sqlx::query(select!(
        "WHERE ended_at IS NOT NULL AND id IN (SELECT g.lease FROM ti_lease_group AS g \
         WHERE g.member_sub = ? AND g.member_iss = ? AND g.name = ?) \
         ORDER BY ended_at DESC LIMIT 1"
    ))
    .bind(membership.member.subject())
    .bind(membership.member.issuer())
    .bind(&membership.group)
    .fetch_optional(&mut lent.connection)
    .await?;
    lent.give_back();
    found.as_ref().map(read).transpose()
}

/// A row that makes no sense is left out: it must not keep the others from being ended.
fn sound(file: &Connections, rows: &[SqliteRow]) -> Vec<Lease> {
    let (sound, damaged): (Vec<_>, Vec<_>) = rows.iter().map(read).partition(Result::is_ok);
    if !damaged.is_empty() {
        tracing::error!(
            target: "impersonation",
            rows = damaged.len(),
            path = %file.database.path.display(),
            "stored leases make no sense, and cannot be ended"
        );
    }
    sound.into_iter().filter_map(Result::ok).collect()
}
