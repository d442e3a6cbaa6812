use std::error::Error;
use std::fmt;
use std::time::Duration;

use http::Uri;
use serde::Deserialize;

use crate::token::fetch::{FetchError, FetchKeys, FetchLimits, Fetched};
use crate::token::issuer::UrlRule;
use crate::token::jwk::{self, SetError};
use crate::token::keys::{KeyRules, KeySet};

/// Where a key set is fetched from.
#[derive(Debug, Clone)]
pub(crate) enum Endpoint {
    Keys(Uri),
    /// OpenID Connect Discovery: the document must name exactly this issuer.
    Discovery {
        document: Uri,
        issuer: Box<str>,
        rule: UrlRule,
    },
}

/// A fetched key set, and how long its server lets it be kept.
pub(crate) struct Loaded {
    pub(crate) keys: KeySet,
    pub(crate) max_age: Option<Duration>,
}

impl Endpoint {
    pub(crate) async fn load(
        &self,
        fetch: &dyn FetchKeys,
        limits: &FetchLimits,
        rules: &KeyRules,
        issuer: &str,
    ) -> Result<Loaded, RefreshError> {
        let found;
        let url = match self {
            Self::Keys(url) => url,
            Self::Discovery {
                document,
                issuer,
                rule,
            } => {
                let fetched = get(fetch, document, limits).await?;
                found = keys_url(&fetched, issuer, *rule)?;
                &found
            }
        };
        let fetched = get(fetch, url, limits).await?;
        Ok(Loaded {
            keys: jwk::key_set(&fetched.body, rules, issuer)?,
            max_age: fetched.max_age,
        })
    }
}

/// The limit holds for a fetcher of the application, too.
async fn get(
    fetch: &dyn FetchKeys,
    url: &Uri,
    limits: &FetchLimits,
) -> Result<Fetched, RefreshError> {
    let fetched = fetch
        .fetch(url, limits)
        .await
        .map_err(RefreshError::Fetch)?;
    if fetched.body.len() > limits.bytes() {
        return Err(RefreshError::Fetch(FetchError::too_large()));
    }
    Ok(fetched)
}

#[derive(Deserialize)]
struct Document {
    issuer: String,
    jwks_uri: String,
}

fn keys_url(fetched: &Fetched, issuer: &str, rule: UrlRule) -> Result<Uri, RefreshError> {
    let document: Document = serde_json::from_slice(&fetched.body)
        .map_err(|_| RefreshError::Discovery("not a discovery document"))?;
    if document.issuer != issuer {
        return Err(RefreshError::Discovery("the document is of another issuer"));
    }
    rule.check(&document.jwks_uri)
        .map_err(RefreshError::Discovery)
}

/// Why keys could not be had.
#[derive(Debug)]
pub(crate) enum RefreshError {
    Fetch(FetchError),
    TimedOut,
    /// The task ended without a result: it panicked, or its runtime shut down.
    Died,
    Discovery(&'static str),
    Set(SetError),
}

impl From<SetError> for RefreshError {
    fn from(error: SetError) -> Self {
        Self::Set(error)
    }
}

impl fmt::Display for RefreshError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fetch(_) => f.write_str("keys could not be fetched"),
            Self::TimedOut => f.write_str("keys did not come in time"),
            Self::Died => f.write_str("the fetch of keys ended without a result"),
            Self::Discovery(reason) => write!(f, "discovery failed: {reason}"),
            Self::Set(error) => write!(f, "keys are unusable: {}", error.reason()),
        }
    }
}

impl Error for RefreshError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Fetch(error) => Some(error),
            _ => None,
        }
    }
}
