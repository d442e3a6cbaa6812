//! The contract of tower: readiness, errors, bodies of any kind.

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use std::cell::Cell;
use std::convert::Infallible;
use std::fmt;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::{Buf, Bytes};
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use sinks::{Mood, Moody};
use support::{Desk, get};
use tokio::sync::Notify;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;
use tower_http::timeout::TimeoutLayer;
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::directory::Directory;
use tower_impersonate::terms::{TargetRef, Who};
use tower_impersonate::{ImpersonationLayer, Principal};
use tower_test::mock;

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

type Plain = Full<Bytes>;
type Mock = mock::Mock<Request<Plain>, Response<Plain>>;

/// A layer whose directory answers when it is let go on.
fn waiting(desk: &Desk) -> (ImpersonationLayer, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    let (users, gate) = (desk.users.clone(), Arc::clone(&go_on));
    let directory = move |target: &TargetRef| {
        if matches!(target.who(), Who::Subject(sub) if **sub == *"carol") {
            return users.find(target);
        }
        let (users, target, gate) = (users.clone(), target.clone(), Arc::clone(&gate));
        Answer::later(async move {
            gate.notified().await;
            users.find(&target).await
        })
    };
    let layer = desk.builder().directory(directory);
    let layer = layer.deadline(Duration::from_secs(30)).build().unwrap();
    (layer, go_on)
}

fn poll<F: Future>(future: &mut Pin<Box<F>>) -> Poll<F::Output> {
    future
        .as_mut()
        .poll(&mut Context::from_waker(Waker::noop()))
}

#[tokio::test]
async fn readiness_is_the_inner_services_own() {
    let desk = Desk::new();
    let (mut service, mut handle) =
        mock::spawn_with::<Request<Plain>, Response<Plain>, _, _>(|inner: Mock| {
            desk.layer().layer(inner)
        });
    handle.allow(0);
    assert!(service.poll_ready().is_pending());
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    let answer = tokio::spawn(service.call(get(&desk.alice(), &[])));
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(
        request.extensions().get::<Principal>().unwrap().subject(),
        "alice"
    );
    respond.send_response(Response::new(Full::default()));
    assert_eq!(answer.await.unwrap().unwrap().status(), StatusCode::OK);
    assert!(service.poll_ready().is_pending(), "it was used up");

    handle.send_error("gone");
    let Poll::Ready(Err(error)) = service.poll_ready() else {
        panic!("an error")
    };
    assert_eq!(error.to_string(), "gone");
}

#[tokio::test]
async fn the_service_that_was_ready_is_the_one_called_also_after_a_wait() {
    let desk = Desk::new();
    let (layer, go_on) = waiting(&desk);
    let (mut service, mut handle) =
        mock::spawn_with::<Request<Plain>, Response<Plain>, _, _>(|inner: Mock| layer.layer(inner));
    handle.allow(1);
    assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
    // A mock that was not asked for its readiness panics when it is called, and so do its clones.
    let mut answer = Box::pin(service.call(get(&desk.carol(), &AS_ALICE)));
    assert!(poll(&mut answer).is_pending());
    go_on.notify_one();
    assert!(poll(&mut answer).is_pending());
    let (request, respond) = handle.next_request().await.unwrap();
    assert_eq!(
        request.extensions().get::<Principal>().unwrap().subject(),
        "alice"
    );
    respond.send_response(Response::new(Full::default()));
    assert_eq!(answer.await.unwrap().status(), StatusCode::OK);
    assert!(service.poll_ready().is_pending(), "it was used up");
}

