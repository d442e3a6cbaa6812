//! Which spans of a request carry the stamp, and which never do.

mod support;

#[path = "support/sinks.rs"]
mod sinks;
#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use sinks::{Mood, Moody};
use support::{Desk, ISSUER, get};
use tower::{Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::TraceLayer;
use tower_impersonate::answer::Answer;
use tower_impersonate::directory::Directory;
use tower_impersonate::stamp::subscriber::StampLayer;
use tower_impersonate::stamp::{self, fields};
use tower_impersonate::terms::{TargetRef, Who};
use tower_impersonate::{ImpersonationLayer, Principal, policy, resolve};
use trace::{Exported, assert_stamp, scoped};
use tracing::instrument::WithSubscriber;
use tracing::{Instrument, info_span, instrument};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];
const AS_ROOT: [(&str, &str); 1] = [("impersonate-user", "root")];

const STAMP: [(&str, &str); 7] = [
    (fields::USER_ID, "alice"),
    (fields::ACTOR_SUB, "carol"),
    (fields::ACTOR_ISS, ISSUER),
    (fields::TARGET_SUB, "alice"),
    (fields::TARGET_ISS, ISSUER),
    (fields::MODE, "full"),
    (fields::STRATEGY, "header"),
];

const INSIDE: [&str; 6] = [
    "child",
    "grandchild",
    "spawned",
    "root_inside",
    "in_body",
    "deep_in_body",
];

#[instrument]
async fn child() {
    tokio::task::yield_now().await;
    grandchild().await;
}

#[instrument]
async fn grandchild() {
    tokio::task::yield_now().await;
}

async fn handler(_: Request<Full<Bytes>>) -> Result<Response<SpanBody>, Infallible> {
    child().await;
    drop(info_span!(parent: None, "root_inside"));
    let task = async {
        tokio::task::yield_now().await;
        drop(info_span!("spawned"));
    };
    tokio::spawn(task.in_current_span()).await.unwrap();
    Ok(Response::new(SpanBody(false)))
}

/// Opens spans while it is polled, long after the handler returned.
struct SpanBody(bool);

impl Body for SpanBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(None);
        }
        info_span!("in_body").in_scope(|| drop(info_span!("deep_in_body")));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("text")))))
    }
}

/// The layer in the stack that most applications have.
fn stack(
    layer: ImpersonationLayer,
) -> impl Service<
    Request<Full<Bytes>>,
    Response = Response<impl Body<Error: std::fmt::Debug> + Send>,
    Error = Infallible,
    Future: Send,
> + Clone
+ Send {
    let trace = TraceLayer::new_for_http().make_span_with(|_: &Request<_>| info_span!("http"));
    ServiceBuilder::new()
        .layer(trace)
        .layer(layer)
        .service(service_fn(handler))
}

