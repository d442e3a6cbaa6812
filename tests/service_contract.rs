//! What tower and the handler may rely on: the service that was ready is the one that is called, a
//! panic goes on, the principal is the layer's own, and bodies are nobody's but the handler's.
//!
//! stand in `streams.rs`: upgrades are refused while impersonating.

mod support;

#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use support::expect::keeping;
use support::{Desk, get, tell};
use tokio::sync::Notify;
use tower::limit::ConcurrencyLimit;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::directory::Directory;
use tower_impersonate::middleware::Builder;
use tower_impersonate::stamp;
use tower_impersonate::terms::TargetRef;
use tower_impersonate::{ImpersonationLayer, Principal};
use trace::{Exported, scoped};
use tracing::instrument::WithSubscriber;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

type Plain = Full<Bytes>;

/// The desk's builder, with a directory that answers each question when it is let go on.
fn waiting(desk: &Desk) -> (Builder, Arc<Notify>) {
    let go_on = Arc::new(Notify::new());
    let (users, gate) = (desk.users.clone(), Arc::clone(&go_on));
    let directory = move |target: &TargetRef| {
        let (users, target, gate) = (users.clone(), target.clone(), Arc::clone(&gate));
        Answer::later(async move {
            gate.notified().await;
            users.find(&target).await
        })
    };
    let builder = desk.builder().directory(directory);
    (builder.deadline(Duration::from_secs(30)), go_on)
}

fn poll<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Polls to the end, letting every question to the directory go on.
fn drive<F: Future>(mut future: Pin<&mut F>, go_on: &Notify) -> F::Output {
    loop {
        if let Poll::Ready(output) = poll(future.as_mut()) {
            return output;
        }
        go_on.notify_one();
    }
}

/// Must be asked for its readiness before each call, and its clones anew.
struct Strict {
    ready: bool,
    called: Arc<AtomicUsize>,
}

impl Clone for Strict {
    fn clone(&self) -> Self {
        Self {
            ready: false,
            called: Arc::clone(&self.called),
        }
    }
}

impl Service<Request<Plain>> for Strict {
    type Response = Response<Plain>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Response<Plain>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        self.ready = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<Plain>) -> Self::Future {
        assert!(std::mem::take(&mut self.ready), "it was never ready");
        self.called.fetch_add(1, Ordering::SeqCst);
        std::future::ready(Ok(Response::default()))
    }
}

#[tokio::test]
async fn a148_the_service_that_was_ready_is_called_whether_or_not_the_decision_waits() {
    let desk = Desk::new();
    let (slow, go_on) = waiting(&desk);
    let layers = [desk.layer(), slow.build().unwrap()];
    let requests = [
        (desk.alice(), &[][..], 200),
        (desk.carol(), AS_ALICE, 200),
        (desk.carol(), &[("impersonate-user", "root")], 403),
        ("bad".to_owned(), AS_ALICE, 401),
    ];
    for layer in layers {
        let called = Arc::new(AtomicUsize::new(0));
        let strict = Strict {
            ready: false,
            called: Arc::clone(&called),
        };
        let mut service = layer.layer(ConcurrencyLimit::new(strict, 1));
        for (token, headers, status) in &requests {
            let mut ready = Box::pin(service.ready());
            let Poll::Ready(Ok(ready)) = poll(ready.as_mut()) else {
                panic!("the last permit came back");
            };
            let before = called.load(Ordering::SeqCst);
            let mut answer = Box::pin(ready.call(get(token, headers)));
            let response = drive(answer.as_mut(), &go_on).unwrap();
            assert_eq!(response.status(), *status);
            let ran = called.load(Ordering::SeqCst) - before;
            assert_eq!(ran, usize::from(*status == 200));
        }
    }
}

#[tokio::test]
async fn a148_a_permit_goes_with_the_request_that_waits_and_comes_back_if_it_is_dropped() {
    let desk = Desk::new();
    let (slow, go_on) = waiting(&desk);
    let strict = Strict {
        ready: false,
        called: Arc::default(),
    };
    let mut service = slow
        .build()
        .unwrap()
        .layer(ConcurrencyLimit::new(strict, 1));
    for dropped in [true, false] {
        let mut answer = {
            let mut ready = Box::pin(service.ready());
            let Poll::Ready(Ok(ready)) = poll(ready.as_mut()) else {
                panic!("the last permit came back");
            };
            Box::pin(ready.call(get(&desk.carol(), AS_ALICE)))
        };
        assert!(poll(answer.as_mut()).is_pending());
        let mut next = Box::pin(service.ready());
        assert!(poll(next.as_mut()).is_pending(), "one at a time");
        drop(next);
        if !dropped {
            let response = drive(answer.as_mut(), &go_on).unwrap();
            assert_eq!(response.status(), StatusCode::OK);
        }
    }
    let mut next = Box::pin(service.ready());
    assert!(poll(next.as_mut()).is_ready());
}

/// Where the handler panics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Panics {
    WhenCalled,
    WhenPolled,
    InTheBody,
}

struct Falling;

impl Body for Falling {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        panic!("the body falls")
    }
}

