//! Every way in which a span or a log record comes about, as an OpenTelemetry exporter sees it: which
//! are stamped, once, and which never are.

mod support;

#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use opentelemetry::Context as OtelContext;
use opentelemetry::context::FutureExt;
use opentelemetry::logs::AnyValue;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::trace::{
    InMemorySpanExporter, Sampler, SdkTracer, SdkTracerProvider, SpanData,
};
use support::{Desk, ISSUER, get};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::TraceLayer;
use tower_impersonate::otel::{self, StampLogProcessor, StampSampler};
use tower_impersonate::stamp::subscriber::StampLayer;
use tower_impersonate::stamp::{self, fields};
use tower_impersonate::testing::{Observed, assert_all_stamped, assert_none_stamped};
use trace::scoped;
use tracing::instrument::WithSubscriber;
use tracing::{Dispatch, Instrument, Span, dispatcher, info, info_span};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const STAMP: [(&str, &str); 7] = [
    (fields::USER_ID, "alice"),
    (fields::ACTOR_SUB, "carol"),
    (fields::ACTOR_ISS, ISSUER),
    (fields::TARGET_SUB, "alice"),
    (fields::TARGET_ISS, ISSUER),
    (fields::MODE, "full"),
    (fields::STRATEGY, "header"),
];

/// What is to be on a span or a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Expected {
    /// Every field.
    Whole,
    /// The subs.
    Stamped,
    /// The user of a plain request, and nothing else.
    User,
    Nothing,
    /// Nobody can stamp it: no context travels there.
    OutOfReach,
}

use Expected::{Nothing, OutOfReach, Stamped, User, Whole};

const SPANS: &[(&str, Expected)] = &[
    ("impersonation.request", Whole),
    ("s01_outer", Whole),
    ("s03_child", Stamped),
    ("s04_grandchild", Stamped),
    ("s05_explicit_parent_outer", Stamped),
    ("s06_parent_none", Stamped),
    ("s07_child_of_parent_none", Stamped),
    ("s08_follows_from", Stamped),
    ("s09_explicit_parent_background", Stamped),
    ("s10_spawn_in_current_span", Stamped),
    ("s11_spawn_in_current_span_parent_none", Stamped),
    ("s12_spawn_bare", OutOfReach),
    ("s12_spawn_by_the_crate", Stamped),
    ("s13_spawn_blocking_bare", OutOfReach),
    ("s13_spawn_blocking_by_the_crate", Stamped),
    ("s14_spawn_blocking_in_scope", Stamped),
    ("s15_native", Stamped),
    ("s16_native_child_of_native", Stamped),
    ("s17_tracing_under_native", Stamped),
    ("s18_native_root", Stamped),
    ("s19_native_in_spawn_with_context", Stamped),
    ("s19_tracing_in_spawn_with_context", Stamped),
    ("s20_in_body", Stamped),
    ("s21_native_in_body", Stamped),
    ("n0_outer_of_plain", User),
    ("n1_plain", Nothing),
    ("n2_native_plain", Nothing),
    ("n3_after", Nothing),
    ("background", Nothing),
];

const RECORDS: &[(&str, Expected)] = &[
    ("in handler", Whole),
    ("in grandchild", Whole),
    ("under parent none", Whole),
    ("in spawn with context", Whole),
    ("in spawn by the crate", Whole),
    ("in spawn blocking by the crate", Whole),
    ("in body", Whole),
    ("in bare spawn", OutOfReach),
    ("in plain handler", Nothing),
    ("after", Nothing),
];

/// How a service is wired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Recipe {
    /// Sampler, log processor and carrier.
    Sampler,
    /// The same, with every field on each span.
    EveryField,
    /// As the first, and the layer that shows the stamp to other layers, too.
    SamplerAndLayer,
    /// As the first, while the request's own spans are filtered out.
    WithoutOwnSpans,
}

struct Backend {
    spans: InMemorySpanExporter,
    logs: InMemoryLogExporter,
    tracers: SdkTracerProvider,
    loggers: SdkLoggerProvider,
}

/// What the layer for `tracing` does not see, or sees without a context of its own.
const BESIDE_THE_LAYER: &[&str] = &[
    "s15_native",
    "s16_native_child_of_native",
    "s18_native_root",
    "s19_native_in_spawn_with_context",
    "s19_tracing_in_spawn_with_context",
    "s21_native_in_body",
];

