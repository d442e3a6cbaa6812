use std::error::Error;
use std::fmt;

/// What is wrong with the configuration of an issuer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuerError {
    issuer: Box<str>,
    kind: IssuerErrorKind,
    reason: &'static str,
}

/// The kinds of [`IssuerError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum IssuerErrorKind {
    /// The issuer's name, its region or its pool is malformed.
    Name,
    /// A URL that keys may not be fetched from.
    Url,
    /// Keys in the configuration cannot be used.
    Keys,
    /// No `.client_ids(..)`: every app client of the pool would be let in.
    MissingClientIds,
    /// No `.audiences(..)`: tokens made for other services would be let in.
    MissingAudiences,
    /// A value is blank or outside its range.
    Value,
    /// Two settings that do not go together.
    Contradiction,
}

impl IssuerError {
    pub(super) fn new(issuer: &str, kind: IssuerErrorKind, reason: &'static str) -> Self {
        Self {
            issuer: without_credentials(issuer).into(),
            kind,
            reason,
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> IssuerErrorKind {
        self.kind
    }

    /// The issuer, as it was configured, but for a password in its URL.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }
}

/// A URL as it may be shown: a password in it was put there by mistake.
fn without_credentials(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else {
        return url.to_owned();
    };
    let authority_end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    match rest[..authority_end].rfind('@') {
        Some(at) => format!("{scheme}://[redacted]{}", &rest[at..]),
        None => url.to_owned(),
    }
}

impl fmt::Display for IssuerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "issuer {:?}: {}", self.issuer, self.reason)
    }
}

impl Error for IssuerError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_in_a_url_is_not_shown() {
        let error = IssuerError::new(
            "https://user:hunter2@id.example.com/a",
            IssuerErrorKind::Url,
            "no",
        );
        assert_eq!(
            error.to_string(),
            "issuer \"https://[redacted]@id.example.com/a\": no"
        );
        assert!(!format!("{error:?}").contains("hunter2"));
        assert_eq!(
            without_credentials("https://id.example.com/@a"),
            "https://id.example.com/@a"
        );
    }
}