#[tokio::test]
async fn a_limit_on_concurrency_inside_holds_while_decisions_wait() {
    let desk = Desk::new();
    let (layer, go_on) = waiting(&desk);
    let (running, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let seen = Arc::clone(&most);
    let inner = service_fn(move |_: Request<Plain>| {
        let (running, most) = (Arc::clone(&running), Arc::clone(&seen));
        async move {
            let now = running.fetch_add(1, Ordering::SeqCst) + 1;
            most.fetch_max(now, Ordering::SeqCst);
            tokio::task::yield_now().await;
            running.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(Response::new(Plain::default()))
        }
    });
    let mut service = layer.layer(ConcurrencyLimit::new(inner, 2));
    let mut answers = Vec::new();
    for i in 0..6 {
        // Some wait, some do not, and one is refused.
        let request = match i {
            1 => get(&desk.alice(), &[]),
            3 => get("garbage", &[]),
            _ => get(&desk.carol(), &AS_ALICE),
        };
        let answer = service.ready().await.unwrap().call(request);
        answers.push(tokio::spawn(answer));
        if i % 2 == 1 {
            for _ in 0..2 {
                go_on.notify_one();
                tokio::task::yield_now().await;
            }
        }
    }
    go_on.notify_waiters();
    let mut refused = 0;
    for mut answer in answers {
        let response = loop {
            go_on.notify_waiters();
            tokio::select! {
                biased;
                response = &mut answer => break response,
                () = tokio::task::yield_now() => {}
            }
        };
        let status = response.unwrap().unwrap().status();
        refused += usize::from(status == StatusCode::UNAUTHORIZED);
    }
    assert_eq!(refused, 1);
    assert!((1..=2).contains(&most.load(Ordering::SeqCst)));
    // All permits came back.
    assert!(service.ready().await.is_ok());
}

#[tokio::test]
async fn what_is_refused_does_not_call_the_inner_service() {
    let desk = Desk::new();
    let (mut service, mut handle) =
        mock::spawn_with::<Request<Plain>, Response<Plain>, _, _>(|inner: Mock| {
            desk.layer().layer(inner)
        });
    handle.allow(2);
    for request in [get("garbage", &[]), get(&desk.alice(), &AS_ALICE)] {
        assert!(matches!(service.poll_ready(), Poll::Ready(Ok(()))));
        let response = service.call(request).await.unwrap();
        assert!(response.status().is_client_error());
    }
    assert!(handle.poll_request().is_pending());
}

/// An error that is no `std::error::Error`, and neither `Send` nor `Sync`.
#[derive(Debug)]
struct Own(Rc<str>);

#[tokio::test]
async fn the_inner_error_comes_out_as_it_is() {
    fn same<S: Service<Request<Plain>, Error = Own>>(service: S) -> S {
        service
    }
    let desk = Desk::new();
    let inner = service_fn(|_: Request<Plain>| async move {
        Err::<Response<Plain>, _>(Own(Rc::from("no database")))
    });
    let service = same(desk.layer().layer(inner));
    for headers in [&AS_ALICE[..], &[]] {
        let error = service.clone().oneshot(get(&desk.carol(), headers)).await;
        assert_eq!(&*error.unwrap_err().0, "no database");
    }
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["impersonation.outcome"], "failure");
}

#[tokio::test]
async fn a_waiting_request_that_is_dropped_leaves_nothing_but_its_completion() {
    let desk = Desk::new();
    let inner =
        || service_fn(|r: Request<Rc<()>>| async move { Ok::<_, Infallible>(answer_to(&r)) });
    fn answer_to(_: &Request<Rc<()>>) -> Response<Plain> {
        Response::default()
    }
    // While the directory waits: nothing was recorded yet.
    let (layer, _go_on) = waiting(&desk);
    let body = Rc::new(());
    let request = get(&desk.carol(), &AS_ALICE).map(|_| Rc::clone(&body));
    let mut future = Box::pin(layer.layer(inner()).oneshot(request));
    assert!(poll(&mut future).is_pending());
    assert_eq!(Rc::strong_count(&body), 2);
    drop(future);
    assert_eq!(Rc::strong_count(&body), 1, "the request's body is dropped");
    assert!(desk.sink.events().is_empty());

    // While the sink waits: the record was begun.
    let sink = Moody::new(Mood::Hangs);
    let layer = desk.unrecorded().audit(sink.clone()).build().unwrap();
    let request = get(&desk.carol(), &AS_ALICE).map(|_| Rc::clone(&body));
    let mut future = Box::pin(layer.layer(inner()).oneshot(request));
    assert!(poll(&mut future).is_pending());
    drop(future);
    assert_eq!(Rc::strong_count(&body), 1);
    let completed = sink.kept.named(EventName::Completed);
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["impersonation.outcome"], "aborted");

    // Never polled at all.
    let request = get(&desk.carol(), &AS_ALICE).map(|_| Rc::clone(&body));
    let mut service = layer.layer(inner());
    drop(service.call(request));
    assert_eq!(Rc::strong_count(&body), 1);
    assert_eq!(sink.kept.named(EventName::Completed).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn timeouts_and_cors_stand_around_it() {
    let desk = Desk::new();
    let timeout =
        TimeoutLayer::with_status_code(StatusCode::GATEWAY_TIMEOUT, Duration::from_secs(5));
    let service = ServiceBuilder::new()
        .layer(CorsLayer::permissive())
        .layer(timeout)
        .layer(desk.layer())
        .service_fn(|request: Request<Plain>| async move {
            if request.uri().path() == "/orders" {
                std::future::pending::<()>().await;
            }
            Ok::<_, Infallible>(Response::new(request.into_body()))
        });
    let answer = service.clone().oneshot(get(&desk.carol(), &AS_ALICE));
    let response = answer.await.unwrap();
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    assert!(bytes.is_empty());
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed[0]["impersonation.outcome"], "aborted");

    // A preflight is answered before it comes to the layer.
    let preflight = Request::options("/")
        .header("origin", "https://shop.example.com")
        .header("access-control-request-method", "GET")
        .body(Plain::default())
        .unwrap();
    let response = service.oneshot(preflight).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

/// A request body that is neither `Send` nor `'static`, and no body.
struct Local<'a> {
    read: &'a Cell<u32>,
    _not_send: Rc<()>,
}

