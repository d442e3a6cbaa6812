use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::token::fetch::FetchError;
use crate::token::issuer::IssuerError;

/// Why an authenticator cannot be built.
#[derive(Debug)]
#[non_exhaustive]
pub enum AuthenticatorError {
    /// No issuer was given: no token could ever be accepted.
    NoIssuer,
    /// Two issuers accept the same `iss`.
    #[non_exhaustive]
    DuplicateIssuer {
        /// The name that both accept.
        issuer: Box<str>,
    },
    /// An issuer is configured wrongly.
    Issuer(IssuerError),
    /// Neither the feature `aws_lc_rs` nor `rust_crypto` is on.
    NoCrypto,
    /// The compiled-in cryptography does not accept a known signature.
    CryptoSelfTest,
    /// Keys would have to be fetched: the feature `jwks` is off and no fetcher was given.
    NoHttpClient,
    /// The built-in client could not be set up.
    HttpClient(FetchError),
    /// A number is outside its bounds.
    #[non_exhaustive]
    OutOfBounds {
        /// Which number.
        setting: &'static str,
        /// The bounds, as a sentence.
        bounds: &'static str,
    },
}

impl fmt::Display for AuthenticatorError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoIssuer => f.write_str("no issuer is configured"),
            Self::DuplicateIssuer { issuer } => write!(f, "issuer {issuer:?} is configured twice"),
            Self::Issuer(error) => error.fmt(f),
            Self::NoCrypto => f.write_str("no cryptography is compiled in"),
            Self::CryptoSelfTest => f.write_str("cryptography does not accept a known signature"),
            Self::NoHttpClient => {
                f.write_str("keys must be fetched: turn on the feature `jwks` or call `fetch_keys`")
            }
            Self::HttpClient(_) => f.write_str("the HTTP client could not be set up"),
            Self::OutOfBounds { setting, bounds } => write!(f, "{setting} must be {bounds}"),
        }
    }
}

impl Error for AuthenticatorError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Issuer(error) => error.source(),
            Self::HttpClient(error) => Some(error),
            _ => None,
        }
    }
}

impl From<IssuerError> for AuthenticatorError {
    fn from(error: IssuerError) -> Self {
        Self::Issuer(error)
    }
}

/// The keys of an issuer could not be had.
#[derive(Debug, Clone)]
pub struct ConnectError {
    issuer: Box<str>,
    source: Arc<dyn Error + Send + Sync>,
}

impl ConnectError {
    pub(super) fn new(issuer: &str, source: Arc<dyn Error + Send + Sync>) -> Self {
        Self {
            issuer: issuer.into(),
            source,
        }
    }

    /// The first issuer, in the order of the configuration, whose keys could not be had.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

impl fmt::Display for ConnectError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "keys of issuer {:?} cannot be had", self.issuer)
    }
}

impl Error for ConnectError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.source)
    }
}
