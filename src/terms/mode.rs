use std::fmt;

/// How far an impersonation goes.
///
/// The order is the one of rights: of two modes the lesser one holds, so a mode never widens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[non_exhaustive]
pub enum Mode {
    /// Requests that read pass, requests that write are refused.
    ReadOnly,
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
            Self::Full => "full",
        }
    }
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
