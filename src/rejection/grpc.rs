//! A gRPC status in two headers, without a body.

use bytes::Bytes;
use http::header::{CONTENT_TYPE, TE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Response, Version};

use crate::rejection::RejectionKind;

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");

/// A gRPC call and nothing that only calls itself one: its answers are all 200, which a gateway takes
/// for a yes.
pub(super) fn is_grpc(request: &Parts) -> bool {
    let over_http2 = request.version == Version::HTTP_2;
    let trailers = |token: &str| token.trim().eq_ignore_ascii_case("trailers");
    let te = request.headers.get(TE).and_then(|te| te.to_str().ok());
    let waits_for_trailers = te.is_some_and(|te| te.split(',').any(trailers));
    if request.method != Method::POST || !(over_http2 || waits_for_trailers) {
        return false;
    }
    let kind = request
        .headers
        .get(CONTENT_TYPE)
        .map_or(&b""[..], HeaderValue::as_bytes);
    match kind.strip_prefix(b"application/grpc") {
        Some(rest) => matches!(rest.first(), None | Some(b'+' | b';' | b' ')),
        None => false,
    }
}

pub(super) fn status(kind: RejectionKind) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from_static(code(kind)));
    headers.insert(MESSAGE, HeaderValue::from_static(kind.description()));
    response
}

/// The codes of the gRPC specification, by their numbers.
const fn code(kind: RejectionKind) -> &'static str {
    const INVALID_ARGUMENT: &str = "3";
    const PERMISSION_DENIED: &str = "7";
    const FAILED_PRECONDITION: &str = "9";
    const INTERNAL: &str = "13";
    const UNAVAILABLE: &str = "14";
    const UNAUTHENTICATED: &str = "16";
    match kind.status().as_u16() {
        400 => INVALID_ARGUMENT,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        409 => FAILED_PRECONDITION,
        503 => UNAVAILABLE,
        _ => INTERNAL,
    }
}
