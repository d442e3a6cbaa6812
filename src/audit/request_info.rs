use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Uri, header};

/// What may be told of a request: never its query, body or credentials.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct RequestInfo<'a> {
    /// The method.
    pub method: &'a str,
    /// The path, without the query, at most 1,024 bytes.
    pub path: &'a str,
    /// The `user-agent` header, at most 256 bytes.
    pub user_agent: Option<&'a str>,
    /// The `x-request-id` header, at most 128 bytes.
    pub request_id: Option<&'a str>,
}

impl<'a> RequestInfo<'a> {
    pub(super) fn of(parts: &'a Parts) -> Self {
        const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
        let value = |name| parts.headers.get(name);
        let (agent, id) = (value(header::USER_AGENT), value(REQUEST_ID));
        Self::told(&parts.method, &parts.uri, agent, id)
    }

    pub(super) fn told(
        method: &'a Method,
        uri: &'a Uri,
        user_agent: Option<&'a HeaderValue>,
        request_id: Option<&'a HeaderValue>,
    ) -> Self {
        let text = |value: Option<&'a HeaderValue>, max| Some(bounded(value?.to_str().ok()?, max));
        Self {
            method: bounded(method.as_str(), 32),
            path: bounded(uri.path(), 1024),
            user_agent: text(user_agent, 256),
            request_id: text(request_id, 128),
        }
    }
}

fn bounded(text: &str, max: usize) -> &str {
    if text.len() <= max {
        return text;
    }
    let end = { (0..=max).rev() }.find(|at| text.is_char_boundary(*at));
    &text[..end.unwrap_or(0)]
}
