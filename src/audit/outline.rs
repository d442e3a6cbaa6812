use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, TE, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

/// What of a request is needed to refuse something later on, when the request is gone: no credential,
/// no cookie.
///
/// Taking it allocates nothing where the request's parts are shared, as those of a server are.
pub(super) struct Outline {
    method: Method,
    uri: Uri,
    version: Version,
    headers: [Option<HeaderValue>; COUNT],
}

const COUNT: usize = 6;

static KEPT: [HeaderName; COUNT] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_TYPE,
    TE,
    USER_AGENT,
    HeaderName::from_static("x-request-id"),
];

impl Outline {
    pub(super) fn of(request: &Parts) -> Self {
        Self {
            method: request.method.clone(),
            uri: request.uri.clone(),
            version: request.version,
            headers: KEPT
                .each_ref()
                .map(|name| request.headers.get(name).cloned()),
        }
    }

    /// A request that says as much and no more.
    pub(super) fn request(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        for (name, value) in KEPT.iter().cloned().zip(&self.headers) {
            parts
                .headers
                .extend(value.clone().map(|value| (name, value)));
        }
        parts
    }
}
