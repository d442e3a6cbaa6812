use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, StatusCode};
use serde_json::{Map, Value, json};

use crate::terms::GrantId;

/// A problem (RFC 9457) that a route of this crate tells.
pub(in crate::manage) struct Problem {
    status: StatusCode,
    members: Map<String, Value>,
    retry_after: Option<u64>,
}

impl Problem {
    pub(in crate::manage) fn new(status: StatusCode, title: &str) -> Self {
        let mut members = Map::new();
        members.insert("type".to_owned(), json!("about:blank"));
        members.insert("title".to_owned(), json!(title));
        members.insert("status".to_owned(), json!(status.as_u16()));
        Self {
            status,
            members,
            retry_after: None,
        }
    }

    /// What of the request is wrong: a member of the body, a parameter or a header.
    pub(in crate::manage) fn field(name: &str, title: &str) -> Self {
        let shown: String = name.chars().take(MAX_NAME).collect();
        Self::new(StatusCode::BAD_REQUEST, title)
            .error("invalid_request")
            .with("field", shown)
    }

    /// The code of RFC 6750 or RFC 6749.
    pub(in crate::manage) fn error(self, code: &str) -> Self {
        self.with("error", code)
    }

    /// The grant of the caller's own that stands in the way.
    pub(in crate::manage) fn grant(self, id: &GrantId) -> Self {
        self.with("grant", id.to_string())
    }

    pub(in crate::manage) fn retry_after(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds.max(1));
        self
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }
}

impl From<Problem> for Response {
    fn from(problem: Problem) -> Self {
        let mut response = Self::new(Body::from(Value::Object(problem.members).to_string()));
        *response.status_mut() = problem.status;
        let kind = HeaderValue::from_static("application/problem+json");
        response.headers_mut().insert(CONTENT_TYPE, kind);
        if let Some(seconds) = problem.retry_after {
            response.headers_mut().insert(RETRY_AFTER, seconds.into());
        }
        response
    }
}

impl From<Problem> for Box<Response> {
    fn from(problem: Problem) -> Self {
        Self::new(problem.into())
    }
}

/// A name that somebody sent comes back no longer than this.
const MAX_NAME: usize = 64;
