use std::sync::{Mutex, OnceLock, PoisonError};

use sqlx::SqliteConnection;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::database::{Database, FileId};
use super::error::LendError;

/// The connections to one file: some that read, one that writes.
pub(crate) struct Connections {
    pub(crate) database: Database,
    /// What is kept in it, for those who read the log.
    holds: &'static str,
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
pub(crate) struct Lent<'p> {
    pub(crate) connection: SqliteConnection,
    pool: &'p Pool,
    _turn: SemaphorePermit<'p>,
}

impl Connections {
    pub(crate) fn new(database: Database, holds: &'static str) -> Self {
        Self {
            database,
            holds,
            file: OnceLock::new(),
            readers: Pool::new(READERS),
            writer: Pool::new(1),
        }
    }

    pub(crate) async fn reader(&self) -> Result<Lent<'_>, LendError> {
        self.lend(&self.readers).await
    }

    pub(crate) async fn writer(&self) -> Result<Lent<'_>, LendError> {
        self.lend(&self.writer).await
    }

    async fn lend<'p>(&'p self, pool: &'p Pool) -> Result<Lent<'p>, LendError> {
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

    async fn open(&self) -> Result<SqliteConnection, LendError> {
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

    fn same_file(&self) -> Result<(), LendError> {
        let there = self.database.file().ok();
        if there.is_some() && there.as_ref() == self.file.get() {
            Ok(())
        } else {
            Err(LendError::Replaced(self.database.path.clone()))
        }
    }

    /// Whoever can write it can make grants.
    fn owners_alone(&self) -> Result<(), LendError> {
        let alone = self.database.is_its_owners_to_write();
        alone.map_err(|error| LendError::Open(self.database.unusable(error)))
    }

    /// Whether the file can be opened and written.
    pub(crate) fn check(&self) -> Result<(), LendError> {
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
                "others than its owner may read the {}", self.holds
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
    pub(crate) fn give_back(self) {
        let idle = self.pool.idle.lock();
        idle.unwrap_or_else(PoisonError::into_inner)
            .push(self.connection);
    }
}

const READERS: usize = 4;
