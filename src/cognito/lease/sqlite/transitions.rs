use sqlx::Connection;

use super::error::Fault;
use super::row::{find, millis};
use crate::cognito::lease::Lease;
use crate::grant::End;
use crate::sqlite::Connections;
use crate::terms::GrantId;
use crate::time::Timestamp;

pub(super) async fn hold(
    file: &Connections,
    id: &GrantId,
    deadline: Timestamp,
    now: Timestamp,
) -> Result<Option<Lease>, Fault> {
    let mut lent = file.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    let found = find(&mut all, id).await?;
    let held = match found.filter(|lease| lease.is_alive_at(now)) {
        Some(lease) => {
            let deadline = lease.deadline().max(deadline.min(lease.latest()));
            sqlx::query("UPDATE ti_lease SET held = 1, deadline = ? WHERE id = ?")
                .bind(millis(deadline))
                .bind(id.as_bytes().as_slice())
                .execute(&mut *all)
                .await?;
            find(&mut all, id).await?
        }
        None => None,
    };
    all.commit().await?;
    lent.give_back();
    Ok(held)
}

pub(super) async fn end(
    file: &Connections,
    issuer: &str,
    id: &GrantId,
    because: &End,
) -> Result<Option<Lease>, Fault> {
    let mut lent = file.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    let by = because.by.as_ref();
    let changed = sqlx::query(END)
        .bind(millis(because.at))
        .bind(because.reason.as_str())
        .bind(by.map(|by| by.subject()))
        .bind(by.map(|by| by.issuer()))
        .bind(id.as_bytes().as_slice())
        .bind(issuer)
        .execute(&mut *all)
        .await?;
    if changed.rows_affected() == 0 {
        all.rollback().await?;
        lent.give_back();
        return Ok(None);
    }
    for statement in [COUNTS_NO_MORE, KNOWN_NO_MORE] {
        sqlx::query(statement)
            .bind(id.as_bytes().as_slice())
            .execute(&mut *all)
            .await?;
    }
    let ended = find(&mut all, id).await;
    if let Err(Fault::Database(_)) = ended {
        return ended;
    }
    // Also where the rest of the row makes no sense: it is over.
    all.commit().await?;
    lent.give_back();
    ended
}

const END: &str = "UPDATE ti_lease SET ended_at = ?, end_reason = ?, ended_by_sub = ?, ended_by_iss = ? \
    WHERE id = ? AND member_iss = ? AND ended_at IS NULL";

const COUNTS_NO_MORE: &str = "UPDATE ti_lease_group SET counts = 0 WHERE lease = ?";

/// Of what was there before nothing is remembered: the next lease looks again.
const KNOWN_NO_MORE: &str = "UPDATE ti_membership AS m SET lent = NULL WHERE m.lent = 0 \
    AND EXISTS (SELECT 1 FROM ti_lease_group AS g WHERE g.lease = ? AND g.member_sub = m.member_sub \
     AND g.member_iss = m.member_iss AND g.name = m.name) \
    AND NOT EXISTS (SELECT 1 FROM ti_lease_group AS g WHERE g.member_sub = m.member_sub \
     AND g.member_iss = m.member_iss AND g.name = m.name AND g.counts = 1)";