/// What a request came to: whether it panicked, and with which words.
fn falls(
    layer: &ImpersonationLayer,
    go_on: &Notify,
    when: Panics,
    request: Request<Plain>,
) -> String {
    let service = service_fn(move |_: Request<Plain>| {
        assert!(when != Panics::WhenCalled, "the handler falls");
        async move {
            assert!(when != Panics::WhenPolled, "the handler falls");
            Ok::<_, Infallible>(Response::new(Falling))
        }
    });
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let mut service = layer.layer(service);
        let mut answer = Box::pin(service.call(request));
        let response = drive(answer.as_mut(), go_on).unwrap();
        let mut body = Box::pin(response.into_body().collect());
        drop(poll(body.as_mut()));
    }));
    let panic = caught.expect_err("a panic that goes on");
    (*panic.downcast::<&str>().expect("its own words")).to_owned()
}

#[tokio::test]
async fn a149_a_panic_of_the_handler_goes_on_is_a_failure_and_leaves_no_span_open() {
    let desk = Desk::new();
    let (slow, go_on) = waiting(&desk);
    for layer in [desk.layer(), slow.build().unwrap()] {
        for when in [Panics::WhenCalled, Panics::WhenPolled, Panics::InTheBody] {
            let words = match when {
                Panics::InTheBody => "the body falls",
                _ => "the handler falls",
            };
            let exported = Exported::new();
            let _scope = scoped(registry().with(exported.layer()));
            let fell = falls(&layer, &go_on, when, get(&desk.carol(), AS_ALICE));
            assert_eq!(fell, words);
            // It was closed, so it was exported; and nothing of it stays on the thread.
            exported.span("impersonation.request");
            assert!(tracing::Span::current().is_none());
            assert!(stamp::current().is_none());
            let events = desk.sink.events();
            let names: Vec<_> = events.iter().map(|event| &event["event.name"]).collect();
            let expected = [EventName::Request, EventName::Completed];
            assert_eq!(names, expected.map(EventName::as_str), "{when:?}");
            assert_eq!(events[1]["impersonation.outcome"], "failure", "{when:?}");
            desk.sink.clear();

            let fell = falls(&layer, &go_on, when, get(&desk.alice(), &[]));
            assert_eq!(fell, words);
            desk.assert_silent();
        }
    }
    // The layer goes on.
    let seen = desk
        .as_carol(&desk.layer(), AS_ALICE)
        .with_current_subscriber()
        .await;
    seen.assert_ran_as("alice", Some("carol"));
}

/// The application's own type.
#[derive(Debug, Clone, PartialEq, Eq)]
struct CurrentUser(String);

#[tokio::test]
async fn a150_a_principal_that_is_there_already_is_500_and_a_user_of_ones_own_is_replaced() {
    let desk = Desk::new();
    let (builder, kept) = keeping(desk.builder());
    desk.as_carol(&builder.build().unwrap(), AS_ALICE).await;
    let left_over = kept();
    assert_eq!(left_over.subject(), "alice");
    desk.sink.clear();

    let map = |principal: &Principal| CurrentUser(principal.subject().to_owned());
    let layers = [
        desk.builder().map_principal(map).build().unwrap(),
        desk.builder()
            .map_principal(map)
            .anonymous(|| CurrentUser("guest".to_owned()))
            .build()
            .unwrap(),
    ];
    for layer in &layers {
        for (token, headers) in [
            (desk.alice(), &[][..]),
            (desk.carol(), AS_ALICE),
            ("bad".into(), &[]),
        ] {
            let mut request = get(&token, headers);
            request.extensions_mut().insert(left_over.clone());
            let seen = desk.send(layer, request).await;
            seen.assert_challenge(500, None);
            desk.assert_silent();
        }
        let user = |mut request: Request<Plain>| {
            let layer = layer.clone();
            request
                .extensions_mut()
                .insert(CurrentUser("root".to_owned()));
            async move {
                let service = layer.layer(service_fn(|request: Request<Plain>| async move {
                    let user = request.extensions().get::<CurrentUser>().unwrap();
                    Ok::<_, Infallible>(Response::new(Plain::from(user.0.clone())))
                }));
                let body = service.oneshot(request).await.unwrap().into_body();
                body.collect().await.unwrap().to_bytes()
            }
        };
        assert_eq!(user(get(&desk.alice(), &[])).await, "alice");
        assert_eq!(user(get(&desk.carol(), AS_ALICE)).await, "alice");
        desk.sink.clear();
    }
    let mut nobody = Request::new(Plain::default());
    nobody.extensions_mut().insert(left_over);
    let seen = desk.send(&layers[1], nobody).await;
    seen.assert_challenge(500, None);
    let mut nobody = Request::new(Plain::default());
    nobody
        .extensions_mut()
        .insert(CurrentUser("root".to_owned()));
    let service = layers[1].layer(service_fn(|request: Request<Plain>| async move {
        let user = request.extensions().get::<CurrentUser>().cloned();
        assert_eq!(user, Some(CurrentUser("guest".to_owned())));
        assert!(!tell(&request).contains("root"));
        Ok::<_, Infallible>(Response::new(Plain::default()))
    }));
    let response = service.oneshot(nobody).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
    desk.assert_silent();
}
