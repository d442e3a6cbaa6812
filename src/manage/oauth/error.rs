use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

/// An error of RFC 6749, section 5.2, and those of its extensions.
#[derive(Debug, Clone, Copy)]
pub(super) struct OAuthError {
    status: StatusCode,
    code: &'static str,
    description: &'static str,
}

/// An error of an OAuth endpoint (RFC 6749, section 5.2).
#[derive(Serialize, ToSchema)]
#[schema(as = OAuthError)]
pub(in crate::manage) struct OAuthErrorView {
    error: &'static str,
    error_description: &'static str,
}

impl OAuthError {
    pub(super) const fn invalid_request(description: &'static str) -> Self {
        Self::bad("invalid_request", description)
    }

    /// The client is not known, or has not proved itself.
    pub(super) const fn invalid_client() -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::bad("invalid_client", "the client did not prove itself")
        }
    }

    /// The client has proved itself and has not the right.
    pub(super) const fn unauthorized_client() -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            ..Self::bad("unauthorized_client", "the client may not do this")
        }
    }

    pub(super) const fn unavailable() -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            ..Self::bad("temporarily_unavailable", "try again in a moment")
        }
    }

    /// Any other code, with the status 400.
    pub(super) const fn bad(code: &'static str, description: &'static str) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            code,
            description,
        }
    }
}

impl From<OAuthError> for Box<Response> {
    fn from(error: OAuthError) -> Self {
        let view = OAuthErrorView {
            error: error.code,
            error_description: error.description,
        };
        let body = serde_json::to_vec(&view).unwrap_or_default();
        let mut response = Response::new(Body::from(body));
        *response.status_mut() = error.status;
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        match error.status {
            StatusCode::UNAUTHORIZED => {
                let challenge = HeaderValue::from_static("Basic realm=\"oauth2\"");
                headers.insert(WWW_AUTHENTICATE, challenge);
            }
            StatusCode::SERVICE_UNAVAILABLE => {
                headers.insert(RETRY_AFTER, HeaderValue::from_static("1"));
            }
            _ => {}
        }
        Self::new(response)
    }
}
