use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::mint::minter::Parts;
use crate::mint::payload;
use crate::mint::ring::Ring;
use crate::mint::{Minter, MinterError, SigningKey};
use crate::token::UrlRule;

/// The configuration of a [`Minter`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct MinterBuilder {
    issuer: String,
    key: Option<SigningKey>,
    key_file: Option<PathBuf>,
    next: Option<SigningKey>,
    previous: Option<SigningKey>,
    audiences: Vec<String>,
    own_audience: Option<String>,
    scopes: Vec<String>,
    lifetime: Duration,
}

impl MinterBuilder {
    pub(super) fn new(issuer: String) -> Self {
        Self {
            issuer,
            key: None,
            key_file: None,
            next: None,
            previous: None,
            audiences: Vec::new(),
            own_audience: None,
            scopes: Vec::new(),
            lifetime: DEFAULT_LIFETIME,
        }
    }

    /// Signs with the key of this file, which is made at the first start: see [`SigningKey::file`].
    pub fn key_file(mut self, path: impl Into<PathBuf>) -> Self {
        self.key_file = Some(path.into());
        self
    }

    /// Signs with this key.
    pub fn key(mut self, key: SigningKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Publishes this key, too, so that everybody knows it before it signs.
    pub fn next_key(mut self, key: SigningKey) -> Self {
        self.next = Some(key);
        self
    }

    /// Still publishes this key, so that what it signed is accepted until it expires.
    pub fn previous_key(mut self, key: SigningKey) -> Self {
        self.previous = Some(key);
        self
    }

    /// The services that tokens may be made for, each token for one (`aud`). A single one is the default.
    pub fn audiences(mut self, audiences: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.audiences.extend(audiences.into_iter().map(Into::into));
        self
    }

    /// Which of the [`audiences`](Self::audiences) this service itself is: its own routes take no token
    /// that was made for another one (RFC 9068, section 4). Needed where there are several.
    pub fn own_audience(mut self, audience: impl Into<String>) -> Self {
        self.own_audience = Some(audience.into());
        self
    }

    /// The scopes (RFC 6749, section 3.3) to which an impersonation may be narrowed: no token for a person says
    /// another one. None by default, so that nobody gets a scope that its target never had.
    ///
    /// A service that goes by scopes gives what they say; whoever may name them decides what that is. A policy
    /// sees those that are asked for ([`Attempt::scopes`](crate::policy::Attempt::scopes)).
    pub fn scopes(mut self, scopes: impl IntoIterator<Item = impl Into<String>>) -> Self {
        self.scopes.extend(scopes.into_iter().map(Into::into));
        self
    }

    /// How long a token counts at most: 15 minutes by default, one minute to one hour.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// Checks everything, and reads or makes the key file.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the configuration or the keys, the first thing found.
    pub fn build(self) -> Result<Minter, MinterError> {
        if !acceptable_issuer(&self.issuer) {
            return Err(MinterError::Issuer);
        }
        let blank = |audience: &String| audience.trim().is_empty();
        if self.audiences.is_empty() || self.audiences.iter().any(blank) {
            return Err(MinterError::Audiences);
        }
        let own_audience = match (&*self.audiences, self.own_audience) {
            ([only], None) => only.clone(),
            (several, Some(own)) if several.contains(&own) => own,
            _ => return Err(MinterError::OwnAudience),
        };
        if payload::scope(self.scopes.iter().map(String::as_str)).is_err() {
            return Err(MinterError::Scopes);
        }
        if !(MIN_LIFETIME..=MAX_LIFETIME).contains(&self.lifetime) {
            return Err(MinterError::Lifetime);
        }
        let key = match (self.key, self.key_file) {
            (Some(key), None) => key,
            (None, Some(path)) => SigningKey::file(path)?,
            (None, None) => return Err(MinterError::MissingKey),
            (Some(_), Some(_)) => return Err(MinterError::TwoKeys),
        };
        Minter::new(Parts {
            issuer: self.issuer.into(),
            audiences: self.audiences.into_iter().map(Into::into).collect(),
            own_audience: own_audience.into(),
            scopes: self.scopes.into_iter().map(Into::into).collect(),
            lifetime: self.lifetime,
            ring: Ring::new(self.next, key, self.previous)?,
        })
    }
}

impl fmt::Debug for MinterBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MinterBuilder")
            .field("audiences", &self.audiences)
            .field("own_audience", &self.own_audience)
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// RFC 8414, section 2: neither query nor fragment.
fn acceptable_issuer(issuer: &str) -> bool {
    let plain = issuer.len() <= MAX_ISSUER && !issuer.contains('?');
    let printable = issuer.bytes().all(|byte| byte.is_ascii_graphic());
    plain && printable && UrlRule::HttpsOrLoopback.check(issuer).is_ok()
}

const DEFAULT_LIFETIME: Duration = Duration::from_secs(15 * 60);
const MIN_LIFETIME: Duration = Duration::from_secs(60);
pub(super) const MAX_LIFETIME: Duration = Duration::from_secs(60 * 60);
const MAX_ISSUER: usize = 512;
