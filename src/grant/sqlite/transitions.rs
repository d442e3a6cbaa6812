use sqlx::Connection;
use sqlx::sqlite::SqliteConnection;

use super::Shared;
use super::error::Fault;
use super::row::{nanos, over_at, read, select};
use crate::grant::{End, Ended, Grant, State};
use crate::terms::GrantId;
use crate::time::Timestamp;

impl Shared {
    pub(super) async fn find(&self, id: &GrantId) -> Result<Option<Grant>, Fault> {
        let mut lent = self.connections.reader().await?;
        let found = find(&mut lent.connection, id).await;
        // A row that makes no sense does not spoil the connection.
        if !matches!(found, Err(Fault::Database(_))) {
            lent.give_back();
        }
        found
    }

    pub(super) async fn used(&self, id: &GrantId, at: Timestamp) -> Result<(), Fault> {
        let mut lent = self.connections.writer().await?;
        let at = nanos(at);
        sqlx::query(USED)
            .bind(at)
            .bind(at)
            .bind(id.as_bytes().as_slice())
            .bind(at)
            .bind(at)
            .execute(&mut lent.connection)
            .await?;
        lent.give_back();
        Ok(())
    }

    pub(super) async fn extend(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Result<Option<Grant>, Fault> {
        let mut lent = self.connections.writer().await?;
        let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
        let mut found = find(&mut all, id).await?;
        if let Some(grant) = found.take_if(|grant| grant.is_alive_at(now)) {
            let deadline = grant.deadline().max(deadline.min(grant.latest()));
            let state = State {
                deadline,
                ..grant.state().clone()
            };
            let extended = Grant::new(grant.start().clone(), state);
            sqlx::query("UPDATE ti_grant SET deadline = ?, over_at = ? WHERE id = ?")
                .bind(nanos(deadline))
                .bind(over_at(&extended))
                .bind(id.as_bytes().as_slice())
                .execute(&mut *all)
                .await?;
            found = Some(extended);
        }
        all.commit().await?;
        lent.give_back();
        Ok(found)
    }

    pub(super) async fn end(&self, id: &GrantId, because: &End) -> Result<Option<Ended>, Fault> {
        let mut lent = self.connections.writer().await?;
        let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
        let ended = end(&mut all, id, because).await;
        if let Err(Fault::Database(_)) = ended {
            return ended;
        }
        // Also where the rest of the row makes no sense: it is over.
        all.commit().await?;
        lent.give_back();
        ended
    }
}

async fn find(on: &mut SqliteConnection, id: &GrantId) -> Result<Option<Grant>, Fault> {
    let row = sqlx::query(select!("WHERE id = ?"))
        .bind(id.as_bytes().as_slice())
        .fetch_optional(on)
        .await?;
    row.as_ref().map(read).transpose()
}

/// The first end stays.
pub(super) async fn end(
    all: &mut SqliteConnection,
    id: &GrantId,
    because: &End,
) -> Result<Option<Ended>, Fault> {
    let by = because.by.as_ref();
    let changed = sqlx::query(END)
        .bind(nanos(because.at))
        .bind(because.reason.as_str())
        .bind(by.map(|by| by.subject()))
        .bind(by.map(|by| by.issuer()))
        .bind(id.as_bytes().as_slice())
        .execute(&mut *all)
        .await?;
    let now = changed.rows_affected() > 0;
    let found = find(all, id).await?;
    Ok(found.map(|grant| Ended { grant, now }))
}

const END: &str = "UPDATE ti_grant SET ended_at = ?, end_reason = ?, ended_by_sub = ?, ended_by_iss = ? \
    WHERE id = ? AND ended_at IS NULL";

/// Of one that is not over at that moment.
const USED: &str = "UPDATE ti_grant SET last_used_at = ?, \
    over_at = min(deadline, coalesce(? + idle_limit, deadline)) \
    WHERE id = ? AND ended_at IS NULL AND over_at > ? AND last_used_at < ?";
