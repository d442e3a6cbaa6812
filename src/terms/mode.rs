use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// How far an impersonation goes.
///
/// The order is the one of rights: of two modes the lesser one holds, so a mode never widens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Requests that read pass, requests that write are refused.
    ReadOnly,
    /// What the scopes that were asked for by name allow; the handlers decide what each means.
    Scoped,
    /// Whatever the target may do.
    #[default]
    Full,
}

impl Mode {
    /// The name in tokens, spans and audit events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ReadOnly => "read_only",
            Self::Scoped => "scoped",
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Mode {
    type Err = UnknownMode;

    fn from_str(name: &str) -> Result<Self, UnknownMode> {
        [Self::ReadOnly, Self::Scoped, Self::Full]
            .into_iter()
            .find(|mode| mode.as_str() == name)
            .ok_or(UnknownMode(()))
    }
}

/// A name that no mode has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownMode(());

impl fmt::Display for UnknownMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no mode has that name: there are full, read_only and scoped")
    }
}

impl Error for UnknownMode {}
