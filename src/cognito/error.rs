use std::error::Error;
use std::fmt;

use crate::audit::AuditError;
use crate::grant::StoreError;

/// A configuration that cannot work. Found when something is built, never by a request.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// A region or the id of a user pool is malformed.
    #[non_exhaustive]
    Pool {
        /// What stands there.
        pool: String,
    },
    /// There is no pool.
    NoPool,
    /// A pool is given twice.
    #[non_exhaustive]
    PoolTwice {
        /// Its issuer.
        issuer: String,
    },
    /// There is no group that may be leased.
    NoGroups,
    /// There is no audit.
    NoAudit,
    /// The audit sink is not ready.
    Audit(AuditError),
    /// The store of leases is not ready.
    Store(StoreError),
    /// The grants cannot be asked for.
    Grants(String),
    /// A number is outside its bounds.
    #[non_exhaustive]
    OutOfBounds {
        /// Which number.
        setting: &'static str,
        /// The bounds, as a sentence.
        bounds: &'static str,
    },
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pool { pool } => write!(f, "{pool:?} is not a region and the id of a user pool"),
            Self::NoPool => f.write_str("no user pool is given"),
            Self::PoolTwice { issuer } => write!(f, "the user pool of {issuer:?} is given twice"),
            Self::NoGroups => f.write_str("no group may be leased: call `groups`"),
            Self::NoAudit => f.write_str("leases are not recorded: call `audit`"),
            Self::Audit(_) => f.write_str("the audit sink is not ready"),
            Self::Store(_) => f.write_str("the store of leases is not ready"),
            Self::Grants(wrong) => write!(f, "the grants cannot be asked for: {wrong}"),
            Self::OutOfBounds { setting, bounds } => write!(f, "{setting} must be {bounds}"),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Audit(error) => Some(error),
            Self::Store(error) => Some(error),
            _ => None,
        }
    }
}
