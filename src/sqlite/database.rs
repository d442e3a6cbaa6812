use std::fs::{self, OpenOptions};
use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
use sqlx::{ConnectOptions, Connection, SqliteConnection};

use super::error::{OpenError, Why};
use super::migrate::Part;

/// Where the file is, how it is opened, and whose tables are wanted.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) path: PathBuf,
    pub(crate) busy_timeout: Duration,
    pub(crate) part: Part,
}

impl Database {
    /// A connection to a database that has the tables of this version. Makes the file where there is
    /// none.
    pub(crate) async fn open(&self) -> Result<SqliteConnection, OpenError> {
        self.make_file().map_err(|error| self.unusable(error))?;
        self.open_again().await
    }

    /// The same, of a file that must be there.
    pub(crate) async fn open_again(&self) -> Result<SqliteConnection, OpenError> {
        self.may_be_written()
            .map_err(|error| self.unusable(error))?;
        let begun = Instant::now();
        loop {
            match self.open_once().await {
                // The first and the last user of a file lock it in a way that SQLite does not wait for.
                Err(why) if why.is_locked() && begun.elapsed() < self.busy_timeout => {
                    tokio::time::sleep(PAUSE).await;
                }
                opened => return opened.map_err(|why| self.error(why)),
            }
        }
    }

    async fn open_once(&self) -> Result<SqliteConnection, Why> {
        // An absolute path cannot be one of SQLite's special names.
        let path = std::path::absolute(&self.path).map_err(Why::failed)?;
        let mut connection = SqliteConnectOptions::new()
            .filename(path)
            .busy_timeout(self.busy_timeout)
            .journal_mode(SqliteJournalMode::Wal)
            // A commit is on the disk when it returns.
            .synchronous(SqliteSynchronous::Full)
            .disable_statement_logging()
            .connect()
            .await?;
        self.part.migrate(&mut connection).await?;
        Ok(connection)
    }

    /// Opens it from a thread of its own, because it is asked where there is no runtime, or one that
    /// must not be blocked on; writes something and takes it back, which a file that may only be read refuses.
    pub(crate) fn try_out(
        &self,
        open: impl Future<Output = Result<SqliteConnection, OpenError>> + Send,
    ) -> Result<(), OpenError> {
        let tried = async {
            let mut connection = open.await.map_err(|error| error.why)?;
            let mut lock = connection.begin_with("BEGIN IMMEDIATE").await?;
            // A lock alone is also had on a disk that may only be read.
            let write = "INSERT INTO ti_migration (part, version) VALUES ('', 0)";
            sqlx::query(write).execute(&mut *lock).await?;
            lock.rollback().await?;
            connection.close().await?;
            Ok::<_, Why>(())
        };
        let tried = async {
            match tried.await {
                // It works, and who holds it now will let it go.
                Err(why) if why.is_locked() => Ok(()),
                tried => tried.map_err(|why| self.error(why)),
            }
        };
        let run = || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(|error| self.unusable(error))?
                .block_on(tried)
        };
        std::thread::scope(|scope| scope.spawn(run).join())
            .unwrap_or_else(|_| Err(self.unusable(io::Error::other("it could not be tried out"))))
    }

    /// SQLite would make it readable by everybody. Its `-wal` and `-shm` get the same rights.
    ///
    /// A file that is there is never opened here: closing it would give up the locks that every
    /// connection of this process holds on it (POSIX), and another process would take it for unused and
    /// remove its `-wal` (<https://www.sqlite.org/howtocorrupt.html>, section 2.2).
    fn make_file(&self) -> io::Result<()> {
        // Nobody connects to it between its making and its closing.
        let _alone = MAKING.lock().unwrap_or_else(PoisonError::into_inner);
        let file = match fs::metadata(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let mut options = OpenOptions::new();
                // Never through a link that leads nowhere: somebody else chose that place.
                options.write(true).create_new(true);
                #[cfg(unix)]
                std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
                match options.open(&self.path) {
                    Ok(made) => made.metadata()?,
                    // Another process was faster.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                        fs::metadata(&self.path)?
                    }
                    Err(error) => return Err(error),
                }
            }
            there => there?,
        };
        match file.file_type() {
            kind if kind.is_file() => Ok(()),
            kind if kind.is_dir() => Err(io::ErrorKind::IsADirectory.into()),
            _ => Err(io::Error::other("not a regular file")),
        }
    }

    /// SQLite opens what may not be written as well, and leaves a `-wal` that nobody may write.
    #[cfg(unix)]
    fn may_be_written(&self) -> io::Result<()> {
        Ok(rustix::fs::access(
            &self.path,
            rustix::fs::Access::WRITE_OK,
        )?)
    }

    #[cfg(not(unix))]
    fn may_be_written(&self) -> io::Result<()> {
        match fs::metadata(&self.path)?.permissions().readonly() {
            true => Err(io::ErrorKind::PermissionDenied.into()),
            false => Ok(()),
        }
    }

    /// Which file the path names now; a connection goes on with the one that it opened.
    pub(crate) fn file(&self) -> io::Result<FileId> {
        fs::metadata(&self.path).map(|file| FileId::of(&file))
    }

    /// Refuses a file that others than its owner may write.
    #[cfg(unix)]
    pub(crate) fn is_its_owners_to_write(&self) -> io::Result<()> {
        let mode = std::os::unix::fs::MetadataExt::mode(&fs::metadata(&self.path)?);
        match mode & 0o022 {
            0 => Ok(()),
            _ => Err(io::Error::new(
                io::ErrorKind::PermissionDenied,
                "others than its owner may write it: chmod 600",
            )),
        }
    }

    /// Who may write it is not told by bits there.
    #[cfg(not(unix))]
    pub(crate) fn is_its_owners_to_write(&self) -> io::Result<()> {
        Ok(())
    }

    /// The rights of a file that others than its owner and group may use.
    #[cfg(unix)]
    pub(crate) fn shared_mode(&self) -> Option<u32> {
        let file = fs::metadata(&self.path).ok()?;
        let mode = std::os::unix::fs::MetadataExt::mode(&file);
        (mode & 0o007 != 0).then_some(mode & 0o777)
    }

    /// Who may read it is not told by bits there.
    #[cfg(not(unix))]
    pub(crate) fn shared_mode(&self) -> Option<u32> {
        None
    }

    pub(crate) fn unusable(&self, why: io::Error) -> OpenError {
        self.error(Why::failed(why))
    }

    fn error(&self, why: Why) -> OpenError {
        OpenError {
            path: self.path.clone(),
            why,
        }
    }
}

static MAKING: Mutex<()> = Mutex::new(());

const PAUSE: Duration = Duration::from_millis(10);

/// What tells one file from another one under the same path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileId {
    place: (u64, u64),
    /// A place that became free is given to the next file.
    made: Option<SystemTime>,
}

#[cfg(unix)]
impl FileId {
    fn of(file: &fs::Metadata) -> Self {
        use std::os::unix::fs::MetadataExt;
        Self {
            place: (file.dev(), file.ino()),
            made: file.created().ok(),
        }
    }
}

#[cfg(not(unix))]
impl FileId {
    /// An open file can be neither removed nor renamed there.
    fn of(_: &fs::Metadata) -> Self {
        Self {
            place: (0, 0),
            made: None,
        }
    }
}
