use std::error::Error;
use std::fmt;
use std::path::PathBuf;

use crate::grant::StartError;
use crate::sqlite::{LendError, OpenError};

/// What can go wrong. None of it names anybody.
#[derive(Debug)]
pub(super) enum Fault {
    Open(OpenError),
    Replaced(PathBuf),
    Database(sqlx::Error),
    /// What was agreed cannot be read.
    Start(StartError),
    /// A column that makes no sense.
    Column(&'static str),
    /// There is a lease of that id.
    Id,
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

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(error) => write!(f, "the leases cannot be opened: {error}"),
            Self::Replaced(path) => write!(
                f,
                "the file of leases was removed or replaced while in use: {}",
                path.display()
            ),
            Self::Database(error) => write!(f, "the database of leases failed: {error}"),
            Self::Start(error) => write!(f, "a stored lease makes no sense: {error}"),
            Self::Column(name) => write!(f, "a stored lease makes no sense: {name}"),
            Self::Id => f.write_str("there is a lease of that id"),
        }
    }
}

impl Error for Fault {}
