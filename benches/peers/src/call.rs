//! Whole requests in process, as a server makes them: the service is cloned for each.

use std::convert::Infallible;
use std::rc::Rc;

use http::header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, HOST, HeaderName, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::runtime::Runtime;
use tower::{Service, ServiceExt};

use crate::BoxError;
use crate::tokens::changed;

/// One subject: sends that many requests, and fails on any answer but 200.
pub struct Variant {
    pub name: String,
    /// How many at a time: a batch takes about a millisecond.
    pub batch: usize,
    pub call: Box<dyn FnMut(usize)>,
}

impl Variant {
    /// A service that gets the same token each time, after it was shown to check signatures.
    ///
    /// # Errors
    ///
    /// When it refuses the token, or admits one with another signature.
    pub fn checked<S, In, Out>(
        runtime: &Rc<Runtime>,
        name: &str,
        batch: usize,
        service: S,
        token: &str,
    ) -> Result<Self, BoxError>
    where
        S: Service<Request<In>, Response = Response<Out>, Error = Infallible> + Clone + 'static,
        In: Default,
    {
        let status = |token: &str| {
            let request = request(Some(&bearer(token)));
            let Ok(response) = runtime.block_on(service.clone().oneshot(request));
            response.status()
        };
        let (good, bad) = (status(token), status(&changed(token)));
        if good != StatusCode::OK {
            return Err(format!("it answers {good} to a good token").into());
        }
        if bad != StatusCode::UNAUTHORIZED && bad != StatusCode::FORBIDDEN {
            return Err(format!("it answers {bad} to a token with another signature").into());
        }
        let token = bearer(token);
        Ok(Self::new(runtime, name, batch, service, move || {
            request(Some(&token))
        }))
    }

    /// Any requests to any service.
    pub fn new<S, In, Out>(
        runtime: &Rc<Runtime>,
        name: &str,
        batch: usize,
        service: S,
        mut request: impl FnMut() -> Request<In> + 'static,
    ) -> Self
    where
        S: Service<Request<In>, Response = Response<Out>, Error = Infallible> + Clone + 'static,
    {
        let runtime = Rc::clone(runtime);
        let call = move |times| {
            runtime.block_on(async {
                for _ in 0..times {
                    let Ok(response) = service.clone().oneshot(request()).await;
                    assert_eq!(response.status(), StatusCode::OK);
                }
            });
        };
        Self {
            name: name.into(),
            batch,
            call: Box::new(call),
        }
    }
}

/// `Authorization: Bearer <token>`.
#[must_use]
pub fn bearer(token: &str) -> HeaderValue {
    HeaderValue::try_from(format!("Bearer {token}")).expect("a header value")
}

/// A request with five headers, and the token if there is one. It copies nothing, as a server's
/// headers are views of what it read.
#[must_use]
pub fn request<B: Default>(authorization: Option<&HeaderValue>) -> Request<B> {
    let mut request = Request::new(B::default());
    let headers = request.headers_mut();
    let fixed = [
        (HOST, "api.example.com"),
        (USER_AGENT, "benchmark"),
        (ACCEPT, "*/*"),
        (ACCEPT_ENCODING, "gzip"),
        (HeaderName::from_static("x-request-id"), "1"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    if let Some(authorization) = authorization {
        headers.insert(AUTHORIZATION, authorization.clone());
    }
    request
}
