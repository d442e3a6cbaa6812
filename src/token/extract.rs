use std::fmt;

use http::HeaderMap;
use http::header::AUTHORIZATION;
use http::request::Parts;

/// Finds the token in a request.
///
/// Called once per request, before anything else is decided; it must neither block nor decode.
/// A closure that takes `&Parts` is an extractor:
///
/// ```
/// use tower_impersonate::token::{ExtractToken, Extraction};
///
/// // From a header of one's own, of a proxy that is alone in reaching this service.
/// fn forwarded(request: &http::request::Parts) -> Extraction<'_> {
///     match request.headers.get("x-forwarded-token") {
///         None => Extraction::Absent,
///         Some(token) => Extraction::Found(token.as_bytes().into()),
///     }
/// }
///
/// let (request, ()) = http::Request::builder()
///     .header("x-forwarded-token", "abc")
///     .body(())?
///     .into_parts();
/// assert!(matches!(forwarded.extract(&request), Extraction::Found(_)));
/// # Ok::<(), http::Error>(())
/// ```
pub trait ExtractToken: Send + Sync {
    /// What the request says. Two credentials in one request are [`Extraction::Malformed`], never
    /// a choice between them.
    fn extract<'r>(&self, request: &'r Parts) -> Extraction<'r>;

    /// Takes the token off a request, so that no handler and no upstream sees it. Called while somebody
    /// impersonates by its own token; `Authorization` is gone by then.
    fn hide(&self, headers: &mut HeaderMap) {
        let _ = headers;
    }
}

impl<F> ExtractToken for F
where
    F: for<'r> Fn(&'r Parts) -> Extraction<'r> + Send + Sync,
{
    fn extract<'r>(&self, request: &'r Parts) -> Extraction<'r> {
        self(request)
    }
}

/// What a request says about a credential.
// Exhaustive: the layer answers each differently, and another one would be a new answer.
#[derive(Debug, Clone)]
pub enum Extraction<'r> {
    /// There is none.
    Absent,
    /// There is one, of another scheme than ours.
    OtherScheme,
    /// A token, not looked into yet.
    Found(Presented<'r>),
    /// Longer than any token may be, and not read: answered like every bad token.
    TooLong,
    /// Something that is no well-formed credential: answered with 400.
    Malformed,
    /// A credential that a browser sends by itself, in a request that somebody else's page may have
    /// made: answered with 403.
    CrossSite,
}

/// A token as the request presents it: bytes that nobody has looked into, not even whether they are text. Never
/// shown.
#[derive(Clone, Copy)]
pub struct Presented<'r>(&'r [u8]);

impl<'r> Presented<'r> {
    /// The bytes themselves.
    #[must_use]
    pub fn expose(self) -> &'r [u8] {
        self.0
    }
}

impl<'r> From<&'r [u8]> for Presented<'r> {
    fn from(token: &'r [u8]) -> Self {
        Self(token)
    }
}

impl<'r> From<&'r str> for Presented<'r> {
    fn from(token: &'r str) -> Self {
        Self(token.as_bytes())
    }
}

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented([redacted])")
    }
}

/// Takes the token from `Authorization: Bearer ..` (RFC 6750, section 2.1).
///
/// Exactly one header, the scheme in any case, exactly one space, and what follows. Whether that can be a token
/// tells the [`Authenticator`](crate::token::Authenticator): one with white space or a comma, or that is no text, is
/// [`NotAToken`](crate::token::TokenErrorKind::NotAToken), which the layer answers with 400, too. Query
/// strings, bodies and cookies are not looked at.
///
/// ```
/// use tower_impersonate::token::{BearerHeader, ExtractToken, Extraction};
///
/// let (request, ()) = http::Request::builder()
///     .header("authorization", "bearer abc")
///     .body(())?
///     .into_parts();
/// let Extraction::Found(token) = BearerHeader.extract(&request) else { panic!() };
/// assert_eq!(token.expose(), b"abc");
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct BearerHeader;

impl ExtractToken for BearerHeader {
    fn extract<'r>(&self, request: &'r Parts) -> Extraction<'r> {
        let mut headers = request.headers.get_all(AUTHORIZATION).iter();
        let Some(header) = headers.next() else {
            return Extraction::Absent;
        };
        if headers.next().is_some() {
            return Extraction::Malformed;
        }
        bearer(header.as_bytes())
    }
}

/// Of another scheme nothing is looked at, whatever its bytes.
fn bearer(header: &[u8]) -> Extraction<'_> {
    let ends = |byte: &u8| b" \t,".contains(byte);
    let end = header.iter().position(ends).unwrap_or(header.len());
    let (scheme, rest) = header.split_at(end);
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return Extraction::OtherScheme;
    }
    let Some(token) = rest.strip_prefix(b" ").filter(|token| !token.is_empty()) else {
        return Extraction::Malformed;
    };
    if token.len() > LONGEST {
        return Extraction::TooLong;
    }
    Extraction::Found(token.into())
}

/// No limit can be set higher than this.
pub(super) const LONGEST: usize = 65_536;

#[cfg(test)]
mod tests {
    use http::{HeaderValue, Request};

    use super::*;

    fn extract(values: &[&[u8]]) -> &'static str {
        let mut request = Request::new(());
        for value in values {
            let value = HeaderValue::from_bytes(value).expect("a header value");
            request.headers_mut().append(AUTHORIZATION, value);
        }
        match BearerHeader.extract(&request.into_parts().0) {
            Extraction::Absent => "absent",
            Extraction::OtherScheme => "other",
            Extraction::Found(_) => "found",
            Extraction::Malformed => "malformed",
            Extraction::TooLong => "too long",
            Extraction::CrossSite => "cross-site",
        }
    }

    #[test]
    fn a01_to_a09_the_authorization_header() {
        assert_eq!(extract(&[]), "absent");
        assert_eq!(extract(&[b"Bearer a", b"Bearer b"]), "malformed");
        assert_eq!(extract(&[b"Basic a", b"Bearer b"]), "malformed");
        for found in ["Bearer a", "bearer a", "BEARER a.b.c", "Bearer a+/="] {
            assert_eq!(extract(&[found.as_bytes()]), "found", "{found}");
        }
        for malformed in ["Bearer", "Bearer ", "Bearer\ta", "Bearer,a"] {
            assert_eq!(extract(&[malformed.as_bytes()]), "malformed", "{malformed}");
        }
        assert_eq!(extract(&[b"Bearer a\xa0"]), "found", "not looked into");
        let long = |length| ["Bearer ", &"a".repeat(length)].concat();
        assert_eq!(extract(&[long(LONGEST).as_bytes()]), "found");
        assert_eq!(extract(&[long(LONGEST + 1).as_bytes()]), "too long");
        for other in ["Basic a", "DPoP a", "Negotiate", "Bearera", "", "B earer"] {
            assert_eq!(extract(&[other.as_bytes()]), "other", "{other}");
        }
    }
}