#[tokio::test]
async fn a_request_body_of_any_kind_is_taken() {
    let desk = Desk::new();
    let (layer, go_on) = waiting(&desk);
    let read = Cell::new(0);
    for (token, headers) in [(desk.alice(), &[][..]), (desk.carol(), &AS_ALICE[..])] {
        let body = Local {
            read: &read,
            _not_send: Rc::new(()),
        };
        let request = get(&token, headers).map(|_| body);
        let service = layer.layer(service_fn(|request: Request<_>| async move {
            let Local { read, .. }: Local<'_> = request.into_body();
            read.set(read.get() + 1);
            Ok::<_, Infallible>(Response::new(Plain::default()))
        }));
        go_on.notify_one();
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
    }
    assert_eq!(read.get(), 2);
}

/// Data of the application's own.
#[derive(Debug)]
struct Chunk(Bytes);

impl From<Bytes> for Chunk {
    fn from(bytes: Bytes) -> Self {
        Self(bytes)
    }
}

impl Buf for Chunk {
    fn remaining(&self) -> usize {
        self.0.remaining()
    }
    fn chunk(&self) -> &[u8] {
        self.0.chunk()
    }
    fn advance(&mut self, count: usize) {
        self.0.advance(count);
    }
}

/// A response body that is neither `Send` nor `Unpin`, with data and an error of its own.
struct Odd(Option<Rc<str>>, std::marker::PhantomPinned);

#[derive(Debug)]
struct OddError;

impl fmt::Display for OddError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("odd")
    }
}

impl std::error::Error for OddError {}

impl Body for Odd {
    type Data = Chunk;
    type Error = OddError;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Chunk>, OddError>>> {
        Poll::Ready(self.0.as_deref().map(|_| Err(OddError)))
    }
}

#[tokio::test]
async fn a_response_body_of_any_kind_is_given() {
    let desk = Desk::new();
    let service = desk.layer().layer(service_fn(|_: Request<()>| async move {
        let text = Rc::from("text");
        Ok::<_, Infallible>(Response::new(Odd(Some(text), std::marker::PhantomPinned)))
    }));
    let body = async |token: &str, headers: &[(&str, &str)]| {
        let request = get(token, headers).map(drop);
        service.clone().oneshot(request).await.unwrap().into_body()
    };
    for headers in [&AS_ALICE[..], &[]] {
        let error = body(&desk.carol(), headers)
            .await
            .collect()
            .await
            .err()
            .unwrap();
        assert!(error.is::<OddError>(), "{error:?}");
    }
    let refused = body("garbage", &[]).await.collect().await.unwrap();
    assert!(refused.to_bytes().starts_with(b"{"));
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed[0]["impersonation.outcome"], "failure");
}
