use std::error::Error;
use std::fmt;
use std::path::PathBuf;

/// A file that could not be opened. It names the file and the cause.
#[derive(Debug)]
pub(crate) struct OpenError {
    pub(crate) path: PathBuf,
    pub(crate) why: Why,
}

/// Why a file could not be opened.
#[derive(Debug)]
pub(crate) enum Why {
    /// A newer version of this crate made the tables.
    Newer,
    /// The file cannot be had, is locked, read-only, full or corrupt.
    Failed(Box<dyn Error + Send + Sync>),
}

/// Why no connection could be had.
#[derive(Debug)]
pub(crate) enum LendError {
    Open(OpenError),
    /// Another file stands at the path than the one that was opened first, or none.
    Replaced(PathBuf),
}

impl From<OpenError> for LendError {
    fn from(error: OpenError) -> Self {
        Self::Open(error)
    }
}

impl Why {
    pub(super) fn failed(by: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self::Failed(by.into())
    }

    pub(super) fn is_locked(&self) -> bool {
        match self {
            Self::Newer => false,
            Self::Failed(error) => error.downcast_ref().is_some_and(is_locked),
        }
    }
}

impl From<sqlx::Error> for Why {
    fn from(error: sqlx::Error) -> Self {
        Self::failed(error)
    }
}

/// Whether somebody else holds a lock: SQLITE_BUSY and its extended codes.
fn is_locked(error: &sqlx::Error) -> bool {
    const BUSY: u32 = 5;
    let sqlx::Error::Database(error) = error else {
        return false;
    };
    { error.code() }
        .and_then(|code| code.parse::<u32>().ok())
        .is_some_and(|code| code & 0xFF == BUSY)
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        match &self.why {
            Why::Newer => write!(f, "{path} was made by a newer version"),
            Why::Failed(error) => write!(f, "{path}: {error}"),
        }
    }
}

impl Error for OpenError {}
