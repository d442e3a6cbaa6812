use std::fmt;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};
use std::task::{Context, Poll, ready};

use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use pin_project_lite::pin_project;

use crate::middleware::BoxError;
use crate::middleware::respond::is_grpc_failure;
use crate::middleware::session::Session;

pin_project! {
    /// The body of a response: the handler's, or the layer's own where it answered itself.
    ///
    /// While impersonating, the handler's body is polled under the request's span and stamp, and its
    /// end completes the record.
    pub struct ResponseBody<B> {
        #[pin]
        content: Content<B>,
    }
}

pin_project! {
    #[project = ContentProj]
    enum Content<B> {
        Handler { #[pin] body: B, watched: Option<Watched> },
        Own { bytes: Option<Bytes> },
    }
}

struct Watched {
    session: Box<Session>,
    /// Polled along from the second frame on: most bodies have one.
    over: Option<Mutex<Over>>,
    frames: u32,
    /// What is left of the announced length. Servers do not ask for a frame beyond it.
    remaining: Option<u64>,
}

impl<B> ResponseBody<B> {
    pub(crate) fn plain(body: B) -> Self {
        Self {
            content: Content::Handler {
                body,
                watched: None,
            },
        }
    }

    pub(super) fn watched(body: B, session: Box<Session>, length: Option<u64>) -> Self {
        let watched = Some(Watched {
            session,
            over: None,
            frames: 0,
            remaining: length,
        });
        Self {
            content: Content::Handler { body, watched },
        }
    }

    pub(crate) fn own(bytes: Bytes) -> Self {
        Self {
            content: Content::Own {
                bytes: Some(bytes).filter(|bytes| !bytes.is_empty()),
            },
        }
    }
}

impl<B> Default for ResponseBody<B> {
    /// An empty body.
    fn default() -> Self {
        Self::own(Bytes::new())
    }
}

impl<B> Body for ResponseBody<B>
where
    B: Body,
    B::Data: From<Bytes>,
    B::Error: Into<BoxError>,
{
    type Data = B::Data;
    type Error = BoxError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, BoxError>>> {
        match self.project().content.project() {
            ContentProj::Own { bytes } => {
                Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes.into()))))
            }
            ContentProj::Handler {
                body,
                watched: None,
            } => body.poll_frame(cx).map_err(Into::into),
            ContentProj::Handler {
                mut body,
                watched: Some(watched),
            } => {
                if watched.is_over(cx) {
                    watched.session.fail();
                    return Poll::Ready(Some(Err(GrantEnded(()).into())));
                }
                let polled = watched.session.run(|| body.as_mut().poll_frame(cx));
                if polled.is_pending() && watched.over.is_none() && watched.begin(cx) {
                    watched.session.fail();
                    return Poll::Ready(Some(Err(GrantEnded(()).into())));
                }
                let polled = ready!(polled).map(|frame| frame.map_err(Into::into));
                watched.saw(polled.as_ref(), body.is_end_stream());
                Poll::Ready(polled)
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.content {
            Content::Own { bytes } => bytes.is_none(),
            Content::Handler { body, .. } => body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Own { bytes } => {
                SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64))
            }
            Content::Handler { body, .. } => body.size_hint(),
        }
    }
}

/// Waits until the grant behind a body is over.
type Over = Pin<Box<dyn Future<Output = ()> + Send>>;

impl Watched {
    /// Whether the grant is over, as far as anybody asked by now.
    fn is_over(&mut self, cx: &mut Context<'_>) -> bool {
        self.frames = self.frames.saturating_add(1);
        match &mut self.over {
            Some(over) => poll_over(over, cx),
            None => self.frames > 1 && self.begin(cx),
        }
    }

    /// Begins to ask.
    fn begin(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(live) = self.session.live().cloned() else {
            return false;
        };
        let over: Over = Box::pin(async move { live.ended().await });
        let over = self.over.insert(Mutex::new(over));
        poll_over(over, cx)
    }

    fn saw<D: Buf>(&mut self, polled: Option<&Result<Frame<D>, BoxError>>, is_end_stream: bool) {
        match polled {
            Some(Err(_)) => self.session.fail(),
            None => self.session.end(),
            Some(Ok(frame)) => {
                if let (Some(data), Some(remaining)) = (frame.data_ref(), &mut self.remaining) {
                    *remaining = remaining.saturating_sub(data.remaining() as u64);
                }
                if frame.trailers_ref().is_some_and(is_grpc_failure) {
                    self.session.fail_at_end();
                }
                if is_end_stream || frame.is_trailers() || self.remaining == Some(0) {
                    self.session.end();
                }
            }
        }
    }
}

/// Without a timer nobody can be asked: what cannot be watched does not go on.
fn poll_over(over: &mut Mutex<Over>, cx: &mut Context<'_>) -> bool {
    // Never locked: it is there so that bodies are `Sync`.
    let over = over.get_mut().unwrap_or_else(PoisonError::into_inner);
    let polled = catch_unwind(AssertUnwindSafe(|| over.as_mut().poll(cx)));
    polled.map_or(true, |polled| polled.is_ready())
}

/// The error of a body that was cut because the grant behind it is over.
#[derive(Debug)]
pub struct GrantEnded(());

impl fmt::Display for GrantEnded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the grant behind this response ended")
    }
}

impl std::error::Error for GrantEnded {}

impl<B> fmt::Debug for ResponseBody<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseBody").finish_non_exhaustive()
    }
}
