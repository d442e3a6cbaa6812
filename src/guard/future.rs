use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::Response;
use http_body::Body;
use pin_project_lite::pin_project;

use crate::answer::Answer;
use crate::middleware::ResponseBody;

pin_project! {
    /// The response of a [`Guarded`](super::Guarded) service. A refusal is boxed, nothing else.
    pub struct GuardFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Running { #[pin] future: F },
        Refusing { answer: Answer<Response<Bytes>> },
    }
}

impl<F> GuardFuture<F> {
    pub(super) fn run(future: F) -> Self {
        Self {
            state: State::Running { future },
        }
    }

    pub(super) fn refuse(refusal: impl Future<Output = Response<Bytes>> + Send + 'static) -> Self {
        Self {
            state: State::Refusing {
                answer: Answer::later(refusal),
            },
        }
    }

    pub(super) fn answer(response: Response<Bytes>) -> Self {
        Self {
            state: State::Refusing {
                answer: Answer::now(response),
            },
        }
    }
}

impl<F, B, E> Future for GuardFuture<F>
where
    F: Future<Output = Result<Response<B>, E>>,
    B: Body,
{
    type Output = Result<Response<ResponseBody<B>>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Running { future } => {
                let response = ready!(future.poll(cx))?;
                Poll::Ready(Ok(response.map(ResponseBody::plain)))
            }
            StateProj::Refusing { answer } => {
                let response = ready!(Pin::new(answer).poll(cx));
                Poll::Ready(Ok(response.map(ResponseBody::own)))
            }
        }
    }
}

impl<F> fmt::Debug for GuardFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("GuardFuture").finish_non_exhaustive()
    }
}
