//! An audit that can be searched: events in a SQLite database.
//!
//! Rules: an event is recorded when its transaction is on the disk. Events that come at once are written
//! in one transaction, in their order. What is searched for has columns, and the whole event stands beside
//! them as JSON. All tables begin with `ti_`, so the file may hold others.
//!
//! A database that is locked, read-only, full or corrupt refuses impersonated requests with 503 and opens
//! again by itself when that is over. Completions wait in the queue of [`SqliteAudit::capacity`]; one that
//! cannot be written is lost, which is counted, logged and told in the next event that is written.
//!
//! Caveat: the file belongs on a local disk, not on a network share, and a copy that is taken while it is
//! in use needs SQLite's own `.backup`. Needs Rust 1.94.
//!
//! ```
//! use tower_impersonate::audit::{self, AuditSink, EventName, sqlite::Query};
//! use tower_impersonate::identity::IdentityKey;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = std::env::temp_dir().join("tower-impersonate-doc");
//! # std::fs::create_dir_all(&folder)?;
//! let audit = audit::sqlite(folder.join("audit.sqlite"));
//! assert!(audit.check().is_ok());
//!
//! // Who acted as Alice? Give a clone of `audit` to the builder, and ask:
//! let alice = IdentityKey::new("https://issuer.example.com", "alice-sub");
//! let mut query = Query::new().target(alice).named(EventName::Request).limit(50);
//! loop {
//!     let page = audit.query(query.clone()).await?;
//!     for event in &page.events {
//!         println!("{} {}", event.time, event.actor.subject());
//!     }
//!     let Some(next) = page.next else { break };
//!     query = query.after(next);
//! }
//! # Ok(())
//! # }
//! ```

mod error;
mod query;
mod writer;

pub use self::error::{SqliteError, SqliteErrorKind};
pub use self::query::{Order, Page, Query, StoredEvent};

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::{Connection, SqliteConnection};
use tokio::sync::Semaphore;

use self::writer::{Connections, Writer};
use super::backlog::{FULL, Line};
use super::queued::check_capacity;
use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event, EventId};
use crate::sqlite::{Database, Part};
use crate::time::Timestamp;

/// Writes every event into a SQLite database, where it can be searched.
///
/// The file is made when it is not there, readable by its owner alone; one that cannot be opened and
/// written is an error when the layer is built.
pub fn sqlite(path: impl Into<PathBuf>) -> SqliteAudit {
    let database = Database {
        path: path.into(),
        busy_timeout: Duration::from_millis(500),
        part: EVENTS,
    };
    SqliteAudit::new(database, CAPACITY)
}

/// The sink made by [`sqlite`](fn@sqlite). Clones share the queue, once no setting follows.
#[derive(Clone)]
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct SqliteAudit {
    database: Database,
    line: Line,
    readers: Arc<Semaphore>,
}

impl SqliteAudit {
    fn new(database: Database, capacity: usize) -> Self {
        let connections = Arc::new(Connections::new(database.clone()));
        Self {
            database,
            line: Line::new(Arc::new(Writer(connections)), capacity, DEADLINE),
            readers: Arc::new(Semaphore::new(READERS)),
        }
    }

    /// How long to wait for a lock that another process or connection holds; 500 ms by default, 1 ms to
    /// 5 s. Longer than the builder's [deadline](crate::middleware::Builder::deadline) helps completions
    /// only.
    pub fn busy_timeout(self, timeout: Duration) -> Self {
        let database = Database {
            busy_timeout: timeout,
            ..self.database
        };
        Self::new(database, self.line.capacity)
    }

    /// How many events may wait to be written, 1 to 65,536; 1,024 by default. Beyond it requests are
    /// refused; completions find as many places again.
    pub fn capacity(self, events: usize) -> Self {
        Self::new(self.database, events)
    }