async fn ask(layer: &ImpersonationLayer, request: Request<Full<Bytes>>) -> StatusCode {
    let response = stack(layer.clone()).oneshot(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status
}

fn subscriber(otel: &Exported) -> impl tracing::Subscriber + Send + Sync + use<> {
    registry().with(otel.layer()).with(StampLayer::new())
}

/// A directory that has to wait, twice.
fn slow(users: impl Directory + Clone + 'static) -> impl Directory + 'static {
    move |target: &TargetRef| {
        if matches!(target.who(), Who::Subject(sub) if **sub == *"carol") {
            return users.find(target);
        }
        drop(info_span!("look_up"));
        let (users, target) = (users.clone(), target.clone());
        Answer::later(async move {
            tokio::task::yield_now().await;
            let found = users.find(&target).await;
            tokio::task::yield_now().await;
            drop(info_span!("look_up_later"));
            found
        })
    }
}

#[tokio::test]
async fn every_span_of_an_impersonated_request_is_stamped_once() {
    let otel = Exported::new();
    let _default = scoped(subscriber(&otel));
    let desk = Desk::new();
    drop(info_span!("before"));
    let status = ask(&desk.layer(), get(&desk.carol(), &AS_ALICE)).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(stamp::current(), None);
    drop(info_span!("after"));
    otel.assert_stamp("impersonation.request", &STAMP);
    otel.assert_stamp("http", &STAMP);
    for name in INSIDE {
        otel.assert_stamp(name, &STAMP);
    }
    otel.assert_clean("before");
    otel.assert_clean("after");
}

#[tokio::test]
async fn what_waits_is_stamped_no_less() {
    let otel = Exported::new();
    let _default = scoped(subscriber(&otel));
    let desk = Desk::new();
    let layer = desk.unrecorded().directory(slow(desk.users.clone()));
    let layer = layer.audit(Moody::new(Mood::Slow)).build().unwrap();
    let status = ask(&layer, get(&desk.carol(), &AS_ALICE)).await;
    assert_eq!(status, StatusCode::OK);
    otel.assert_stamp("impersonation.request", &STAMP);
    otel.assert_stamp("http", &STAMP);
    for name in INSIDE {
        otel.assert_stamp(name, &STAMP);
    }
    // Nothing was decided yet when somebody was looked up, but it belongs to the request's span.
    let own = otel.span("impersonation.request").span_context;
    for name in ["look_up", "look_up_later"] {
        otel.assert_clean(name);
        assert_eq!(otel.span(name).parent_span_id, own.span_id(), "{name}");
    }
}

#[tokio::test]
async fn without_the_stamp_layer_the_own_and_the_outer_span_are_stamped() {
    let otel = Exported::new();
    let _default = scoped(registry().with(otel.layer()));
    let desk = Desk::new();
    ask(&desk.layer(), get(&desk.carol(), &AS_ALICE)).await;
    otel.assert_stamp("impersonation.request", &STAMP);
    otel.assert_stamp("http", &STAMP);
    otel.assert_clean("child");
    let own = otel.span("impersonation.request");
    assert_eq!(own.parent_span_id, otel.span("http").span_context.span_id());
    for name in ["child", "in_body", "spawned"] {
        let parent = otel.span(name).parent_span_id;
        assert_eq!(parent, own.span_context.span_id(), "{name}");
    }
}

#[tokio::test]
async fn a_plain_request_has_its_user_on_the_outer_span_and_nothing_else() {
    let otel = Exported::new();
    let _default = scoped(subscriber(&otel));
    let desk = Desk::new();
    ask(&desk.layer(), get(&desk.carol(), &[])).await;
    otel.assert_stamp("http", &[(fields::USER_ID, "carol")]);
    assert!(otel.spans("impersonation.request").is_empty());
    for name in INSIDE {
        otel.assert_clean(name);
    }
}

#[tokio::test]
async fn a_denial_shows_the_actor_and_the_target_where_it_was_found() {
    let desk = Desk::new();
    let bob = desk.token("bob", &["customers"]).sign();
    let found = [(fields::TARGET_SUB, "root"), (fields::TARGET_ISS, ISSUER)];
    for (token, headers, actor, target) in [
        (desk.carol(), AS_ROOT, "carol", &found[..]),
        (bob, AS_ALICE, "bob", &[]),
    ] {
        let otel = Exported::new();
        let _default = scoped(subscriber(&otel));
        let status = ask(&desk.layer(), get(&token, &headers)).await;
        assert_eq!(status, StatusCode::FORBIDDEN);
        let mut expected = vec![
            (fields::ACTOR_SUB, actor),
            (fields::ACTOR_ISS, ISSUER),
            (fields::STRATEGY, "header"),
        ];
        expected.extend(target);
        otel.assert_stamp("impersonation.request", &expected);
        otel.assert_stamp("http", &[(fields::USER_ID, actor)]);
        assert!(otel.spans("child").is_empty());
    }
}

#[tokio::test]
async fn what_is_refused_without_an_actor_stamps_nothing() {
    let otel = Exported::new();
    let _default = scoped(subscriber(&otel));
    let desk = Desk::new();
    ask(&desk.layer(), get("garbage", &AS_ALICE)).await;
    otel.assert_clean("http");
    assert!(otel.spans("impersonation.request").is_empty());
}

#[tokio::test]
async fn groups_are_on_the_spans() {
    let desk = Desk::new();
    let narrowed = [("impersonate-user", "alice"), ("impersonate-group", "beta")];
    let otel = Exported::new();
    {
        let _default = scoped(subscriber(&otel));
        ask(&desk.layer(), get(&desk.carol(), &narrowed)).await;
    }
    let mut expected = STAMP.to_vec();
    expected.push((fields::GROUPS, "beta"));
    otel.assert_stamp("http", &expected);
    otel.assert_stamp("child", &expected);

    let otel = Exported::new();
    let _default = scoped(subscriber(&otel));
    let layer = desk.bare().issuer(desk.accepted());
    let layer = layer.resolve(resolve::role(["auditors", "readers"]));
    let layer = layer.policy(policy::allow_all()).build().unwrap();
    let role = [
        ("impersonate-group", "auditors"),
        ("impersonate-group", "readers"),
    ];
    assert_eq!(ask(&layer, get(&desk.carol(), &role)).await, StatusCode::OK);
    let expected = [
        (fields::USER_ID, "carol"),
        (fields::ACTOR_SUB, "carol"),
        (fields::ACTOR_ISS, ISSUER),
        (fields::MODE, "full"),
        (fields::STRATEGY, "role"),
        (fields::GROUPS, "auditors,readers"),
    ];
    for name in ["http", "impersonation.request", "child", "in_body"] {
        otel.assert_stamp(name, &expected);
    }
}

#[tokio::test]
async fn a_request_that_is_dropped_leaves_no_stamp_behind() {
    let otel = Exported::new();
    let _default = scoped(subscriber(&otel));
    let desk = Desk::new();
    let layer = desk.layer();
    let mut waiting = Box::pin(ask(&layer, get(&desk.carol(), &AS_ALICE)));
    let mut context = Context::from_waker(std::task::Waker::noop());
    assert!(waiting.as_mut().poll(&mut context).is_pending());
    assert_eq!(stamp::current(), None);
    drop(info_span!("between"));
    drop(waiting);
    drop(info_span!("after"));
    otel.assert_clean("between");
    otel.assert_clean("after");
    otel.assert_stamp("child", &STAMP);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn plain_requests_beside_impersonated_ones_are_never_stamped() {
    const REQUESTS: usize = 100;

    async fn work(request: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
        let principal = request.extensions().get::<Principal>().unwrap();
        let impersonates = principal.impersonation().is_some();
        for _ in 0..5 {
            if impersonates {
                tokio::task::yield_now()
                    .instrument(info_span!("impersonated"))
                    .await;
            } else {
                tokio::task::yield_now()
                    .instrument(info_span!("plain"))
                    .await;
            }
        }
        Ok(Response::new(Full::default()))
    }

    let otel = Exported::new();
    let dispatch = tracing::Dispatch::new(subscriber(&otel));
    let desk = Desk::new();
    let layer = desk.builder().directory(slow(desk.users.clone()));
    let trace = TraceLayer::new_for_http().make_span_with(|request: &Request<_>| {
        if request.headers().contains_key("impersonate-user") {
            info_span!("http_impersonated")
        } else {
            info_span!("http_plain")
        }
    });
    let service = ServiceBuilder::new()
        .layer(trace)
        .layer(layer.build().unwrap())
        .service(service_fn(work));
    let (carol, alice) = (desk.carol(), desk.alice());
    let tasks: Vec<_> = (0..REQUESTS)
        .map(|i| {
            let request = if i % 2 == 0 {
                get(&carol, &AS_ALICE)
            } else {
                get(&alice, &[])
            };
            let service = service.clone();
            let whole = async move {
                let response = service.oneshot(request).await.unwrap();
                assert_eq!(response.status(), StatusCode::OK);
                response.into_body().collect().await.unwrap();
            };
            tokio::spawn(whole.with_subscriber(dispatch.clone()))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    for (name, count, expected) in [
        ("impersonated", REQUESTS / 2 * 5, &STAMP[..]),
        ("http_impersonated", REQUESTS / 2, &STAMP[..]),
        ("plain", REQUESTS / 2 * 5, &[]),
        ("http_plain", REQUESTS / 2, &[(fields::USER_ID, "alice")]),
    ] {
        let spans = otel.spans(name);
        assert_eq!(spans.len(), count, "{name}");
        for span in &spans {
            assert_stamp(span, expected);
        }
    }
}
