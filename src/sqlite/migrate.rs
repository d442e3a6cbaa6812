use sqlx::{Connection, Executor, SqliteConnection};

use super::error::Why;

/// Tables of one part of the crate.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) name: &'static str,
    /// In their order; one that was released is never changed.
    pub(crate) steps: &'static [&'static str],
}

impl Part {
    /// Brings its tables to this version. Several processes may do so at once.
    pub(super) async fn migrate(&self, connection: &mut SqliteConnection) -> Result<(), Why> {
        if self.version(connection).await? == self.steps.len() {
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
        let done = self.version(&mut all).await?;
        for (index, step) in self.steps.iter().enumerate().skip(done) {
            sqlx::raw_sql(*step).execute(&mut *all).await?;
            sqlx::query("INSERT INTO ti_migration (part, version) VALUES (?, ?)")
                .bind(self.name)
                .bind(index as i64 + 1)
                .execute(&mut *all)
                .await?;
        }
        all.commit().await?;
        Ok(())
    }

    async fn version(&self, connection: &mut SqliteConnection) -> Result<usize, Why> {
        let tables: i64 =
            sqlx::query_scalar("SELECT count(*) FROM sqlite_master WHERE name = 'ti_migration'")
                .fetch_one(&mut *connection)
                .await?;
        if tables == 0 {
            return Ok(0);
        }
        let version: i64 =
            sqlx::query_scalar("SELECT coalesce(max(version), 0) FROM ti_migration WHERE part = ?")
                .bind(self.name)
                .fetch_one(connection)
                .await?;
        match usize::try_from(version) {
            Ok(version) if version <= self.steps.len() => Ok(version),
            _ => Err(Why::Newer),
        }
    }
}
