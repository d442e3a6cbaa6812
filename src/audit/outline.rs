use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, TE, USER_AGENT};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method, Request, Uri, Version};

use crate::audit::RequestInfo;
use crate::terms::Mode;

/// What of a request is needed to record it, and to refuse something later on when it is gone: no
/// credential, no cookie.
///
/// Taking it allocates nothing where the request's parts are shared, as those of a server are.
pub(super) struct Outline {
    method: Method,
    uri: Uri,
    version: Version,
    told: [Option<HeaderValue>; TOLD.len()],
    /// What an answer may depend on. Only one that may only read is refused when the request is gone.
    asked: Option<Box<Asked>>,
}

type Asked = [Option<HeaderValue>; ASKED.len()];

/// What the record says.
static TOLD: [HeaderName; 2] = [USER_AGENT, HeaderName::from_static("x-request-id")];

static ASKED: [HeaderName; 4] = [ACCEPT, ACCEPT_LANGUAGE, CONTENT_TYPE, TE];

impl Outline {
    pub(super) fn of(request: &Parts, mode: Mode) -> Self {
        let value = |name| request.headers.get(name).cloned();
        let mut told = [const { None }; TOLD.len()];
        // All names are looked at once, which costs less than to look two up.
        for (name, value) in &request.headers {
            let place = { TOLD.iter().zip(&mut told) }.find(|(wanted, _)| name == *wanted);
            if let Some((_, place)) = place {
                place.get_or_insert_with(|| value.clone());
            }
        }
        Self {
            method: request.method.clone(),
            uri: request.uri.clone(),
            version: request.version,
            told,
            asked: match mode {
                Mode::ReadOnly => Some(Box::new(ASKED.each_ref().map(value))),
                Mode::Scoped | Mode::Full => None,
            },
        }
    }

    /// What the record says of it.
    pub(super) fn info(&self) -> RequestInfo<'_> {
        let [user_agent, request_id] = self.told.each_ref().map(Option::as_ref);
        RequestInfo::told(&self.method, &self.uri, user_agent, request_id)
    }

    /// A request that says as much and no more.
    pub(super) fn request(&self) -> Parts {
        let (mut parts, ()) = Request::new(()).into_parts();
        parts.method = self.method.clone();
        parts.uri = self.uri.clone();
        parts.version = self.version;
        let asked = self
            .asked
            .iter()
            .flat_map(|asked| ASKED.iter().zip(&**asked));
        for (name, value) in TOLD.iter().zip(&self.told).chain(asked) {
            let value = value.clone().map(|value| (name.clone(), value));
            parts.headers.extend(value);
        }
        parts
    }
}
