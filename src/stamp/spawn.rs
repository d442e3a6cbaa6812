use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use pin_project_lite::pin_project;
use tokio::task::JoinHandle;
use tracing::Span;
use tracing::instrument::{Instrument, Instrumented};

use crate::stamp::ambient;
use crate::stamp::value::Stamp;

/// Spawns a task that belongs to this request: under its span and its stamp.
///
/// Where nobody impersonates, it is under the current span only.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::spawn` does.
pub fn spawn<F>(future: F) -> JoinHandle<F::Output>
where
    F: Future<Output: Send> + Send + 'static,
{
    tokio::spawn(carry(future))
}

/// Runs blocking work that belongs to this request: under its span and its stamp.
///
/// # Panics
///
/// Outside of a tokio runtime, as `tokio::task::spawn_blocking` does.
pub fn spawn_blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> JoinHandle<T> {
    let (span, stamp) = (Span::current(), ambient::current());
    tokio::task::spawn_blocking(move || {
        let _span = span.enter();
        let _stamp = stamp.as_ref().map(Stamp::enter);
        work()
    })
}

/// The future, under the span and the stamp that are current now, wherever it is polled: for
/// `JoinSet`s, other runtimes and the task of an upgraded connection.
pub fn carry<F: Future>(future: F) -> Carried<F> {
    Carried {
        future: Some(future.in_current_span()),
        stamp: ambient::current(),
    }
}

pin_project! {
    /// A future under a span and a stamp, also while it is dropped; [`carry`] makes it.
    #[derive(Debug)]
    #[must_use = "futures do nothing unless polled"]
    pub struct Carried<F> {
        // There until it is dropped.
        #[pin]
        future: Option<Instrumented<F>>,
        stamp: Option<Stamp>,
    }

    impl<F> PinnedDrop for Carried<F> {
        fn drop(this: Pin<&mut Self>) {
            let mut this = this.project();
            let _stamp = this.stamp.as_ref().map(Stamp::enter);
            this.future.set(None);
        }
    }
}

impl<F: Future> Future for Carried<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.project();
        let _stamp = this.stamp.as_ref().map(Stamp::enter);
        match this.future.as_pin_mut() {
            Some(future) => future.poll(cx),
            None => Poll::Pending,
        }
    }
}
