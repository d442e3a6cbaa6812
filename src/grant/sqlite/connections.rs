use std::sync::{Mutex, OnceLock, PoisonError};

use sqlx::SqliteConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::error::Fault;
use crate::sqlite::{Database, FileId};

/// The connections to one file: some that read, one that writes.
pub(super) struct Connections {
    pub(super) database: Database,
    /// The file that was opened first. No other one is ever asked.
    file: OnceLock<FileId>,
    readers: Pool,
    writer: Pool,
}

struct Pool {
    turns: Semaphore,
    idle: Mutex<Vec<SqliteConnection>>,
}

/// A connection for one question or transition. Unless it is [given back](Self::give_back), because
/// something failed or nobody waits any more, it is closed, which undoes what was not committed.
pub(super) struct Lent<'p> {
    pub(super) connection: SqliteConnection,
    pool: &'p Pool,
    _turn: SemaphorePermit<'p>,
}

impl Connections {
    pub(super) fn new(database: Database) -> Self {
        Self {
            database,
            file: OnceLock::new(),
            readers: Pool::new(READERS),
            writer: Pool::new(1),
        }
    }

    pub(super) async fn reader(&self) -> Result<Lent<'_>, Fault> {
        self.lend(&self.readers).await
    }

    pub(super) async fn writer(&self) -> Result<Lent<'_>, Fault> {
        self.lend(&self.writer).await
    }

    async fn lend<'p>(&'p self, pool: &'p Pool) -> Result<Lent<'p>, Fault> {
        let turn = { pool.turns.acquire().await }
            .map_err(|error| self.database.unusable(std::io::Error::other(error)))?;
        let idle = pool
            .idle
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .pop();
        let connection = match idle {
            Some(connection) => {
                self.same_file()?;
                connection
            }
            None => self.open().await?,
        };
        Ok(Lent {
            connection,
            pool,
            _turn: turn,
        })
    }

    async fn open(&self) -> Result<SqliteConnection, Fault> {
        if self.file.get().is_some() {
            self.same_file()?;
            let connection = self.database.open_again().await?;
            self.same_file()?;
            return Ok(connection);
        }
        let connection = self.database.open().await?;
        let file = self.database.file();
        let file = file.map_err(|error| self.database.unusable(error))?;
        self.file.get_or_init(|| file);
        self.owners_alone()?;
        // Another one may have been faster, with another file.
        self.same_file()?;
        Ok(connection)
    }

    fn same_file(&self) -> Result<(), Fault> {
        let there = self.database.file().ok();
        if there.is_some() && there.as_ref() == self.file.get() {
            Ok(())
        } else {
            Err(Fault::Replaced(self.database.path.clone()))
        }
    }

    /// Whoever can write it can make grants.
    fn owners_alone(&self) -> Result<(), Fault> {
        let alone = self.database.is_its_owners_to_write();
        alone.map_err(|error| Fault::Open(self.database.unusable(error)))
    }

    /// Whether the file can be opened and written.
    pub(super) fn check(&self) -> Result<(), Fault> {
        if self.file.get().is_some() {
            self.same_file()?;
            self.database.try_out(self.database.open_again())?;
        } else {
            self.database.try_out(self.database.open())?;
            let file = self.database.file();
            let file = file.map_err(|error| self.database.unusable(error))?;
            self.file.get_or_init(|| file);
        }
        self.owners_alone()?;
        if let Some(mode) = self.database.shared_mode() {
            tracing::warn!(
                target: "impersonation",
                path = %self.database.path.display(),
                mode = %format_args!("{mode:o}"),
                "others than its owner may read the grants"
            );
        }
        Ok(())
    }
}

impl Pool {
    fn new(most: usize) -> Self {
        Self {
            turns: Semaphore::new(most),
            idle: Mutex::default(),
        }
    }
}

impl Lent<'_> {
    pub(super) fn give_back(self) {
        let idle = self.pool.idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner)
            .push(self.connection);
    }
}

const READERS: usize = 4;