impl Recipe {
    fn expects(self, name: &str, expected: Expected) -> Expected {
        let whole = match self {
            Self::EveryField => true,
            Self::SamplerAndLayer => !BESIDE_THE_LAYER.contains(&name),
            Self::Sampler | Self::WithoutOwnSpans => false,
        };
        match expected {
            Stamped if whole => Whole,
            expected => expected,
        }
    }
}

impl Backend {
    fn new(recipe: Recipe) -> Self {
        let (spans, logs) = (
            InMemorySpanExporter::default(),
            InMemoryLogExporter::default(),
        );
        let sampler = StampSampler::new(Sampler::ParentBased(Box::new(Sampler::AlwaysOn)));
        let sampler = match recipe {
            Recipe::EveryField => sampler.every_field(),
            _ => sampler,
        };
        Self {
            tracers: SdkTracerProvider::builder()
                .with_sampler(sampler)
                .with_simple_exporter(spans.clone())
                .build(),
            loggers: SdkLoggerProvider::builder()
                .with_log_processor(StampLogProcessor::default())
                .with_simple_exporter(logs.clone())
                .build(),
            spans,
            logs,
        }
    }

    fn tracer(&self) -> SdkTracer {
        self.tracers.tracer("test")
    }

    fn dispatch(&self, recipe: Recipe) -> Dispatch {
        let own = |target: &str| target == "impersonation" || target.starts_with("tower_http");
        let kept = filter_fn(move |metadata| {
            recipe != Recipe::WithoutOwnSpans || !metadata.is_span() || !own(metadata.target())
        });
        let both = registry()
            .with(otel::layer(self.tracer()).with_filter(kept))
            .with(OpenTelemetryTracingBridge::new(&self.loggers));
        if recipe == Recipe::SamplerAndLayer {
            Dispatch::new(both.with(StampLayer::new()))
        } else {
            Dispatch::new(both)
        }
    }

    fn spans(&self, name: &str) -> Vec<SpanData> {
        let spans = self.spans.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.name == name).collect()
    }

    /// The attributes of the one span of that name.
    fn span(&self, name: &str) -> Vec<(String, String)> {
        let spans = self.spans(name);
        assert_eq!(spans.len(), 1, "spans named {name}");
        let attributes = spans[0].attributes.iter();
        let pairs = attributes.map(|a| (a.key.to_string(), a.value.to_string()));
        pairs.collect()
    }

    /// The attributes of the one record with that body.
    fn record(&self, body: &str) -> Vec<(String, String)> {
        let logs = self.logs.get_emitted_logs().unwrap();
        let mut records = logs
            .iter()
            .filter(|log| log.record.body() == Some(&AnyValue::from(body.to_owned())));
        let log = records.next().unwrap_or_else(|| panic!("no {body:?}"));
        assert!(records.next().is_none(), "two of {body:?}");
        let text = |value: &AnyValue| match value {
            AnyValue::String(text) => text.to_string(),
            other => format!("{other:?}"),
        };
        let pairs = log.record.attributes_iter();
        pairs.map(|(k, v)| (k.to_string(), text(v))).collect()
    }
}

/// What is wrong with the attributes of a span or record.
fn judge(what: &str, attributes: &[(String, String)], expected: Expected) -> Option<String> {
    let is_sub = |(field, _): &&(&str, &str)| {
        [fields::USER_ID, fields::ACTOR_SUB, fields::TARGET_SUB].contains(field)
    };
    let subs: Vec<_> = STAMP.iter().filter(is_sub).copied().collect();
    let wanted: &[(&str, &str)] = match expected {
        Whole => &STAMP,
        Stamped => &subs,
        User => &[(fields::USER_ID, "bob")],
        Nothing | OutOfReach => &[],
    };
    let mut own: Vec<_> = attributes
        .iter()
        .map(|(key, value)| (&**key, &**value))
        .filter(|(key, _)| fields::ALL.contains(key))
        .collect();
    own.sort_unstable();
    let mut wanted = wanted.to_vec();
    wanted.sort_unstable();
    (own != wanted).then(|| format!("{what}: {expected:?}, and has {own:?}"))
}

/// What the handler needs to know of the world around it.
#[derive(Clone)]
struct World {
    tracer: SdkTracer,
    background: Span,
    outer: Arc<Mutex<Span>>,
}

