use std::error::Error;
use std::fmt;

/// What is wrong with the configuration of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerError {
    issuer: Box<str>,
    kind: IssuerErrorKind,
    reason: &'static str,
}

/// The kinds of [`IssuerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssuerErrorKind {
    /// The issuer's name, its region or its pool is malformed.
    Name,
    /// A URL that keys may not be fetched from.
    Url,
    /// Keys in the configuration cannot be used.
    Keys,
    /// No `.client_ids(..)`: every app client of the pool would be let in.
    MissingClientIds,
    /// No `.audiences(..)`: tokens made for other services would be let in.
    MissingAudiences,
    /// A value is blank or outside its range.
    Value,
    /// Two settings that do not go together.
    Contradiction,
}

impl IssuerError {
    pub(super) fn new(issuer: &str, kind: IssuerErrorKind, reason: &'static str) -> Self {
        Self {
            issuer: issuer.into(),
            kind,
            reason,
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> IssuerErrorKind {
        self.kind
    }

    /// The issuer, as it was configured.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl fmt::Display for IssuerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer {:?}: {}", self.issuer, self.reason)
    }
}

impl Error for IssuerError {}
