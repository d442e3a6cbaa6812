use std::error::Error;
use std::fmt;

use crate::grant::StoreError;

/// Why a trigger fails the sign-in.
///
/// Its text is what Cognito shows to whoever signs in, so it names nobody and tells no cause; what it comes
/// from is its `source()`, and is logged.
#[derive(Debug)]
pub struct TriggerError {
    kind: TriggerErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`TriggerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TriggerErrorKind {
    /// The event is none that Cognito sends.
    Malformed,
    /// It is an event of a trigger that is not handled here.
    Unsupported,
    /// No token is made without its actor in it, and nobody confirms one.
    Refused,
    /// It could not be confirmed in time, or not at all.
    Unavailable,
}

impl TriggerError {
    pub(super) fn refused() -> Self {
        Self::new(TriggerErrorKind::Refused)
    }

    pub(super) fn unsupported() -> Self {
        Self::new(TriggerErrorKind::Unsupported)
    }

    pub(super) fn malformed(what: &'static str) -> Self {
        Self {
            kind: TriggerErrorKind::Malformed,
            source: Some(what.into()),
        }
    }

    pub(super) fn unavailable(source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind: TriggerErrorKind::Unavailable,
            source: Some(source.into()),
        }
    }

    fn new(kind: TriggerErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> TriggerErrorKind {
        self.kind
    }
}

impl fmt::Display for TriggerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TriggerErrorKind::Malformed => "the event makes no sense",
            TriggerErrorKind::Unsupported => "this trigger is not handled here",
            TriggerErrorKind::Refused => "this sign-in is not allowed",
            TriggerErrorKind::Unavailable => "this sign-in cannot be checked now",
        })
    }
}

impl Error for TriggerError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        let source: &(dyn Error + 'static) = self.source.as_deref()?;
        Some(source)
    }
}

/// A configuration that cannot work. Found by [`TriggersBuilder::build`](super::TriggersBuilder::build), never by
/// an event.
#[derive(Debug)]
#[non_exhaustive]
pub enum TriggersError {
    /// The id of an app client is empty or too long.
    #[non_exhaustive]
    Client {
        /// What was given.
        id: String,
    },
    /// A number is outside its bounds.
    #[non_exhaustive]
    OutOfBounds {
        /// Which number.
        setting: &'static str,
        /// The bounds, as a sentence.
        bounds: &'static str,
    },
    /// Whoever confirms could not be asked as it is configured.
    #[non_exhaustive]
    Confirm {
        /// Why.
        source: StoreError,
    },
}

impl fmt::Display for TriggersError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client { id } => write!(f, "{id:?} is no id of an app client"),
            Self::OutOfBounds { setting, bounds } => write!(f, "{setting} must be {bounds}"),
            Self::Confirm { .. } => {
                f.write_str("the service of the grants cannot be asked as configured")
            }
        }
    }
}

impl Error for TriggersError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Confirm { source } => source.source(),
            Self::Client { .. } | Self::OutOfBounds { .. } => None,
        }
    }
}