async fn impersonated(
    world: World,
    request: Request<Full<Bytes>>,
) -> Result<Response<SpanBody>, Infallible> {
    drop(request);
    let (tracer, background) = (&world.tracer, &world.background);
    let outer = world.outer.lock().unwrap().clone();
    info!("in handler");
    async {
        tokio::task::yield_now().await;
        info_span!("s04_grandchild").in_scope(|| info!("in grandchild"));
    }
    .instrument(info_span!("s03_child"))
    .await;
    enter(&info_span!(parent: &outer, "s05_explicit_parent_outer"));
    info_span!(parent: None, "s06_parent_none").in_scope(|| {
        info!("under parent none");
        enter(&info_span!("s07_child_of_parent_none"));
    });
    let follower = info_span!("s08_follows_from");
    follower.follows_from(background);
    enter(&follower);
    enter(&info_span!(parent: background, "s09_explicit_parent_background"));

    let spawned = async {
        tokio::task::yield_now().await;
        enter(&info_span!("s10_spawn_in_current_span"));
        enter(&info_span!(parent: None, "s11_spawn_in_current_span_parent_none"));
    };
    tokio::spawn(spawned.in_current_span()).await.unwrap();
    let bare = async {
        enter(&info_span!("s12_spawn_bare"));
        info!("in bare spawn");
    };
    tokio::spawn(bare).await.unwrap();
    let ours = async {
        tokio::task::yield_now().await;
        enter(&info_span!("s12_spawn_by_the_crate"));
        info!("in spawn by the crate");
    };
    stamp::spawn(ours).await.unwrap();
    blocking(&world).await;
    native(tracer).await;
    Ok(Response::new(SpanBody(Some(world))))
}

async fn blocking(world: &World) {
    // The subscriber of a test is that of one thread.
    let dispatch = dispatcher::get_default(Clone::clone);
    let (tracer, own) = (world.tracer.clone(), dispatch.clone());
    let bare = move || {
        dispatcher::with_default(&own, || enter(&info_span!("s13_spawn_blocking_bare")));
        drop(tracer);
    };
    tokio::task::spawn_blocking(bare).await.unwrap();
    let own = dispatch.clone();
    let ours = move || {
        dispatcher::with_default(&own, || {
            enter(&info_span!("s13_spawn_blocking_by_the_crate"));
            info!("in spawn blocking by the crate");
        });
    };
    stamp::spawn_blocking(ours).await.unwrap();
    let span = Span::current();
    let in_scope = move || {
        dispatcher::with_default(&dispatch, || {
            span.in_scope(|| enter(&info_span!("s14_spawn_blocking_in_scope")));
        });
    };
    tokio::task::spawn_blocking(in_scope).await.unwrap();
}

async fn native(tracer: &SdkTracer) {
    drop(tracer.start("s15_native"));
    {
        let parent = OtelContext::current_with_span(tracer.start("s16n_parent"));
        drop(tracer.start_with_context("s16_native_child_of_native", &parent));
        let _attached = parent.attach();
        enter(&info_span!("s17_tracing_under_native"));
    }
    drop(tracer.start_with_context("s18_native_root", &OtelContext::new()));
    let own = tracer.clone();
    let with_context = async move {
        tokio::task::yield_now().await;
        drop(own.start("s19_native_in_spawn_with_context"));
        enter(&info_span!("s19_tracing_in_spawn_with_context"));
        info!("in spawn with context");
    };
    tokio::spawn(with_context.with_context(OtelContext::current()))
        .await
        .unwrap();
}

fn enter(span: &Span) {
    span.in_scope(|| ());
}

/// Opens spans while it is polled, after the handler returned.
struct SpanBody(Option<World>);

impl Body for SpanBody {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let Some(world) = self.0.take() else {
            return Poll::Ready(None);
        };
        info_span!("s20_in_body").in_scope(|| info!("in body"));
        drop(world.tracer.start("s21_native_in_body"));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from("text")))))
    }
}

