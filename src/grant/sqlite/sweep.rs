use sqlx::{Connection, Row};

use super::Shared;
use super::error::Fault;
use super::row::{nanos, read};
use crate::grant::{Grant, Page};
use crate::time::Timestamp;

impl Shared {
    /// A row that makes no sense is left out: it must not keep the others from being ended.
    pub(super) async fn lapsed(&self, now: Timestamp) -> Result<Vec<Grant>, Fault> {
        let mut lent = self.connections.reader().await?;
        let mut after = (i64::MIN, 0_i64);
        let lapsed = loop {
            let rows = sqlx::query(LAPSED)
                .bind(nanos(now))
                .bind(after.0)
                .bind(after.1)
                .bind(i64::try_from(Page::MAX).unwrap_or_default())
                .fetch_all(&mut lent.connection)
                .await?;
            let (sound, damaged): (Vec<_>, Vec<_>) = rows.iter().map(read).partition(Result::is_ok);
            if !damaged.is_empty() {
                tracing::error!(
                    target: "impersonation",
                    rows = damaged.len(),
                    path = %self.connections.database.path.display(),
                    "stored grants make no sense, and cannot be ended"
                );
            }
            let sound: Vec<Grant> = sound.into_iter().filter_map(Result::ok).collect();
            match rows.last() {
                Some(last) if sound.is_empty() => {
                    after = (last.try_get("over_at")?, last.try_get("rowid")?);
                }
                _ => break sound,
            }
        };
        lent.give_back();
        Ok(lapsed)
    }

    /// By portions, so that grants start and end meanwhile.
    pub(super) async fn forget(&self, ended_before: Timestamp) -> Result<u64, Fault> {
        let mut forgotten = 0;
        loop {
            let mut lent = self.connections.writer().await?;
            let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
            let gone = sqlx::query(FORGET)
                .bind(nanos(ended_before))
                .bind(PORTION)
                .execute(&mut *all)
                .await?
                .rows_affected();
            sqlx::query("UPDATE ti_grant_count SET grants = max(0, grants - ?)")
                .bind(i64::try_from(gone).unwrap_or(i64::MAX))
                .execute(&mut *all)
                .await?;
            all.commit().await?;
            lent.give_back();
            forgotten += gone;
            if gone < u64::from(PORTION) {
                return Ok(forgotten);
            }
        }
    }
}

const PORTION: u32 = 200;

const LAPSED: &str = "SELECT rowid, over_at, id, start, deadline, last_used_at, ended_at, end_reason, \
    ended_by_sub, ended_by_iss FROM ti_grant \
    WHERE ended_at IS NULL AND over_at <= ? AND (over_at, rowid) > (?, ?) ORDER BY over_at, rowid LIMIT ?";

const FORGET: &str = "DELETE FROM ti_grant WHERE rowid IN \
    (SELECT rowid FROM ti_grant WHERE ended_at < ? ORDER BY ended_at LIMIT ?)";
