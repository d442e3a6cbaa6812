use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::guard::GuardFuture;
use crate::middleware::{BoxError, ResponseBody};
use crate::principal::Principal;
use crate::rejection::{Problem, Rejection, RejectionKind, RespondToRejection};

/// A service that does not run while somebody impersonates.
#[derive(Debug, Clone)]
pub struct Guarded<S> {
    inner: S,
}

impl<S> Guarded<S> {
    pub(super) fn new(inner: S) -> Self {
        Self { inner }
    }

    /// The wrapped service.
    pub fn get_ref(&self) -> &S {
        &self.inner
    }

    /// The wrapped service, to change it.
    pub fn get_mut(&mut self) -> &mut S {
        &mut self.inner
    }

    /// Unwraps the service.
    pub fn into_inner(self) -> S {
        self.inner
    }
}

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for Guarded<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>>,
    ResBody: Body,
    ResBody::Data: From<Bytes>,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = GuardFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let principal = request.extensions().get::<Principal>();
        match principal.map(|principal| principal.impersonation().cloned()) {
            Some(None) => GuardFuture::run(self.inner.call(request)),
            Some(Some(impersonation)) => {
                let (parts, _) = request.into_parts();
                let kind = RejectionKind::NotWhileImpersonating;
                GuardFuture::refuse(async move {
                    impersonation.decline(kind, &parts).await.into_inner()
                })
            }
            None => GuardFuture::answer(without_layer(&request.into_parts().0)),
        }
    }
}

/// Whose responder would answer is not known.
fn without_layer(request: &Parts) -> Response<Bytes> {
    tracing::error!(
        target: "impersonation",
        path = request.uri.path(),
        "no principal in the request's extensions: is the layer around this guard?"
    );
    let rejection = Rejection::new(RejectionKind::LayerMissing);
    let mut response = Problem::default().respond(&rejection, request);
    response.extensions_mut().insert(rejection);
    response
}
