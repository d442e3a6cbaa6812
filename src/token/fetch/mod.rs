//! Fetching key sets and discovery documents.

mod error;
mod limits;

#[cfg(feature = "jwks")]
mod http_client;
#[cfg(feature = "jwks")]
use self::http_client as default;
#[cfg(feature = "jwks")]
pub use self::http_client::HttpClient;

#[cfg(not(feature = "jwks"))]
mod absent;
#[cfg(not(feature = "jwks"))]
use self::absent as default;

use std::time::Duration;

use bytes::Bytes;
use http::Uri;

use crate::answer::Answer;

pub(crate) use self::default::default_client;
pub use self::error::{FetchError, FetchErrorKind};
pub use self::limits::FetchLimits;

/// Fetches a document from an issuer.
///
/// Called on a task of its own, at most once at a time per issuer, never while a request holds
/// anything; what takes longer than [`FetchLimits::whole`] is dropped. Redirects must not be
/// followed, and any status but 200 is an error. The URL comes from the configuration or from a
/// discovery document, never from a token.
///
/// A closure is a fetcher:
///
/// ```
/// use tower_impersonate::answer::Answer;
/// use tower_impersonate::token::{FetchError, FetchKeys, FetchLimits, Fetched};
///
/// let fetch = |url: &http::Uri, _: &FetchLimits| {
///     let found = (url.path() == "/jwks.json").then(|| Fetched::new(r#"{"keys":[]}"#));
///     Answer::now(found.ok_or_else(|| FetchError::status(404)))
/// };
/// let url = http::Uri::from_static("https://issuer.example.com/jwks.json");
/// let answer = fetch.fetch(&url, &FetchLimits::default()).try_now();
/// assert!(matches!(answer, Ok(Ok(_))));
/// ```
pub trait FetchKeys: Send + Sync {
    /// The body found at `url`, within `limits`.
    fn fetch(&self, url: &Uri, limits: &FetchLimits) -> Answer<Result<Fetched, FetchError>>;
}

impl<F, R> FetchKeys for F
where
    F: Fn(&Uri, &FetchLimits) -> R + Send + Sync,
    R: Into<Answer<Result<Fetched, FetchError>>>,
{
    fn fetch(&self, url: &Uri, limits: &FetchLimits) -> Answer<Result<Fetched, FetchError>> {
        self(url, limits).into()
    }
}

/// A document that was fetched.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Fetched {
    /// The decoded body.
    pub body: Bytes,
    /// How long the server lets it be kept: `max-age` of `Cache-Control`.
    pub max_age: Option<Duration>,
}

impl Fetched {
    /// A document of which the server does not say how long it may be kept.
    pub fn new(body: impl Into<Bytes>) -> Self {
        Self {
            body: body.into(),
            max_age: None,
        }
    }

    /// Says how long it may be kept; the key source cuts it to between a minute and twelve hours.
    #[must_use]
    pub fn with_max_age(mut self, max_age: Duration) -> Self {
        self.max_age = Some(max_age);
        self
    }
}
