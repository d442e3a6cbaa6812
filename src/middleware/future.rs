use std::fmt;
use std::future::Future;
use std::panic::catch_unwind;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use tokio::time::Sleep;
use tower_service::Service;

use crate::middleware::body::ResponseBody;
use crate::middleware::config::Config;
use crate::middleware::pipeline::{Pipeline, Verdict};
use crate::middleware::respond::{self, Method};
use crate::middleware::session::Session;

pin_project! {
    /// The response of an [`ImpersonationService`](super::ImpersonationService).
    ///
    /// When everything is known at once, it is the inner service's future and nothing is boxed. When
    /// something has to be waited for, the waiting request sits in one box.
    pub struct ResponseFuture<S, B>
    where
        S: Service<Request<B>>,
    {
        #[pin]
        state: State<S, B>,
        config: Arc<Config>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<S, B>
    where
        S: Service<Request<B>>,
    {
        Deciding { waiting: Option<Box<Deciding<S, B>>> },
        Running { #[pin] future: S::Future, session: Option<Box<Session>>, method: Method },
        Rejected { response: Option<Response<Bytes>> },
    }
}

/// A request that waits for a decision.
pub(super) struct Deciding<S, B> {
    pipeline: Pipeline,
    service: S,
    parts: Parts,
    body: B,
    deadline: Option<Deadline>,
}

/// When the step that is waited for must be done.
struct Deadline {
    step: u32,
    sleep: Pin<Box<Sleep>>,
}

impl Deadline {
    /// `None` outside a tokio runtime with a timer, where tokio panics.
    fn start(step: u32, after: Duration) -> Option<Self> {
        let sleep = catch_unwind(|| Box::pin(tokio::time::sleep(after))).ok()?;
        Some(Self { step, sleep })
    }
}

impl<S, B> Deciding<S, B> {
    pub(super) fn new(pipeline: Pipeline, service: S, parts: Parts, body: B) -> Self {
        Self {
            pipeline,
            service,
            parts,
            body,
            deadline: None,
        }
    }

    fn poll(&mut self, config: &Config, cx: &mut Context<'_>) -> Poll<Verdict> {
        loop {
            let verdict = self.pipeline.advance(config, &self.parts, Some(cx));
            if verdict.is_ready() {
                return verdict;
            }
            let Some(step) = self.pipeline.bounded_step() else {
                return Poll::Pending;
            };
            if self
                .deadline
                .as_ref()
                .is_none_or(|deadline| deadline.step != step)
            {
                self.deadline = Deadline::start(step, config.deadline);
            }
            // Without a timer nothing may be waited for.
            if let Some(deadline) = &mut self.deadline {
                ready!(deadline.sleep.as_mut().poll(cx));
            }
            self.pipeline.give_up(config);
        }
    }
}

impl<S, B> ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    pub(super) fn wait(config: &Arc<Config>, deciding: Deciding<S, B>) -> Self {
        let state = State::Deciding {
            waiting: Some(Box::new(deciding)),
        };
        Self {
            state,
            config: Arc::clone(config),
        }
    }

    /// Does what was decided, with a service that is ready.
    #[inline]
    pub(super) fn run(
        config: &Arc<Config>,
        service: &mut S,
        parts: Parts,
        body: B,
        verdict: Verdict,
    ) -> Self {
        Self {
            state: State::run(config, service, parts, body, verdict),
            config: Arc::clone(config),
        }
    }
}

impl<S, B> State<S, B>
where
    S: Service<Request<B>>,
{
    #[inline]
    fn run(config: &Config, service: &mut S, mut parts: Parts, body: B, verdict: Verdict) -> Self {
        let passage = match verdict {
            Verdict::Pass(passage) => passage,
            Verdict::Reject(rejection) => {
                let response = respond::reject(config, rejection, &parts);
                return Self::Rejected {
                    response: Some(response),
                };
            }
        };
        let mut session = match passage.enter(config, &mut parts) {
            Ok(session) => session,
            Err(rejection) => {
                let response = respond::reject(config, rejection, &parts);
                return Self::Rejected {
                    response: Some(response),
                };
            }
        };
        let method = Method::from(&parts.method);
        let request = Request::from_parts(parts, body);
        let future = {
            let _entered = session.as_deref_mut().map(Session::enter);
            service.call(request)
        };
        Self::Running {
            future,
            session,
            method,
        }
    }
}

impl<S, B, ResBody> Future for ResponseFuture<S, B>
where
    S: Service<Request<B>, Response = Response<ResBody>>,
    ResBody: Body,
{
    type Output = Result<Response<ResponseBody<ResBody>>, S::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let mut this = self.project();
        loop {
            match this.state.as_mut().project() {
                StateProj::Deciding { waiting } => {
                    let Some(deciding) = waiting else {
                        return Poll::Pending;
                    };
                    let verdict = ready!(deciding.poll(this.config, cx));
                    let Some(deciding) = waiting.take() else {
                        return Poll::Pending;
                    };
                    let Deciding {
                        mut service,
                        parts,
                        body,
                        ..
                    } = *deciding;
                    let next = State::run(this.config, &mut service, parts, body, verdict);
                    this.state.set(next);
                }
                StateProj::Running {
                    future,
                    session,
                    method,
                } => {
                    let polled = match session {
                        Some(session) => session.run(|| future.poll(cx)),
                        None => future.poll(cx),
                    };
                    return match ready!(polled) {
                        Ok(response) => {
                            let session = session.take();
                            Poll::Ready(Ok(respond::pass(this.config, response, session, *method)))
                        }
                        Err(error) => {
                            if let Some(session) = session {
                                session.fail();
                            }
                            Poll::Ready(Err(error))
                        }
                    };
                }
                StateProj::Rejected { response } => {
                    let Some(response) = response.take() else {
                        return Poll::Pending;
                    };
                    return Poll::Ready(Ok(response.map(ResponseBody::own)));
                }
            }
        }
    }
}

impl<S, B> fmt::Debug for ResponseFuture<S, B>
where
    S: Service<Request<B>>,
{
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}
