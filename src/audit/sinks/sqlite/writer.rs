use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sqlx::{Connection, SqliteConnection};

use super::error::SqliteError;
use crate::answer::Answer;
use crate::audit::sinks::backlog::Write;
use crate::audit::{AuditError, Event};
use crate::identity::Identity;
use crate::sqlite::{Database, FileId};
use crate::visible;

/// Writes events, several in one transaction.
pub(super) struct Writer(pub(super) Arc<Connections>);

/// The connection for writing, while nobody writes. One that failed is not kept, so the next write opens
/// the file anew.
pub(super) struct Connections {
    database: Database,
    idle: Mutex<Option<Open>>,
}

struct Open {
    connection: SqliteConnection,
    file: FileId,
}

struct Row {
    id: String,
    time_ms: i64,
    name: &'static str,
    outcome: &'static str,
    actor: (String, String),
    target: Option<(String, String)>,
    grant: Option<String>,
    rule: Option<String>,
    json: String,
}

impl Write for Writer {
    fn batch(&self) -> usize {
        BATCH
    }

    fn write(&self, events: &[Event<'_>]) -> Answer<Result<(), AuditError>> {
        match events.iter().map(Row::of).collect::<Result<Vec<_>, _>>() {
            Err(error) => Answer::now(Err(error)),
            Ok(rows) => {
                let connections = Arc::clone(&self.0);
                Answer::later(
                    async move { connections.insert(&rows).await.map_err(AuditError::new) },
                )
            }
        }
    }
}

impl Connections {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            idle: Mutex::new(None),
        }
    }

    async fn insert(&self, rows: &[Row]) -> Result<(), SqliteError> {
        let mut open = self.open().await?;
        let mut all = open.connection.begin_with("BEGIN IMMEDIATE").await?;
        for row in rows {
            let (target_sub, target_iss) = row.target.as_ref().map(|(s, i)| (s, i)).unzip();
            sqlx::query(INSERT)
                .bind(&row.id)
                .bind(row.time_ms)
                .bind(row.name)
                .bind(row.outcome)
                .bind(&row.actor.0)
                .bind(&row.actor.1)
                .bind(target_sub)
                .bind(target_iss)
                .bind(&row.grant)
                .bind(&row.rule)
                .bind(&row.json)
                .execute(&mut *all)
                .await?;
        }
        all.commit().await?;
        *self.idle() = Some(open);
        Ok(())
    }

    async fn open(&self) -> Result<Open, SqliteError> {
        let idle = self.idle().take();
        if let Some(open) = idle {
            if self.database.file().is_ok_and(|file| file == open.file) {
                return Ok(open);
            }
            tracing::warn!(
                target: "impersonation::audit",
                path = %self.database.path.display(),
                "the audit database was removed or replaced while in use: what is at its path is used \
                 from now on, and made where there is nothing"
            );
            // Before another file of that name gets its own `-wal`.
            drop(open.connection.close().await);
        }
        let connection = self.database.open().await?;
        let file = self
            .database
            .file()
            .map_err(|error| self.database.unusable(error))?;
        Ok(Open { connection, file })
    }

    fn idle(&self) -> MutexGuard<'_, Option<Open>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Row {
    fn of(event: &Event<'_>) -> Result<Self, AuditError> {
        let mut json = Vec::with_capacity(1024);
        visible::write_json(event, &mut json).map_err(AuditError::new)?;
        let key = |who: &Identity| (who.subject().to_owned(), who.issuer().to_owned());
        Ok(Self {
            id: event.id.to_string(),
            time_ms: i64::try_from(event.time.unix_millis()).unwrap_or(i64::MAX),
            name: event.name.as_str(),
            outcome: event.outcome.as_str(),
            actor: key(event.actor),
            target: event.target.map(key),
            grant: event.grant.map(|id| id.to_string()),
            rule: event.rule.map(str::to_owned),
            json: String::from_utf8(json).map_err(AuditError::new)?,
        })
    }
}

/// The most events of one transaction.
const BATCH: usize = 64;

const INSERT: &str = "INSERT INTO ti_audit_event \
    (id, time_ms, name, outcome, actor_sub, actor_iss, target_sub, target_iss, grant_id, rule, \
    event) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
