use std::error::Error;
use std::fmt;

use axum_core::body::Body;
use axum_core::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};

use crate::rejection::Declined;

/// Why an extractor kept the handler from running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ExtractRejection {
    /// The layer is not around this handler: 500.
    MissingLayer,
    /// The request has no credential, and the handler needs a principal: 401.
    Anonymous,
    /// The handler is for impersonated requests only: 409.
    NotImpersonating,
}

impl ExtractRejection {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MissingLayer => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Anonymous => StatusCode::UNAUTHORIZED,
            Self::NotImpersonating => StatusCode::CONFLICT,
        }
    }

    /// What the client is told.
    #[must_use]
    pub const fn body_text(self) -> &'static str {
        match self {
            Self::MissingLayer => "the service is not configured correctly",
            Self::Anonymous => "a bearer token is required",
            Self::NotImpersonating => "no impersonation is going on",
        }
    }
}

impl fmt::Display for ExtractRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.body_text())
    }
}

impl Error for ExtractRejection {}

impl IntoResponse for ExtractRejection {
    fn into_response(self) -> Response {
        let body = serde_json::json!({
            "type": "about:blank",
            "title": self.body_text(),
            "status": self.status().as_u16(),
        });
        let mut response = Response::new(Body::from(body.to_string()));
        *response.status_mut() = self.status();
        let headers = response.headers_mut();
        headers.insert(
            CONTENT_TYPE,
            HeaderValue::from_static("application/problem+json"),
        );
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if self == Self::Anonymous {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Why [`NotImpersonated`](super::NotImpersonated) kept the handler from running.
#[derive(Debug)]
#[non_exhaustive]
pub enum GuardRejection {
    /// The layer is not around this handler: 500.
    MissingLayer,
    /// Somebody impersonates: 403, or 503 where that could not be recorded.
    Declined(Declined),
}

impl fmt::Display for GuardRejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::MissingLayer => ExtractRejection::MissingLayer.fmt(f),
            Self::Declined(declined) => declined.fmt(f),
        }
    }
}

impl Error for GuardRejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::MissingLayer => None,
            Self::Declined(declined) => declined.source(),
        }
    }
}

impl IntoResponse for GuardRejection {
    fn into_response(self) -> Response {
        match self {
            Self::MissingLayer => ExtractRejection::MissingLayer.into_response(),
            Self::Declined(declined) => declined.into_response(),
        }
    }
}

impl IntoResponse for Declined {
    fn into_response(self) -> Response {
        self.into_inner().map(Body::from)
    }
}
