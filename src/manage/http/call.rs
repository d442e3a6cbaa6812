use axum::body::Body;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderValue, StatusCode};
use serde::Serialize;

use crate::manage::http::Problem;
use crate::time::Timestamp;

/// What a handler answers: one way or the other, a response.
pub(in crate::manage) type Answered = Result<Response, Box<Response>>;

/// A request at one of the routes.
pub(in crate::manage) struct Call {
    pub(in crate::manage) at: At,
    pub(in crate::manage) body: Body,
}

/// A request without its body.
pub(in crate::manage) struct At {
    pub(in crate::manage) parts: Parts,
    /// Read once.
    pub(in crate::manage) now: Timestamp,
    /// The part of the path that stands for something; empty where there is none.
    pub(in crate::manage) named: String,
}

impl Call {
    pub(in crate::manage) async fn of(
        request: Request,
        now: Timestamp,
    ) -> Result<Self, Box<Response>> {
        let (mut parts, body) = request.into_parts();
        let params = RawPathParams::from_request_parts(&mut parts, &()).await;
        let named = match &params {
            // Whoever mounts the routes may have parameters of their own before them.
            Ok(params) => { params.iter() }
                .filter(|(name, _)| OURS.contains(name))
                .last()
                .map_or("", |(_, value)| value),
            Err(_) => return Err(Problem::field("path", "the path is not UTF-8").into()),
        };
        let at = At {
            named: named.to_owned(),
            parts,
            now,
        };
        Ok(Self { at, body })
    }
}

/// The parameters in the paths of the routes.
const OURS: [&str; 2] = ["username", "id"];

/// An answer in JSON.
pub(in crate::manage) fn json(status: StatusCode, value: &impl Serialize) -> Answered {
    let body = serde_json::to_vec(value).map_err(|_| {
        let title = "the answer could not be written";
        Box::<Response>::from(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, title))
    })?;
    let mut response = Response::new(Body::from(Bytes::from(body)));
    *response.status_mut() = status;
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

pub(in crate::manage) fn no_content() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
}
