use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use crate::grant::{StartError, StoreError};
use crate::sqlite::{LendError, OpenError};

/// What can go wrong. None of it names anybody.
#[derive(Debug)]
pub(in crate::grant) enum Fault {
    Full,
    Open(OpenError),
    /// Another file stands at the path than the one that was opened first, or none.
    Replaced(PathBuf),
    Database(sqlx::Error),
    /// What was agreed cannot be read.
    Start(StartError),
    /// A column that makes no sense.
    Column(&'static str),
}

impl From<LendError> for Fault {
    fn from(error: LendError) -> Self {
        match error {
            LendError::Open(error) => Self::Open(error),
            LendError::Replaced(path) => Self::Replaced(path),
        }
    }
}

impl From<sqlx::Error> for Fault {
    fn from(error: sqlx::Error) -> Self {
        Self::Database(error)
    }
}

impl From<StartError> for Fault {
    fn from(error: StartError) -> Self {
        Self::Start(error)
    }
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Full => Self::full(),
            other => Self::unavailable(other),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Full => f.write_str("the store is full"),
            Self::Open(error) => write!(f, "the grants cannot be opened: {error}"),
            Self::Replaced(path) => write!(
                f,
                "the file of grants was removed or replaced while in use: {}",
                path.display()
            ),
            Self::Database(error) => write!(f, "the database of grants failed: {error}"),
            Self::Start(error) => write!(f, "a stored grant makes no sense: {error}"),
            Self::Column(name) => write!(f, "a stored grant makes no sense: {name}"),
        }
    }
}

impl Error for Fault {}
