use std::fmt;
use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use tower_service::Service;

use crate::middleware::BoxError;
use crate::middleware::body::ResponseBody;
use crate::middleware::config::Config;
use crate::middleware::future::{Deciding, ResponseFuture};
use crate::middleware::pipeline::Pipeline;

/// A service behind the [`ImpersonationLayer`](super::ImpersonationLayer).
#[derive(Clone)]
pub struct ImpersonationService<S> {
    inner: S,
    config: Arc<Config>,
}

impl<S> ImpersonationService<S> {
    pub(super) fn new(inner: S, config: Arc<Config>) -> Self {
        Self { inner, config }
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

impl<S, ReqBody, ResBody> Service<Request<ReqBody>> for ImpersonationService<S>
where
    S: Service<Request<ReqBody>, Response = Response<ResBody>> + Clone,
    ResBody: Body,
    ResBody::Data: From<Bytes>,
    ResBody::Error: Into<BoxError>,
{
    type Response = Response<ResponseBody<ResBody>>;
    type Error = S::Error;
    type Future = ResponseFuture<S, ReqBody>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<ReqBody>) -> Self::Future {
        let (parts, body) = request.into_parts();
        let mut pipeline = Pipeline::new();
        match pipeline.advance(&self.config, &parts, None) {
            Poll::Ready(verdict) => {
                ResponseFuture::run(&self.config, &mut self.inner, parts, body, verdict)
            }
            Poll::Pending => {
                // The service that was ready goes along with the request; its clone was never polled.
                let clone = self.inner.clone();
                let service = mem::replace(&mut self.inner, clone);
                ResponseFuture::wait(&self.config, Deciding::new(pipeline, service, parts, body))
            }
        }
    }
}

impl<S: fmt::Debug> fmt::Debug for ImpersonationService<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImpersonationService")
            .field("inner", &self.inner)
            .finish_non_exhaustive()
    }
}
