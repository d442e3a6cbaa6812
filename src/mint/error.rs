use std::error::Error;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::token::UnusableKey;

/// Why a key cannot be had or used. No part of a key is in it.
#[derive(Debug, Clone)]
pub struct KeyError {
    reason: &'static str,
    path: Option<PathBuf>,
    source: Option<Arc<io::Error>>,
}

impl KeyError {
    pub(super) const fn new(reason: &'static str) -> Self {
        Self {
            reason,
            path: None,
            source: None,
        }
    }

    pub(super) fn file(reason: &'static str, source: io::Error) -> Self {
        Self {
            source: Some(Arc::new(source)),
            ..Self::new(reason)
        }
    }

    pub(super) fn at(self, path: &Path) -> Self {
        Self {
            path: Some(path.to_owned()),
            ..self
        }
    }

    /// The key file, where it was one.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        self.path.as_deref()
    }
}

impl From<UnusableKey> for KeyError {
    fn from(UnusableKey(reason): UnusableKey) -> Self {
        Self::new(reason)
    }
}

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.path {
            Some(path) => write!(f, "{}: {}", path.display(), self.reason),
            None => f.write_str(self.reason),
        }
    }
}

impl Error for KeyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_ref().map(|source| &**source as _)
    }
}

/// What is wrong with the configuration of a minter, or with the key it is to be rotated to.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum MinterError {
    /// The issuer is not an `https` URL, nor an `http` one of this machine, without query, fragment and
    /// credentials.
    Issuer,
    /// Neither `.key(..)` nor `.key_file(..)`.
    MissingKey,
    /// Both `.key(..)` and `.key_file(..)`.
    TwoKeys,
    /// A key cannot be had or used.
    Key(KeyError),
    /// Two keys of one name: nobody could tell which one a token means.
    DuplicateKey {
        /// The name.
        kid: Box<str>,
    },
    /// No `.audiences(..)`, or a blank one.
    Audiences,
    /// There are several audiences, and `.own_audience(..)` names none of them.
    OwnAudience,
    /// A scope that is none (RFC 6749, section 3.3), or too many.
    Scopes,
    /// A lifetime of less than a minute or more than an hour.
    Lifetime,
    /// The key set that would be published cannot be read.
    KeySet(&'static str),
}

impl From<KeyError> for MinterError {
    fn from(error: KeyError) -> Self {
        Self::Key(error)
    }
}

impl fmt::Display for MinterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Issuer => f.write_str(
                "the minter's issuer is not a plain https URL (http only on this machine), without query and fragment",
            ),
            Self::MissingKey => f.write_str("a key is missing: call `key` or `key_file`"),
            Self::TwoKeys => f.write_str("`key` and `key_file` at once"),
            Self::Key(error) => write!(f, "a key of the minter: {error}"),
            Self::DuplicateKey { kid } => write!(f, "two keys of the name {kid:?}"),
            Self::Audiences => f.write_str("audiences are missing or blank: call `audiences`"),
            Self::OwnAudience => f.write_str(
                "which of the audiences is this service itself: call `own_audience` with one of them",
            ),
            Self::Scopes => f.write_str("a scope is malformed, or there are too many"),
            Self::Lifetime => f.write_str("a lifetime outside of one minute to one hour"),
            Self::KeySet(reason) => write!(f, "the minter's key set: {reason}"),
        }
    }
}

impl Error for MinterError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            // Its text is said already.
            Self::Key(error) => error.source(),
            _ => None,
        }
    }
}

/// Why no token was minted. No part of a token or a key is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MintError {
    kind: MintErrorKind,
}

/// The kinds of [`MintError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MintErrorKind {
    /// There are several audiences, and none was asked for.
    AudienceRequired,
    /// Tokens are not made for that audience (`invalid_target`, RFC 8707, section 2).
    UnknownAudience,
    /// Less than a second is left.
    Expired,
    /// A role was permitted, which has no target.
    Role,
    /// The actor is impersonated itself.
    Nested,
    /// A scope is not a token of RFC 6749, section 3.3.
    Scope,
    /// The app client's name is blank or longer than 256 bytes.
    Client,
    /// The token would be longer than 8 KiB or of more than 1,000 groups, and nobody would take it.
    TooLarge,
    /// The system gave no random bytes, or the key no signature.
    Signing,
}

impl MintError {
    pub(super) const fn new(kind: MintErrorKind) -> Self {
        Self { kind }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> MintErrorKind {
        self.kind
    }
}

impl From<MintErrorKind> for MintError {
    fn from(kind: MintErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for MintError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            MintErrorKind::AudienceRequired => "an audience must be named",
            MintErrorKind::UnknownAudience => "no tokens are made for this audience",
            MintErrorKind::Expired => "no time is left for a token",
            MintErrorKind::Role => "a role has no target to make a token for",
            MintErrorKind::Nested => "who is impersonated gets no token for somebody else",
            MintErrorKind::Scope => "a scope that is malformed, or none of the minter's",
            MintErrorKind::Client => "a malformed app client",
            MintErrorKind::TooLarge => "the token would be too large",
            MintErrorKind::Signing => "nothing could be signed",
        })
    }
}

impl Error for MintError {}
