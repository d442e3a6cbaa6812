//! What everybody may know.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, StatusCode};

use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call, Problem};
use crate::manage::openapi;

/// `GET /.well-known/jwks.json` (RFC 7517).
pub(super) async fn jwks(desk: Arc<Desk>, _: Call) -> Answered {
    Ok(in_json(desk.minter.jwks()))
}

/// `GET /openapi.json`. Nothing of it depends on the request, so it is written once.
pub(super) async fn openapi(desk: Arc<Desk>, _: Call) -> Answered {
    let written = || serde_json::to_vec(&openapi::document(&desk));
    let document = desk
        .document
        .get_or_init(|| written().ok().map(Bytes::from));
    match document {
        Some(document) => Ok(in_json(document.clone())),
        None => Err(Problem::new(StatusCode::INTERNAL_SERVER_ERROR, UNWRITTEN).into()),
    }
}

fn in_json(body: Bytes) -> Response {
    let mut response = Response::new(Body::from(body));
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

const UNWRITTEN: &str = "the answer could not be written";