    /// Reads one page of events. At most four are read at once; others wait.
    ///
    /// Ids sort by the time of the event, not by that of its writing: who follows the trail to its end must
    /// stay some seconds behind.
    ///
    /// # Errors
    ///
    /// [`SqliteError`], if the limit is out of bounds, or the database cannot be read.
    pub async fn query(&self, query: Query) -> Result<Page, SqliteError> {
        query.check()?;
        let _turn = self.turn().await?;
        let mut connection = self.database.open().await?;
        let page = query.run(&mut connection).await;
        close(connection).await;
        page
    }

    /// Deletes the events before this moment, to the millisecond, and says how many these were.
    ///
    /// It goes by 1,000 at a time, so that events are written meanwhile; one that is stopped in the middle
    /// has deleted the oldest ones. The file does not shrink, but its room is used again.
    ///
    /// # Errors
    ///
    /// [`SqliteError`], if the database cannot be written.
    pub async fn prune_before(&self, time: Timestamp) -> Result<u64, SqliteError> {
        let _turn = self.turn().await?;
        let mut connection = self.database.open().await?;
        let pruned = prune(&mut connection, &EventId::first_of(time).to_string()).await;
        close(connection).await;
        pruned
    }

    /// Waits until the events so far are written or lost. Call it when the server has stopped, inside a
    /// tokio runtime.
    ///
    /// # Errors
    ///
    /// If events were lost meanwhile.
    pub async fn flush(&self) -> Result<(), AuditError> {
        self.line.flush().await
    }

    /// How many events were lost: completions that could not be written.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.line.lost()
    }

    async fn turn(&self) -> Result<tokio::sync::SemaphorePermit<'_>, SqliteError> {
        let turn = self.readers.acquire().await;
        turn.map_err(|error| SqliteError::caused(SqliteErrorKind::Database, error))
    }
}

impl AuditSink for SqliteAudit {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let taken = self.line.record(event);
        taken.unwrap_or_else(|_| Answer::now(Err(AuditError::new(FULL))))
    }

    fn complete(&self, done: Completion) {
        self.line.complete(done);
    }

    fn check(&self) -> Result<(), AuditError> {
        check_capacity(self.line.capacity)?;
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(5));
        if !(least..=most).contains(&self.database.busy_timeout) {
            return Err(AuditError::new(
                "the busy timeout of an audit database must be between 1 ms and 5 s",
            ));
        }
        let tried = self.database.try_out(self.database.open());
        tried.map_err(|error| AuditError::new(SqliteError::from(error)))
    }
}

impl fmt::Debug for SqliteAudit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteAudit")
            .field("path", &self.database.path)
            .field("waiting", &self.line.waiting())
            .field("lost", &self.line.lost())
            .finish_non_exhaustive()
    }
}

/// The last one that closes brings the `-wal` into the file; it may fail, because that is done again.
async fn close(connection: SqliteConnection) {
    drop(connection.close().await);
}

async fn prune(connection: &mut SqliteConnection, before: &str) -> Result<u64, SqliteError> {
    let mut pruned = 0;
    loop {
        let batch = sqlx::query(PRUNE)
            .bind(before)
            .bind(PRUNED_AT_ONCE)
            .execute(&mut *connection)
            .await?
            .rows_affected();
        pruned += batch;
        if batch < u64::from(PRUNED_AT_ONCE) {
            return Ok(pruned);
        }
        tokio::task::yield_now().await;
    }
}

/// Its tables.
const EVENTS: Part = Part {
    name: "audit",
    steps: &[include_str!("migrations/0001_events.sql")],
};

const CAPACITY: usize = 1024;
/// A write waits for locks at most once or twice, when it opens the file and when it begins.
const DEADLINE: Duration = Duration::from_secs(15);
const READERS: usize = 4;
const PRUNED_AT_ONCE: u32 = 1000;
const PRUNE: &str = "DELETE FROM ti_audit_event WHERE id IN \
    (SELECT id FROM ti_audit_event WHERE id < ? ORDER BY id LIMIT ?)";
