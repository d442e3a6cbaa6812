use std::error::Error;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;
use tracing::{Level, event};

use crate::rejection::{Problem, Rejection, RejectionKind, RespondToRejection};

/// The responder of a layer, and what answers where it panics. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Responder {
    respond: Arc<dyn RespondToRejection>,
    problem: Arc<Problem>,
}

impl Responder {
    /// One of the application's own, or `problem`.
    pub(crate) fn new(own: Option<Arc<dyn RespondToRejection>>, problem: Problem) -> Self {
        let problem = Arc::new(problem);
        let respond = own.unwrap_or_else(|| Arc::clone(&problem) as _);
        Self { respond, problem }
    }

    /// Logs the rejection and builds its response, with the rejection in the extensions.
    pub(crate) fn answer(&self, rejection: Rejection, request: &Parts) -> Response<Bytes> {
        let respond = || {
            log(&rejection);
            self.respond.respond(&rejection, request)
        };
        let mut response = catch_unwind(AssertUnwindSafe(respond))
            .unwrap_or_else(|_| self.problem.respond(&rejection, request));
        response.extensions_mut().insert(rejection);
        response
    }
}

fn log(rejection: &Rejection) {
    let kind = rejection.kind();
    let cause = rejection.source().map(tracing::field::display);
    let deeper = rejection
        .source()
        .and_then(Error::source)
        .map(tracing::field::display);
    // The client's mistakes are everyday, ours are not; anybody can ask for a key while there is none,
    // and the fetch that failed was logged once.
    if kind.status().is_server_error() && kind != RejectionKind::KeysUnavailable {
        event!(target: "impersonation", Level::ERROR, kind = kind.as_str(), cause, deeper, "rejected");
    } else {
        event!(target: "impersonation", Level::DEBUG, kind = kind.as_str(), cause, deeper, "rejected");
    }
}
