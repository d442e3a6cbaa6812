use std::fmt;
use std::iter;
use std::sync::Arc;

use crate::measure::{Measurement, Measures};
use crate::time::{Clock, SystemClock};
use crate::token::authenticator::{Authenticator, AuthenticatorError, Inner};
use crate::token::cache::{CacheLimits, TokenCache};
use crate::token::crypto;
use crate::token::extract::LONGEST;
use crate::token::fetch::{self, FetchKeys, FetchLimits};
use crate::token::issuer::{Accepted, Issuer, Origin};
use crate::token::issuers::Issuers;
use crate::token::keys::{Remote, RemoteParts, Source};

/// Configures an [`Authenticator`].
#[must_use]
pub struct AuthenticatorBuilder {
    issuers: Vec<Issuer>,
    clock: Arc<dyn Clock>,
    fetch: Option<Arc<dyn FetchKeys>>,
    max_token_bytes: usize,
    cache: CacheLimits,
    measures: Measures,
}

impl AuthenticatorBuilder {
    pub(super) fn new() -> Self {
        Self {
            issuers: Vec::new(),
            clock: Arc::new(SystemClock::new()),
            fetch: None,
            max_token_bytes: 8192,
            cache: CacheLimits::default(),
            measures: Measures::default(),
        }
    }

    /// Adds an issuer whose tokens are accepted; at least one is needed.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.issuers.push(issuer);
        self
    }

    /// Adds several.
    pub fn issuers(mut self, issuers: impl IntoIterator<Item = Issuer>) -> Self {
        self.issuers.extend(issuers);
        self
    }

    /// Reads the time here, in place of the system's clocks.
    pub fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.clock = clock;
        self
    }

    /// Fetches keys with this, in place of the built-in client.
    pub fn fetch(mut self, fetch: Arc<dyn FetchKeys>) -> Self {
        self.fetch = Some(fetch);
        self
    }

    /// The longest token that is looked at; 8 KiB by default.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.max_token_bytes = bytes;
        self
    }

    /// How much the cache of verified tokens may hold.
    pub fn cache(mut self, limits: CacheLimits) -> Self {
        self.cache = limits;
        self
    }

    /// Tells this closure of look-ups in the cache and of fetches of keys; see
    /// [`measure`](crate::measure) for what it must not do.
    pub fn measure(mut self, measure: impl Fn(&Measurement<'_>) + Send + Sync + 'static) -> Self {
        self.measures = Measures::by(measure);
        self
    }

    pub(crate) fn measures(mut self, measures: Measures) -> Self {
        self.measures = measures;
        self
    }

    /// Checks the configuration. Nothing is fetched yet.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the configuration or the build, the first thing found.
    pub fn build(self) -> Result<Authenticator, AuthenticatorError> {
        if !crypto::AVAILABLE {
            return Err(AuthenticatorError::NoCrypto);
        }
        if !crypto::self_test() {
            return Err(AuthenticatorError::CryptoSelfTest);
        }
        if !(256..=LONGEST).contains(&self.max_token_bytes) {
            let (setting, bounds) = ("max_token_bytes", "between 256 and 65,536");
            return Err(AuthenticatorError::OutOfBounds { setting, bounds });
        }
        if !self.cache.are_sound() {
            let bounds = "at most 10,000,000 entries and 64 GiB";
            return Err(AuthenticatorError::OutOfBounds {
                setting: "the token cache",
                bounds,
            });
        }
        if self.issuers.is_empty() {
            return Err(AuthenticatorError::NoIssuer);
        }
        let mut fetch = self.fetch;
        let mut issuers = Issuers::default();
        for issuer in self.issuers {
            let Accepted {
                profile,
                names,
                origins,
            } = issuer.build()?;
            let mut sources = Vec::with_capacity(origins.len());
            for origin in origins {
                sources.push(Arc::new(match origin {
                    Origin::Static(keys, fallback) => Source::Static { keys, fallback },
                    Origin::Remote(endpoint, fallback) => {
                        Source::Remote(Arc::new(Remote::new(RemoteParts {
                            issuer: profile.facts.shared_issuer(),
                            endpoint,
                            rules: profile.rules.clone(),
                            fallback,
                            limits: FetchLimits::default(),
                            fetch: fetcher(&mut fetch)?,
                            clock: Arc::clone(&self.clock),
                            measures: self.measures.clone(),
                        })))
                    }
                }));
            }
            let last = sources.last().cloned();
            let sources = sources
                .into_iter()
                .chain(iter::from_fn(move || last.clone()));
            if !issuers.add(&profile, names.into_iter().zip(sources)) {
                return Err(AuthenticatorError::DuplicateIssuer {
                    issuer: profile.facts.issuer().into(),
                });
            }
        }
        Ok(Authenticator(Arc::new(Inner {
            issuers: Arc::new(issuers),
            cache: TokenCache::new(self.cache),
            clock: self.clock,
            max_token_bytes: self.max_token_bytes,
            measures: self.measures,
        })))
    }
}

/// The given fetcher, or the built-in one, which is made once and only if it is needed.
fn fetcher(
    given: &mut Option<Arc<dyn FetchKeys>>,
) -> Result<Arc<dyn FetchKeys>, AuthenticatorError> {
    if given.is_none() {
        *given = fetch::default_client().map_err(AuthenticatorError::HttpClient)?;
    }
    given.clone().ok_or(AuthenticatorError::NoHttpClient)
}

impl fmt::Debug for AuthenticatorBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthenticatorBuilder")
            .field("issuers", &self.issuers)
            .field("max_token_bytes", &self.max_token_bytes)
            .field("cache", &self.cache)
            .finish_non_exhaustive()
    }
}
