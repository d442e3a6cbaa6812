//! Bodies of any size: the layer never reads the request's, and holds nothing of the response's.

mod support;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty};
use support::{Desk, get};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::answer::Answer;
use tower_impersonate::directory::Directory;
use tower_impersonate::terms::TargetRef;

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];
const GIBIBYTE: usize = 1 << 30;
const CHUNK: usize = 1 << 18;

/// A gibibyte in chunks, which knows how many of them are alive.
#[derive(Clone, Default)]
struct Gauge {
    polled: Arc<AtomicUsize>,
    alive: Arc<AtomicUsize>,
    most: Arc<AtomicUsize>,
}

struct Flood {
    gauge: Gauge,
    rest: usize,
}

struct Chunk(Arc<AtomicUsize>);

static ZEROS: [u8; CHUNK] = [0; CHUNK];

impl AsRef<[u8]> for Chunk {
    fn as_ref(&self) -> &[u8] {
        &ZEROS
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Gauge {
    fn flood(&self) -> Flood {
        Flood {
            gauge: self.clone(),
            rest: GIBIBYTE,
        }
    }

    /// Chunks asked for, chunks alive, and the most that ever were at a time.
    fn read(&self) -> [usize; 3] {
        [&self.polled, &self.alive, &self.most].map(|count| count.load(Ordering::SeqCst))
    }
}

impl Body for Flood {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.rest == 0 {
            return Poll::Ready(None);
        }
        self.rest -= CHUNK;
        let Gauge {
            polled,
            alive,
            most,
        } = &self.gauge;
        polled.fetch_add(1, Ordering::SeqCst);
        most.fetch_max(alive.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
        let chunk = Bytes::from_owner(Chunk(Arc::clone(alive)));
        Poll::Ready(Some(Ok(Frame::data(chunk))))
    }
}

/// Reads a body frame by frame.
async fn drain<B: Body + Unpin>(mut body: B) -> usize {
    let mut bytes = 0;
    while let Some(Ok(frame)) = body.frame().await {
        bytes += frame.data_ref().map_or(0, Buf::remaining);
    }
    bytes
}

/// The desk's layer, and one whose directory takes its time.
fn layers(desk: &Desk) -> [ImpersonationLayer; 2] {
    let users = desk.users.clone();
    let slow = move |target: &TargetRef| {
        let (users, target) = (users.clone(), target.clone());
        Answer::later(async move {
            tokio::task::yield_now().await;
            users.find(&target).await
        })
    };
    [
        desk.layer(),
        desk.builder().directory(slow).build().unwrap(),
    ]
}

#[tokio::test]
async fn a151_a_gibibyte_goes_up_and_comes_down_one_chunk_at_a_time() {
    let desk = Desk::new();
    for layer in layers(&desk) {
        for (token, headers) in [(desk.alice(), &[][..]), (desk.carol(), AS_ALICE)] {
            let (up, down) = (Gauge::default(), Gauge::default());
            let (seen, send) = (up.clone(), down.clone());
            let service = layer.layer(service_fn(move |request: Request<Flood>| {
                let (seen, send) = (seen.clone(), send.clone());
                async move {
                    assert_eq!(seen.read(), [0, 0, 0], "nobody has read it before");
                    assert_eq!(drain(request.into_body()).await, GIBIBYTE);
                    Ok::<_, Infallible>(Response::new(send.flood()))
                }
            }));
            let request = get(&token, headers).map(|_| up.flood());
            let response = service.oneshot(request).await.unwrap();
            assert_eq!(response.status(), StatusCode::OK);
            assert_eq!(up.read(), [GIBIBYTE / CHUNK, 0, 1]);
            assert_eq!(down.read(), [0, 0, 0], "nobody has read it before");
            assert_eq!(drain(response.into_body()).await, GIBIBYTE);
            assert_eq!(down.read(), [GIBIBYTE / CHUNK, 0, 1]);
        }
    }
    assert_eq!(desk.sink.events().len(), 4, "two requests, two completions");
}

#[tokio::test]
async fn a151_the_body_of_a_request_that_is_refused_is_dropped_unread() {
    let desk = Desk::new();
    for layer in layers(&desk) {
        for (token, headers, status) in [
            ("bad".to_owned(), &[][..], 401),
            (desk.alice(), AS_ALICE, 403),
            (desk.carol(), &[("impersonate-user", "root")], 403),
            (desk.carol(), &[("impersonate-user", "")], 400),
        ] {
            let gauge = Gauge::default();
            let service = layer.layer(service_fn(|_: Request<Flood>| async move {
                Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
            }));
            let request = get(&token, headers).map(|_| gauge.flood());
            let response = service.oneshot(request).await.unwrap();
            assert_eq!(response.status(), status);
            assert_eq!(gauge.read(), [0, 0, 0]);
            assert_eq!(Arc::strong_count(&gauge.polled), 1, "it is gone");
        }
    }
}
