use std::error::Error;
use std::fmt;

use bytes::Bytes;
use http::Response;

use crate::rejection::{Rejection, RejectionKind};

/// A refusal while somebody impersonates: it is in the audit, and here is the answer, which the
/// layer's own responder built.
///
/// Return it and do nothing else. With the feature `axum` it is a response that handlers can return;
/// elsewhere [`into_inner`](Self::into_inner) gives the response. A gRPC handler that wants a status
/// of its own library makes one of the [`kind`](Self::kind) and the text of `Display`, which is for
/// clients.
pub struct Declined {
    rejection: Rejection,
    response: Box<Response<Bytes>>,
}

impl Declined {
    pub(crate) fn new(rejection: Rejection, response: Response<Bytes>) -> Self {
        Self {
            rejection,
            response: Box::new(response),
        }
    }

    /// What kind of refusal it is: [`RejectionKind::Unavailable`] where the audit did not take the
    /// event.
    #[must_use]
    pub fn kind(&self) -> RejectionKind {
        self.rejection.kind()
    }

    /// The answer to the client.
    #[must_use]
    pub fn into_inner(self) -> Response<Bytes> {
        *self.response
    }
}

impl fmt::Display for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.rejection.fmt(f)
    }
}

impl fmt::Debug for Declined {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Declined").field(&self.rejection).finish()
    }
}

impl Error for Declined {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.rejection.source()
    }
}
