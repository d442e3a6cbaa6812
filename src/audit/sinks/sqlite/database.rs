use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::error::{SqliteError, SqliteErrorKind};
use super::migrate;

/// Where the file is, and how it is opened.
#[derive(Debug, Clone)]
pub(super) struct Database {
    pub(super) path: PathBuf,
    pub(super) busy_timeout: Duration,
}

impl Database {
    /// A connection to a database that has the tables of this version. Makes the file where there is
    /// none.
    pub(super) async fn open(&self) -> Result<SqliteConnection, SqliteError> {
        let begun = Instant::now();
        loop {
            match self.open_once().await {
                // The first and the last user of a file lock it in a way that SQLite does not wait for.
                Err(error) if error.is_locked() && begun.elapsed() < self.busy_timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                opened => return opened.map_err(|error| error.at(&self.path)),
            }
        }
    }

    async fn open_once(&self) -> Result<SqliteConnection, SqliteError> {
        let failed = |error| SqliteError::caused(SqliteErrorKind::Database, error);
        // An absolute path cannot be one of SQLite's special names.
        let path = std::path::absolute(&self.path).map_err(failed)?;
        self.make_file().map_err(failed)?;
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(self.busy_timeout)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk when it returns.
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        migrate::run(&mut connection).await?;
        Ok(connection)
    }

    /// Opens it from a thread of its own, because it is asked where there is no runtime, or one that
    /// must not be blocked on; takes the lock for writing, which a file that may only be read refuses.
    pub(super) fn try_out(&self) -> Result<(), SqliteError> {
        let open = async {
            let mut connection = self.open().await?;
            let lock = connection.begin_with("BEGIN IMMEDIATE").await?;
            lock.rollback().await?;
            connection.close().await?;
            Ok::<_, SqliteError>(())
        };
        let open = async {
            match open.await {
                // It works, and who holds it now will let it go.
                Err(error) if error.is_locked() => Ok(()),
                tried => tried.map_err(|error| error.at(&self.path)),
            }
        };
        let run = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| self.unusable(error))?
                .block_on(open)
        };
        std::thread::scope(|scope| scope.spawn(run).join())
            .unwrap_or_else(|_| Err(self.unusable("it could not be tried out")))
    }

    /// SQLite would make it readable by everybody. Its `-wal` and `-shm` get the same rights.
    fn make_file(&self) -> io::Result<()> {
        let mut options = OpenOptions::new();
        options.write(true).create(true).truncate(false);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let file = options.open(&self.path)?.metadata()?;
        if file.is_file() {
            Ok(())
        } else {
            Err(io::Error::other("not a regular file"))
        }
    }

    pub(super) fn unusable(&self, why: impl Into<Box<dyn Error + Send + Sync>>) -> SqliteError {
        SqliteError::caused(SqliteErrorKind::Database, why).at(&self.path)
    }

    /// Which file the path names now; a connection goes on with the one that it opened.
    pub(super) fn file(&self) -> io::Result<FileId> {
        fs::metadata(&self.path).map(|file| FileId::of(&file))
    }
}

const PAUSE: Duration = Duration::from_millis(10);

/// What tells one file from another one under the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileId(u64, u64);

#[cfg(unix)]
impl FileId {
    fn of(file: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self(file.dev(), file.ino())
    }
}

#[cfg(not(unix))]
impl FileId {
    /// An open file can be neither removed nor renamed there.
    fn of(_: &fs::Metadata) -> Self {
        Self(0, 0)
    }
}
