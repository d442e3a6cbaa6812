//! What the layer does to responses, its own and the handler's.

use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Response, StatusCode};
use http_body::Body;
use tracing::{Level, event};

use crate::middleware::body::ResponseBody;
use crate::middleware::config::Config;
use crate::middleware::session::{Rest, Session};
use crate::rejection::{Problem, Rejection, RespondToRejection};

/// Builds the response for a rejection, whatever the responder does.
pub(super) fn reject(config: &Config, rejection: Rejection, parts: &Parts) -> Response<Bytes> {
    log(&rejection);
    let respond = || config.respond.respond(&rejection, parts);
    let mut response = catch_unwind(AssertUnwindSafe(respond))
        .unwrap_or_else(|_| Problem::default().respond(&rejection, parts));
    add_vary(config, response.headers_mut());
    response.extensions_mut().insert(rejection);
    response
}

/// Turns the handler's response into ours.
pub(super) fn pass<B: Body>(
    config: &Config,
    response: Response<B>,
    session: Option<Box<Session>>,
    method: Method,
) -> Response<ResponseBody<B>> {
    let (mut parts, body) = response.into_parts();
    add_vary(config, &mut parts.headers);
    let Some(mut session) = session else {
        return Response::from_parts(parts, ResponseBody::plain(body));
    };
    parts
        .headers
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    let length = announced_length(&parts.headers).or_else(|| body.size_hint().exact());
    let nothing = method == Method::Head
        || parts.status.is_informational()
        || matches!(
            parts.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        )
        || length == Some(0)
        || body.is_end_stream();
    session.answered(
        parts.status,
        if nothing { Rest::Nothing } else { Rest::Body },
    );
    Response::from_parts(parts, ResponseBody::watched(body, session, length))
}

/// Of the request's method, what matters for the response's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Other,
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        if *method == http::Method::HEAD {
            Self::Head
        } else {
            Self::Other
        }
    }
}

fn announced_length(headers: &HeaderMap) -> Option<u64> {
    headers.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn add_vary(config: &Config, headers: &mut HeaderMap) {
    if let Some(vary) = &config.vary {
        headers.append(VARY, vary.clone());
    }
}

fn log(rejection: &Rejection) {
    let kind = rejection.kind();
    let cause = rejection.source().map(tracing::field::display);
    let deeper = rejection
        .source()
        .and_then(Error::source)
        .map(tracing::field::display);
    // The client's mistakes are everyday; ours are not.
    if kind.status().is_server_error() {
        event!(target: "impersonation", Level::ERROR, kind = kind.as_str(), cause, deeper, "rejected");
    } else {
        event!(target: "impersonation", Level::DEBUG, kind = kind.as_str(), cause, deeper, "rejected");
    }
}
