use std::error::Error;
use std::fmt;

/// Why a document could not be fetched.
#[derive(Debug)]
pub struct FetchError {
    kind: FetchErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`FetchError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum FetchErrorKind {
    /// The server could not be reached, or the connection broke.
    Connection,
    /// It took too long.
    TimedOut,
    /// The answer was not 200.
    Status(u16),
    /// The body is longer than the limit.
    TooLarge,
}

impl FetchError {
    /// The server could not be reached, or the connection broke.
    pub fn connection(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            source: Some(source.into()),
            ..Self::bare(FetchErrorKind::Connection)
        }
    }

    /// It took too long.
    #[must_use]
    pub fn timed_out() -> Self {
        Self::bare(FetchErrorKind::TimedOut)
    }

    /// The answer was not 200.
    #[must_use]
    pub fn status(status: u16) -> Self {
        Self::bare(FetchErrorKind::Status(status))
    }

    /// The body is longer than the limit.
    #[must_use]
    pub fn too_large() -> Self {
        Self::bare(FetchErrorKind::TooLarge)
    }

    fn bare(kind: FetchErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> FetchErrorKind {
        self.kind
    }
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.kind {
            FetchErrorKind::Connection => f.write_str("no connection"),
            FetchErrorKind::TimedOut => f.write_str("took too long"),
            FetchErrorKind::Status(status) => write!(f, "answered with status {status}"),
            FetchErrorKind::TooLarge => f.write_str("body is too large"),
        }
    }
}

impl Error for FetchError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}
