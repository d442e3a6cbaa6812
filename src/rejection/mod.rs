//! What a client is told when the layer does not let it through: little, and always the same.
//!
//! A [`Rejection`] has a [`RejectionKind`], which alone decides about status, headers and body, and
//! a cause, which goes into logs and into the response's extensions, never to the client. All bad
//! tokens look alike, and so do all targets that somebody may not have: an answer that differed
//! would tell which tokens are nearly right and which users exist.
//!
//! The default answer is problem+json (RFC 9457) with the challenge of RFC 6750; a gRPC call (POST,
//! over HTTP/2 or with `te: trailers`) gets a gRPC status. [`RespondToRejection`] replaces both.
//!
//! ```
//! use http::StatusCode;
//! use tower_impersonate::rejection::RejectionKind;
//!
//! assert_eq!(RejectionKind::InvalidToken.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(RejectionKind::KeysUnavailable.status(), StatusCode::SERVICE_UNAVAILABLE);
//! assert_eq!(RejectionKind::Forbidden.error_code(), Some("insufficient_scope"));
//! ```

mod declined;
mod fault;
mod grpc;
mod kind;
mod problem;
mod responder;

pub use self::declined::Declined;
pub(crate) use self::fault::{DeniedBy, Fault};
pub use self::kind::RejectionKind;
pub use self::problem::Problem;
pub(crate) use self::responder::Responder;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

/// Why the layer, or a guard inside it, answered in place of the handler. In the extensions of every
/// such response.
#[derive(Clone)]
pub struct Rejection {
    kind: RejectionKind,
    retry_after: Option<Duration>,
    cause: Option<Arc<dyn Error + Send + Sync>>,
}

impl Rejection {
    pub(crate) fn new(kind: RejectionKind) -> Self {
        Self {
            kind,
            retry_after: None,
            cause: None,
        }
    }

    pub(crate) fn because(kind: RejectionKind, cause: impl Error + Send + Sync + 'static) -> Self {
        Self {
            kind,
            retry_after: None,
            cause: Some(Arc::new(cause)),
        }
    }

    pub(crate) fn retry_after(mut self, after: Option<Duration>) -> Self {
        self.retry_after = after;
        self
    }

    /// What kind of rejection it is.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.kind
    }

    /// When it makes sense to try again, where that is known.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.description())
    }
}

impl fmt::Debug for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Rejection")
            .field("kind", &self.kind)
            .field("cause", &self.cause)
            .finish()
    }
}

impl Error for Rejection {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

/// Builds the response for a rejection.
///
/// Called once per rejected request; it must not block. The layer adds the [`Rejection`] to the
/// response's extensions, and `Vary` where it is due. Whoever replaces [`Problem`] keeps the status
/// and the `WWW-Authenticate` challenge ([`Problem::challenge`]), or clients cannot tell what to do.
pub trait RespondToRejection: Send + Sync {
    /// The response. Tell the client no more than the kind does.
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<Bytes>;
}

impl<F> RespondToRejection for F
where
    F: Fn(&Rejection, &Parts) -> Response<Bytes> + Send + Sync,
{
    fn respond(&self, rejection: &Rejection, request: &Parts) -> Response<Bytes> {
        self(rejection, request)
    }
}
