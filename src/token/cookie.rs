use std::error::Error;
use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

use crate::browser::{self, Cookie, Origins};
use crate::token::{BearerHeader, ExtractToken, Extraction};

/// Takes the token from a cookie, or, where there is none of that name, from `Authorization`.
///
/// A request with both is refused. So is one that writes or upgrades and was not made by a page of the
/// application's own origins. While somebody impersonates, handlers do not see the cookie.
///
/// ```
/// use tower_impersonate::browser::Origins;
/// use tower_impersonate::token::CookieToken;
///
/// let ours = Origins::new(["https://desk.example.com"])?;
/// assert!(CookieToken::new("__Host-session", ours.clone()).is_ok());
/// assert!(CookieToken::new("session", ours).is_err());
/// # Ok::<(), tower_impersonate::browser::OriginError>(())
/// ```
#[derive(Debug, Clone)]
pub struct CookieToken {
    name: Box<str>,
    origins: Origins,
}

impl CookieToken {
    /// From the cookie of that name, for pages of these origins.
    ///
    /// # Errors
    ///
    /// [`CookieError`] when the name does not begin with `__Host-`: a browser keeps such a cookie for one
    /// host, and no neighbouring host can set it (RFC 6265bis, section 4.1.3.2).
    pub fn new(name: impl Into<Box<str>>, origins: Origins) -> Result<Self, CookieError> {
        let name = name.into();
        let sound = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
        match name.strip_prefix("__Host-") {
            Some(rest) if !rest.is_empty() && rest.bytes().all(sound) => Ok(Self { name, origins }),
            _ => Err(CookieError(())),
        }
    }
}

impl ExtractToken for CookieToken {
    fn extract<'r>(&self, request: &'r Parts) -> Extraction<'r> {
        match browser::find(&request.headers, &self.name) {
            Cookie::Absent => BearerHeader.extract(request),
            Cookie::One(token)
                if !request.headers.contains_key(AUTHORIZATION) && !token.is_empty() =>
            {
                match self.origins.allow(request) {
                    true => Extraction::Found(token.into()),
                    false => Extraction::CrossSite,
                }
            }
            Cookie::One(_) | Cookie::Malformed => Extraction::Malformed,
        }
    }

    fn hide(&self, headers: &mut HeaderMap) {
        browser::hide(headers, &self.name);
    }
}

/// A name that a cookie with a token must not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CookieError(());

impl fmt::Display for CookieError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a cookie with a token begins with `__Host-`")
    }
}

impl Error for CookieError {}
