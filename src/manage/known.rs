//! What everybody may know.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call, json};
use crate::manage::openapi;

/// `GET /.well-known/jwks.json` (RFC 7517).
pub(super) async fn jwks(desk: Arc<Desk>, _: Call) -> Answered {
    let mut response = Response::new(Body::from(desk.minter.jwks()));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    Ok(response)
}

/// `GET /openapi.json`.
pub(super) async fn openapi(desk: Arc<Desk>, _: Call) -> Answered {
    json(StatusCode::OK, &openapi::document(&desk))
}
