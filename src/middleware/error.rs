use std::error::Error;
use std::fmt;

use crate::audit::AuditError;
use crate::grant::StoreError;
use crate::token::AuthenticatorError;

/// A configuration that cannot work. Found by [`Builder::build`](super::Builder::build), never by a
/// request.
#[derive(Debug)]
#[non_exhaustive]
pub enum ConfigError {
    /// Issuers, keys or cryptography.
    Token(AuthenticatorError),
    /// A strategy is not configured soundly.
    #[non_exhaustive]
    Strategy {
        /// What is wrong.
        detail: String,
    },
    /// There are strategies, but no policy.
    NoPolicy,
    /// The policy asks nothing of the actor, so that everybody could act as everybody who gives what it demands.
    PolicyForEverybody,
    /// Something of which only one can count was set twice.
    #[non_exhaustive]
    SetTwice {
        /// The method of the builder.
        setting: &'static str,
    },
    /// There is a policy, but no strategy by which a request could say that it impersonates.
    NoStrategy,
    /// There are strategies, but no audit sink to record them.
    NoAudit,
    /// The audit sink is not ready.
    Audit(AuditError),
    /// The store of grants is not ready.
    GrantStore(StoreError),
    /// The service that keeps the grants cannot be asked like this.
    #[non_exhaustive]
    Grants {
        /// What is wrong.
        detail: String,
    },
    /// A strategy lets the actor name anybody, and there is no directory to say who exists.
    NoDirectory,
    /// The policy needs a fact that nothing in the configuration gives, so it could only deny.
    #[non_exhaustive]
    UnknownFact {
        /// Which.
        fact: &'static str,
    },
    /// The policy names an issuer that is not configured, so that rule could never hold. A Cognito pool
    /// is named as in its first form, `https://cognito-idp.<region>.amazonaws.com/<pool>`.
    #[non_exhaustive]
    UnknownIssuer {
        /// The name in the policy.
        issuer: String,
    },
    /// The realm has characters that cannot stand in a challenge.
    Realm,
    /// The URL of the resource's metadata cannot stand in a challenge, or no client should ask it.
    ResourceMetadata,
    /// The value for anonymous requests is of another type than the mapped principal.
    AnonymousType,
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
            Self::Token(_) => f.write_str("the issuers are not configured soundly"),
            Self::Strategy { detail } => {
                write!(f, "a strategy is not configured soundly: {detail}")
            }
            Self::NoPolicy => {
                f.write_str("strategies are configured, but no policy: call `policy`")
            }
            Self::PolicyForEverybody => f.write_str(
                "the policy asks nothing of the actor, so everybody could act as others: ask something, \
                 such as `in_group`, or say `allow_all`",
            ),
            Self::SetTwice { setting } => {
                write!(f, "`{setting}` is called twice, and only one could count")
            }
            Self::NoStrategy => {
                f.write_str("a policy is configured, but no strategy: call `resolve`")
            }
            Self::NoAudit => f.write_str("strategies are configured, but no audit: call `audit`"),
            Self::GrantStore(_) => f.write_str("the store of grants is not ready"),
            Self::Grants { detail } => write!(f, "grants: {detail}"),
            Self::Audit(_) => f.write_str("the audit sink is not ready"),
            Self::NoDirectory => {
                f.write_str("a strategy lets the actor name anybody: call `directory`")
            }
            Self::UnknownFact { fact } => {
                write!(
                    f,
                    "the policy needs {fact}, which nothing that is configured can tell"
                )
            }
            Self::UnknownIssuer { issuer } => {
                write!(
                    f,
                    "the policy names the issuer {issuer:?}, which is not configured"
                )
            }
            Self::Realm => f.write_str("the realm cannot stand in a challenge"),
            Self::ResourceMetadata => f.write_str(
                "the URL of the resource's metadata must be https, or http to this machine, without \
                 credentials, fragment, quotes or backslashes",
            ),
            Self::AnonymousType => {
                f.write_str("`anonymous` gives a value of another type than `map_principal`")
            }
            Self::OutOfBounds { setting, bounds } => write!(f, "{setting} must be {bounds}"),
        }
    }
}

impl Error for ConfigError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Token(error) => Some(error),
            Self::Audit(error) => Some(error),
            Self::GrantStore(error) => Some(error),
            _ => None,
        }
    }
}

impl From<AuthenticatorError> for ConfigError {
    fn from(error: AuthenticatorError) -> Self {
        Self::Token(error)
    }
}
