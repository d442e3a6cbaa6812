use std::error::Error;
use std::fmt;
use std::path::{Path, PathBuf};

use crate::sqlite::{OpenError, Why};

/// A database that could not be opened, read or pruned.
#[derive(Debug)]
pub struct SqliteError {
    kind: SqliteErrorKind,
    path: Option<PathBuf>,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`SqliteError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SqliteErrorKind {
    /// The limit of a query is not between 1 and 1,000.
    Limit,
    /// The file cannot be had, is locked, read-only, full or corrupt.
    Database,
    /// A newer version of this crate made the tables.
    Newer,
    /// A row that this crate did not write.
    Row,
}

impl SqliteError {
    pub(super) fn of(kind: SqliteErrorKind) -> Self {
        Self {
            kind,
            path: None,
            source: None,
        }
    }

    pub(super) fn caused(
        kind: SqliteErrorKind,
        by: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            path: None,
            source: Some(by.into()),
        }
    }

    pub(super) fn at(mut self, path: &Path) -> Self {
        self.path = Some(path.to_owned());
        self
    }

    /// What went wrong.
    #[must_use]
    pub fn kind(&self) -> SqliteErrorKind {
        self.kind
    }
}

impl fmt::Display for SqliteError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            SqliteErrorKind::Limit => "the limit of a query must be between 1 and 1,000",
            SqliteErrorKind::Database => "the audit database failed",
            SqliteErrorKind::Newer => "the audit database was made by a newer version",
            SqliteErrorKind::Row => "the audit database has a row that makes no sense",
        })?;
        if let Some(path) = &self.path {
            write!(f, ": {}", path.display())?;
        }
        // The cause is short, and a sink's error is often logged without its chain.
        self.source
            .as_ref()
            .map_or(Ok(()), |source| write!(f, ": {source}"))
    }
}

impl Error for SqliteError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().and_then(Error::source)
    }
}

impl From<OpenError> for SqliteError {
    fn from(error: OpenError) -> Self {
        let opened = match error.why {
            Why::Newer => Self::of(SqliteErrorKind::Newer),
            Why::Failed(error) => Self::caused(SqliteErrorKind::Database, error),
        };
        opened.at(&error.path)
    }
}

impl From<sqlx::Error> for SqliteError {
    fn from(error: sqlx::Error) -> Self {
        Self::caused(SqliteErrorKind::Database, error)
    }
}
