use std::error::Error;
use std::fmt;

use crate::terms::Ask;

type BoxError = Box<dyn Error + Send + Sync>;

/// Why a strategy could not tell what a request asks for.
#[derive(Debug)]
pub struct ResolveError {
    kind: ResolveErrorKind,
    detail: &'static str,
    source: Option<BoxError>,
    ask: Option<Box<Ask>>,
}

/// The kind decides about the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ResolveErrorKind {
    /// A claim of the token is malformed or contradicts another: 401, as for any bad token.
    Token,
    /// The request is malformed or contradicts itself: 400.
    Request,
    /// A cookie, and a request that a page of another site may have made: 403.
    CrossSite,
    /// The actor impersonates already: 409.
    Nested,
    /// Not to be believed, or not offered: the one 403.
    Forbidden,
    /// It could not be found out: 503.
    Unavailable,
}

impl ResolveError {
    /// A claim is malformed, or two contradict one another. The detail is for logs.
    #[must_use]
    pub fn token(detail: &'static str) -> Self {
        Self {
            kind: ResolveErrorKind::Token,
            detail,
            source: None,
            ask: None,
        }
    }

    /// The request is malformed or contradicts itself. The detail is for logs.
    #[must_use]
    pub fn request(detail: &'static str) -> Self {
        Self {
            kind: ResolveErrorKind::Request,
            detail,
            source: None,
            ask: None,
        }
    }

    /// The actor impersonates already. The detail is for logs.
    #[must_use]
    pub fn nested(detail: &'static str) -> Self {
        Self {
            kind: ResolveErrorKind::Nested,
            detail,
            source: None,
            ask: None,
        }
    }

    /// A page of another site may have made the request.
    #[must_use]
    pub fn cross_site(detail: &'static str) -> Self {
        Self {
            kind: ResolveErrorKind::CrossSite,
            detail,
            source: None,
            ask: None,
        }
    }

    /// Refused without a decision. The detail is the rule in the audit.
    #[must_use]
    pub fn forbidden(detail: &'static str) -> Self {
        Self {
            kind: ResolveErrorKind::Forbidden,
            detail,
            source: None,
            ask: None,
        }
    }

    /// It could not be found out.
    pub fn unavailable(source: impl Into<BoxError>) -> Self {
        Self {
            kind: ResolveErrorKind::Unavailable,
            detail: "the strategy failed",
            source: Some(source.into()),
            ask: None,
        }
    }

    /// Says what was asked for, as far as that is known, for the audit.
    #[must_use]
    pub fn asking(mut self, ask: Ask) -> Self {
        self.ask = Some(Box::new(ask));
        self
    }

    /// What was asked for, as far as that is known.
    #[must_use]
    pub fn ask(&self) -> Option<&Ask> {
        self.ask.as_deref()
    }

    /// Which answer it leads to.
    #[must_use]
    pub fn kind(&self) -> ResolveErrorKind {
        self.kind
    }

    /// What is wrong, for logs and audit, never for the client.
    #[must_use]
    pub fn detail(&self) -> &'static str {
        self.detail
    }
}

impl fmt::Display for ResolveError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.detail)
    }
}

impl Error for ResolveError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