/// Carol acts as Alice, Bob is Bob, and then nobody is anybody.
async fn all_situations(backend: &Backend) {
    let desk = Desk::new();
    // A span begins for OpenTelemetry when it is first entered.
    let background = info_span!("background");
    enter(&background);
    let world = World {
        tracer: backend.tracer(),
        background,
        outer: Arc::new(Mutex::new(Span::none())),
    };
    let outer = Arc::clone(&world.outer);
    let trace = TraceLayer::new_for_http().make_span_with(move |_: &Request<_>| {
        let span = info_span!("s01_outer");
        outer.lock().unwrap().clone_from(&span);
        span
    });
    let own = world.clone();
    let service = ServiceBuilder::new()
        .layer(trace)
        .layer(desk.layer())
        .service(service_fn(move |request| {
            impersonated(own.clone(), request)
        }));
    let request = get(&desk.carol(), &[("impersonate-user", "alice")]);
    let response = service.oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
    *world.outer.lock().unwrap() = Span::none();

    let tracer = world.tracer.clone();
    let trace =
        TraceLayer::new_for_http().make_span_with(|_: &Request<_>| info_span!("n0_outer_of_plain"));
    let plain = ServiceBuilder::new()
        .layer(trace)
        .layer(desk.layer())
        .service(service_fn(move |_: Request<Full<Bytes>>| {
            let tracer = tracer.clone();
            async move {
                info_span!("n1_plain").in_scope(|| info!("in plain handler"));
                drop(tracer.start("n2_native_plain"));
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        }));
    let bob = desk.token("bob", &["customers"]).sign();
    let response = plain.oneshot(get(&bob, &[])).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();

    info_span!("n3_after").in_scope(|| info!("after"));
}

async fn run(recipe: Recipe) -> Backend {
    let backend = Backend::new(recipe);
    let dispatch = backend.dispatch(recipe);
    let _default = scoped(dispatch);
    all_situations(&backend).await;
    backend
}

/// The tables hold for a wiring; what is `missing` is not there, or unstamped.
#[track_caller]
fn assert_tables(recipe: Recipe, backend: &Backend, missing: &[&str]) {
    let mut wrong = Vec::new();
    for (name, expected) in SPANS.iter().filter(|(name, _)| !missing.contains(name)) {
        wrong.extend(judge(
            name,
            &backend.span(name),
            recipe.expects(name, *expected),
        ));
    }
    for (body, expected) in RECORDS {
        wrong.extend(judge(body, &backend.record(body), *expected));
    }
    assert!(wrong.is_empty(), "{recipe:?}:\n{}", wrong.join("\n"));
}

#[tokio::test]
async fn every_situation_with_sampler_and_log_processor() {
    let backend = run(Recipe::Sampler).await;
    assert_tables(Recipe::Sampler, &backend, &[]);
}

#[tokio::test]
async fn every_situation_with_every_field_on_each_span() {
    let backend = run(Recipe::EveryField).await;
    assert_tables(Recipe::EveryField, &backend, &[]);
}

#[tokio::test]
async fn every_situation_with_the_stamp_layer_beside_them() {
    let backend = run(Recipe::SamplerAndLayer).await;
    assert_tables(Recipe::SamplerAndLayer, &backend, &[]);
}

/// A filter that drops the request's own span leaves nothing to carry the stamp into tasks; what runs
/// while the handler is polled is stamped all the same.
#[tokio::test]
async fn every_situation_where_the_own_span_is_filtered_out() {
    let backend = run(Recipe::WithoutOwnSpans).await;
    let lost = [
        "impersonation.request",
        "s10_spawn_in_current_span",
        "s11_spawn_in_current_span_parent_none",
        "s14_spawn_blocking_in_scope",
        "s19_native_in_spawn_with_context",
        "s19_tracing_in_spawn_with_context",
    ];
    assert!(backend.spans("impersonation.request").is_empty());
    let mut wrong = Vec::new();
    for (name, expected) in SPANS {
        if name == &"impersonation.request" {
            continue;
        }
        let expected = if lost.contains(name) {
            OutOfReach
        } else {
            *expected
        };
        wrong.extend(judge(name, &backend.span(name), expected));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Carol acts as Alice and Dora as Bob at once, on two threads, and everybody's spans say so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_stamp_crosses_between_two_impersonations() {
    const REQUESTS: usize = 60;
    const STEPS: usize = 5;

    let backend = Backend::new(Recipe::Sampler);
    let dispatch = backend.dispatch(Recipe::Sampler);
    let desk = Desk::new();
    let tracer = backend.tracer();
    let service = ServiceBuilder::new()
        .layer(desk.layer())
        .service(service_fn(move |request: Request<Full<Bytes>>| {
            let name = request.headers()["x-pair"].to_str().unwrap().to_owned();
            let tracer = tracer.clone();
            async move {
                for _ in 0..STEPS {
                    drop(tracer.start(name.clone()));
                    tokio::task::yield_now()
                        .instrument(info_span!("step", pair = name))
                        .await;
                    info!(pair = name, "step");
                    let (own, inner) = (tracer.clone(), name.clone());
                    let task = async move { drop(own.start(inner)) };
                    stamp::spawn(task).await.unwrap();
                }
                Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
            }
        }));
    let pairs = [
        ("carol", "alice", desk.carol()),
        ("dora", "bob", desk.token("dora", &["support"]).sign()),
    ];
    let tasks: Vec<_> = (0..REQUESTS)
        .map(|i| {
            let (actor, target, token) = &pairs[i % 2];
            let headers = [("impersonate-user", *target), ("x-pair", *actor)];
            let request = get(token, &headers);
            let service = service.clone();
            let whole = async move {
                let response = service.oneshot(request).await.unwrap();
                assert_eq!(response.status(), 200);
                response.into_body().collect().await.unwrap();
            };
            tokio::spawn(whole.with_subscriber(dispatch.clone()))
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    drop(dispatch);

    let of_pair = |observed: Vec<(String, Vec<(String, String)>)>, actor: &str| {
        let told =
            |pairs: &[(String, String)]| pairs.iter().any(|(k, v)| k == "pair" && v == actor);
        observed
            .into_iter()
            .filter(|(name, pairs)| name == actor || told(pairs))
            .collect::<Vec<_>>()
    };
    for (actor, target, _) in &pairs {
        let spans = backend.spans.get_finished_spans().unwrap();
        let spans = spans.iter().map(|span| {
            let pairs = span.attributes.iter();
            let pairs = pairs.map(|a| (a.key.to_string(), a.value.to_string()));
            (span.name.to_string(), pairs.collect())
        });
        let spans = of_pair(spans.collect(), actor);
        // Two native ones and one of tracing for each step.
        assert_eq!(spans.len(), REQUESTS / 2 * STEPS * 3);
        assert_all_stamped(&spans, actor, target);
        let logs = backend.logs.get_emitted_logs().unwrap();
        let logs = logs.iter().map(|log| {
            let pairs = log.record.attributes_iter();
            let text = |value: &AnyValue| match value {
                AnyValue::String(text) => text.to_string(),
                other => format!("{other:?}"),
            };
            let pairs = pairs.map(|(k, v)| (k.to_string(), text(v)));
            (String::new(), pairs.collect())
        });
        let logs = of_pair(logs.collect(), actor);
        assert_eq!(logs.len(), REQUESTS / 2 * STEPS);
        assert_all_stamped(&logs, actor, target);
    }
}

/// What the exporters return can be given to the test kit as it is.
#[tokio::test]
async fn the_test_kit_takes_what_exporters_return() {
    let backend = run(Recipe::Sampler).await;
    let expected = |wanted| {
        SPANS
            .iter()
            .filter(move |(_, expected)| *expected == wanted)
    };
    let spans = |wanted| -> Vec<SpanData> {
        let named = expected(wanted).map(|(name, _)| backend.spans(name));
        named.flatten().collect()
    };
    assert_all_stamped(&spans(Stamped), "carol", "alice");
    assert_all_stamped(&spans(Whole), "carol", "alice");
    assert_none_stamped(&spans(Nothing));
    assert_none_stamped(&spans(OutOfReach));
    assert_none_stamped(&spans(User));
    let logs = backend.logs.get_emitted_logs().unwrap();
    let of = |wanted| -> Vec<_> {
        let bodies = RECORDS
            .iter()
            .filter(move |(_, expected)| *expected == wanted);
        let bodies: Vec<_> = bodies.map(|(body, _)| AnyValue::from(*body)).collect();
        let found = logs
            .iter()
            .filter(|log| log.record.body().is_some_and(|b| bodies.contains(b)));
        found.cloned().collect()
    };
    assert_all_stamped(&of(Whole), "carol", "alice");
    assert_none_stamped(&of(Nothing));
    let record = Observed::from(&of(OutOfReach)[0]);
    assert_none_stamped(&[("bare", vec![("k", "v")])]);
    assert!(
        format!("{record:?}").contains("in bare spawn"),
        "{record:?}"
    );
}
