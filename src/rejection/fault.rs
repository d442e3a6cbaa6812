//! What can go wrong besides the errors of plug-ins.

use std::error::Error;
use std::fmt;

/// What can go wrong with a plug-in besides its own errors.
#[derive(Debug)]
pub(crate) enum Fault {
    Panic,
    Deadline,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Panic => "a plug-in panicked",
            Self::Deadline => "a plug-in did not answer in time",
        })
    }
}

impl Error for Fault {}

/// The rule that denied, for logs.
#[derive(Debug)]
pub(crate) struct DeniedBy(pub(crate) String);

impl fmt::Display for DeniedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "denied by {}", self.0)
    }
}

impl Error for DeniedBy {}
