use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use http::header::CACHE_CONTROL;
use http::{HeaderMap, StatusCode, Uri};
use reqwest::redirect::Policy;
use reqwest::{Client, Response};

use crate::answer::Answer;
use crate::token::fetch::{FetchError, FetchKeys, FetchLimits, Fetched};

/// The built-in HTTPS client (feature `jwks`).
///
/// Follows no redirect, undoes no compression, keeps no cookie. Certificates are checked against
/// the trust store of the operating system; proxies are taken from the environment.
///
/// ```
/// use tower_impersonate::token::HttpClient;
///
/// let client = HttpClient::new()?;
/// assert_eq!(format!("{client:?}"), "HttpClient { .. }");
/// # Ok::<(), tower_impersonate::token::FetchError>(())
/// ```
#[derive(Clone)]
pub struct HttpClient(Client);

impl HttpClient {
    /// A client with its own pool of connections.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up, for instance without any trusted certificate.
    pub fn new() -> Result<Self, FetchError> {
        let limits = FetchLimits::default();
        Client::builder()
            .redirect(Policy::none())
            .referer(false)
            .connect_timeout(limits.connect())
            .timeout(limits.whole())
            .build()
            .map(Self)
            .map_err(FetchError::connection)
    }
}

impl FetchKeys for HttpClient {
    fn fetch(&self, url: &Uri, limits: &FetchLimits) -> Answer<Result<Fetched, FetchError>> {
        let request = self.0.get(url.to_string());
        let limit = limits.bytes();
        Answer::later(async move {
            let response = request.send().await.map_err(failed)?;
            if response.status() != StatusCode::OK {
                return Err(FetchError::status(response.status().as_u16()));
            }
            let max_age = max_age(response.headers());
            let body = body(response, limit).await?;
            Ok(Fetched { body, max_age })
        })
    }
}

/// Counts what arrives, because a declared length may lie.
async fn body(mut response: Response, limit: usize) -> Result<bytes::Bytes, FetchError> {
    let mut body = BytesMut::new();
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > limit {
            return Err(FetchError::too_large());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn failed(error: reqwest::Error) -> FetchError {
    if error.is_timeout() {
        FetchError::timed_out()
    } else {
        FetchError::connection(error.without_url())
    }
}

fn max_age(headers: &HeaderMap) -> Option<Duration> {
    let directives = headers.get(CACHE_CONTROL)?.to_str().ok()?;
    let seconds = directives.split(',').find_map(|directive| {
        let (name, value) = directive.split_once('=')?;
        let named = name.trim().eq_ignore_ascii_case("max-age");
        named.then(|| value.trim().trim_matches('"').parse().ok())?
    });
    seconds.map(Duration::from_secs)
}

pub(crate) fn default_client() -> Result<Option<Arc<dyn FetchKeys>>, FetchError> {
    Ok(Some(Arc::new(HttpClient::new()?)))
}

impl fmt::Debug for HttpClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpClient").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
