use sqlx::{Connection, Executor, SqliteConnection};

use super::error::{SqliteError, SqliteErrorKind};

/// In their order; one that was released is never changed.
const EVENTS: [&str; 1] = [include_str!("migrations/0001_events.sql")];

/// Whose migrations these are: other tables of this crate count their own.
const PART: &str = "audit";

/// Brings the tables of the audit to this version. Several processes may do so at once.
pub(super) async fn run(connection: &mut SqliteConnection) -> Result<(), SqliteError> {
    if version(connection).await? == EVENTS.len() {
        return Ok(());
    }
    let mut all = connection.begin_with("BEGIN IMMEDIATE").await?;
    all.execute(
        "CREATE TABLE IF NOT EXISTS ti_migration (
            part TEXT NOT NULL, version INTEGER NOT NULL, PRIMARY KEY (part, version)
        ) STRICT",
    )
    .await?;
    // Another one may have been faster.
    let done = version(&mut all).await?;
    for (index, step) in EVENTS.iter().enumerate().skip(done) {
        sqlx::raw_sql(*step).execute(&mut *all).await?;
        sqlx::query("INSERT INTO ti_migration (part, version) VALUES (?, ?)")
            .bind(PART)
            .bind(index as i64 + 1)
            .execute(&mut *all)
            .await?;
    }
    all.commit().await?;
    Ok(())
}

async fn version(connection: &mut SqliteConnection) -> Result<usize, SqliteError> {
    let tables: i64 =
        sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'ti_migration'")
            .fetch_one(&mut *connection)
            .await?;
    if tables == 0 {
        return Ok(0);
    }
    let version: i64 =
        sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM ti_migration WHERE part = ?")
            .bind(PART)
            .fetch_one(connection)
            .await?;
    match usize::try_from(version) {
        Ok(version) if version <= EVENTS.len() => Ok(version),
        _ => Err(SqliteError::of(SqliteErrorKind::Newer)),
    }
}
