//! What the layer does to responses, its own and the handler's.

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_LENGTH, Entry, SET_COOKIE, VARY};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};
use http_body::Body;

use crate::browser;
use crate::middleware::body::ResponseBody;
use crate::middleware::config::Config;
use crate::middleware::session::{Rest, Session};
use crate::rejection::{Rejection, RejectionKind};

/// Builds the response for a rejection, whatever the responder does.
pub(super) fn reject(config: &Config, rejection: Rejection, parts: &Parts) -> Response<Bytes> {
    let mut response = config.responder.answer(rejection, parts);
    add_vary(config, response.headers_mut());
    let ended = { response.extensions().get::<Rejection>() }
        .is_some_and(|rejection| rejection.kind() == RejectionKind::GrantEnded);
    if ended {
        // The next request is the actor's own again.
        let cleared =
            { config.settlement.cookies().iter() }.filter_map(|name| browser::clear(name));
        for header in cleared {
            response.headers_mut().append(SET_COOKIE, header);
        }
    }
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
    let told = Told::by(&parts.headers);
    forbid_storing(&mut parts.headers, &told);
    let length = told.length.or_else(|| body.size_hint().exact());
    let nothing = method == Method::Head
        || (method == Method::Connect && parts.status.is_success())
        || parts.status.is_informational()
        || matches!(
            parts.status,
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED
        )
        || length == Some(0)
        || body.is_end_stream();
    if told.failed {
        session.fail_at_end();
    }
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
    /// What follows a success is a tunnel (RFC 9110, section 9.3.6), and no body.
    Connect,
    Other,
}

impl From<&http::Method> for Method {
    fn from(method: &http::Method) -> Self {
        match *method {
            http::Method::HEAD => Self::Head,
            http::Method::CONNECT => Self::Connect,
            _ => Self::Other,
        }
    }
}

/// What a response's headers say that matters here, found by one look at all of them.
#[derive(Debug, Default)]
struct Told {
    /// `Content-Length`.
    length: Option<u64>,
    /// A gRPC call failed, which its HTTP status does not tell.
    failed: bool,
    /// Some cache is told otherwise than the others.
    to_one_cache: bool,
}

impl Told {
    fn by(headers: &HeaderMap) -> Self {
        let mut told = Self::default();
        for (name, value) in headers {
            if *name == CONTENT_LENGTH {
                let length = || value.to_str().ok()?.parse().ok();
                told.length = told.length.or_else(length);
            } else if *name == GRPC_STATUS {
                told.failed |= is_failure(value);
            } else {
                told.to_one_cache |= is_for_one_cache(name);
            }
        }
        told
    }
}

/// No cache may keep what somebody saw as somebody else, and none may be told otherwise: fields for
/// one cache alone (RFC 9213) come before `Cache-Control`.
fn forbid_storing(headers: &mut HeaderMap, told: &Told) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if !told.to_one_cache {
        return;
    }
    while let Some(name) = { headers.keys() }
        .find(|name| is_for_one_cache(name))
        .cloned()
    {
        headers.remove(name);
    }
}

fn is_for_one_cache(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.ends_with("cdn-cache-control") || name == "surrogate-control" || name == "expires"
}

/// Whether trailers say that a gRPC call failed.
pub(super) fn is_grpc_failure(trailers: &HeaderMap) -> bool {
    trailers.get(&GRPC_STATUS).is_some_and(is_failure)
}

fn is_failure(status: &HeaderValue) -> bool {
    status != "0"
}

static GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");

fn add_vary(config: &Config, headers: &mut HeaderMap) {
    let Some(vary) = &config.vary else { return };
    match headers.entry(VARY) {
        Entry::Vacant(absent) => {
            absent.insert(vary.clone());
        }
        // A route of this crate's own refuses as the layer does, inside of it.
        Entry::Occupied(mut there) => {
            if there.iter().all(|one| one != vary) {
                there.append(vary.clone());
            }
        }
    }
}
