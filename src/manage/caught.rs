use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;

/// Waits for what runs a plug-in; `None` where that panicked. It ends the request, not the connection it came
/// over.
pub(super) async fn caught<T>(step: impl Future<Output = T>) -> Option<T> {
    let mut step = Box::pin(step);
    poll_fn(move |cx| {
        let polled = catch_unwind(AssertUnwindSafe(|| step.as_mut().poll(cx)));
        polled.map_or_else(
            |_| {
                tracing::error!(target: "impersonation", "a plug-in panicked");
                Poll::Ready(None)
            },
            |polled| polled.map(Some),
        )
    })
    .await
}
