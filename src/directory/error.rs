use std::error::Error;
use std::fmt;

/// Why nobody was found.
///
/// It names nobody, so that it may be logged; the cause of a fault is its `source()`.
pub struct LookupError {
    kind: LookupErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`LookupError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LookupErrorKind {
    /// There is nobody of that reference.
    NotFound,
    /// There is more than one.
    Ambiguous,
    /// The directory could not say.
    Unavailable,
}

impl LookupError {
    /// There is nobody of that reference.
    #[must_use]
    pub fn not_found() -> Self {
        Self {
            kind: LookupErrorKind::NotFound,
            source: None,
        }
    }

    /// There is more than one person of that reference.
    #[must_use]
    pub fn ambiguous() -> Self {
        Self {
            kind: LookupErrorKind::Ambiguous,
            source: None,
        }
    }

    /// The directory could not say, for this reason.
    pub fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: LookupErrorKind::Unavailable,
            source: Some(source.into()),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> LookupErrorKind {
        self.kind
    }
}

impl fmt::Display for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LookupErrorKind::NotFound => "nobody of that reference is in the directory",
            LookupErrorKind::Ambiguous => "more than one person is of that reference",
            LookupErrorKind::Unavailable => "the directory could not be asked",
        })
    }
}

// By hand: the debug text of a foreign error may hold whom it was asked for, or a connection string.
impl fmt::Debug for LookupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LookupError")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Error for LookupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
