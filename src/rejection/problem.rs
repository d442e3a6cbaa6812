use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderValue, Response};
use serde::Serialize;

use super::grpc;
use crate::rejection::{Rejection, RejectionKind, RespondToRejection};
use crate::token::UrlRule;

/// The default answer: problem+json, or a gRPC status for a gRPC request.
///
/// The members are `type`, `title`, `status` and, where there is a
/// [code](RejectionKind::problem_code) for it, `error`. Nothing in it depends on more than the kind.
#[derive(Debug, Clone)]
pub struct Problem {
    realm: Box<str>,
    resource_metadata: Option<Box<str>>,
}

impl Problem {
    /// Answers that name `realm` in their challenge.
    ///
    /// Returns `None` when the realm is empty or has characters other than visible ASCII and spaces,
    /// or a quote or backslash, which could not stand in the header as they are.
    #[must_use]
    pub fn in_realm(realm: &str) -> Option<Self> {
        let sound = |c: char| c == ' ' || stands_as_it_is(c);
        (!realm.is_empty() && realm.chars().all(sound)).then(|| Self {
            realm: realm.into(),
            resource_metadata: None,
        })
    }

    /// Names in every challenge where this resource's metadata are (RFC 9728, section 5.1).
    ///
    /// Returns `None` when the URL is neither `https` nor `http` to this machine (`127.0.0.1`, `[::1]`,
    /// `localhost`), has credentials or a fragment, or has characters that could not stand in the header
    /// as they are.
    ///
    /// ```
    /// use tower_impersonate::rejection::{Problem, RejectionKind};
    ///
    /// let url = "https://desk.example.com/.well-known/oauth-protected-resource";
    /// let problem = Problem::default().with_resource_metadata(url).expect("a URL that can be told");
    /// let challenge = problem.challenge(RejectionKind::MissingCredential).expect("a challenge");
    /// assert_eq!(challenge, format!(r#"Bearer realm="api", resource_metadata="{url}""#));
    /// ```
    #[must_use]
    pub fn with_resource_metadata(self, url: &str) -> Option<Self> {
        let sound = url.chars().all(stands_as_it_is) && UrlRule::HttpsOrLoopback.check(url).is_ok();
        sound.then(|| Self {
            resource_metadata: Some(url.into()),
            ..self
        })
    }

    /// The `WWW-Authenticate` challenge for this kind; `None` where authentication is not the matter.
    #[must_use]
    pub fn challenge(&self, kind: RejectionKind) -> Option<HeaderValue> {
        let realm = &self.realm;
        let mut text = match kind {
            RejectionKind::MissingCredential | RejectionKind::OtherScheme => {
                format!("Bearer realm=\"{realm}\"")
            }
            RejectionKind::StaleLogin { max_age } => {
                let (code, max_age) = (kind.error_code()?, max_age.as_secs());
                format!("Bearer realm=\"{realm}\", error=\"{code}\", max_age=\"{max_age}\"")
            }
            kind => format!("Bearer realm=\"{realm}\", error=\"{}\"", kind.error_code()?),
        };
        if let Some(url) = &self.resource_metadata {
            text.extend([", resource_metadata=\"", url, "\""]);
        }
        HeaderValue::try_from(text).ok()
    }

    fn body(kind: RejectionKind) -> Bytes {
        let body = Members {
            error: kind.problem_code(),
            status: kind.status().as_u16(),
            title: kind.description(),
            r#type: "about:blank",
        };
        // Texts and a number: there is nothing that could not be written.
        serde_json::to_vec(&body).unwrap_or_default().into()
    }
}

/// The members of a problem (RFC 9457, section 3).
#[derive(Serialize)]
struct Members {
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'static str>,
    status: u16,
    title: &'static str,
    r#type: &'static str,
}

/// Whether a character needs no escaping between quotes (RFC 9110, section 5.6.4).
fn stands_as_it_is(c: char) -> bool {
    c.is_ascii_graphic() && c != '"' && c != '\\'
}

impl Default for Problem {
    /// The realm `api`.
    fn default() -> Self {
        Self {
            realm: "api".into(),
            resource_metadata: None,
        }
    }
}

impl RespondToRejection for Problem {
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<Bytes> {
        let kind = rejection.kind();
        let mut response = if grpc::is_grpc(request) {
            grpc::status(kind)
        } else {
            let mut response = Response::new(Self::body(kind));
            *response.status_mut() = kind.status();
            let problem = HeaderValue::from_static("application/problem+json");
            response.headers_mut().insert(CONTENT_TYPE, problem);
            response
        };
        let headers = response.headers_mut();
        if let Some(challenge) = self.challenge(kind) {
            headers.insert(WWW_AUTHENTICATE, challenge);
        }
        if kind.status().as_u16() == 503 {
            // Rounded up, so that nobody comes back too early.
            let whole = |delay: Duration| delay.as_secs() + u64::from(delay.subsec_nanos() > 0);
            let seconds = rejection.retry_delay().map_or(1, whole).max(1);
            headers.insert(RETRY_AFTER, seconds.into());
        }
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        response
    }
}
