//! OpenTelemetry through the whole layer: what leaves, under which names, and what never does.

mod support;

#[path = "support/sinks.rs"]
mod sinks;
#[path = "support/trace.rs"]
mod trace;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::logs::{AnyValue, LoggerProvider, Severity};
use opentelemetry::metrics::MeterProvider;
use opentelemetry::propagation::{TextMapCompositePropagator, TextMapPropagator};
use opentelemetry::trace::{
    SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_sdk::logs::{InMemoryLogExporter, SdkLoggerProvider};
use opentelemetry_sdk::metrics::data::{AggregatedMetrics, MetricData};
use opentelemetry_sdk::metrics::{InMemoryMetricExporter, SdkMeterProvider};
use opentelemetry_sdk::propagation::{BaggagePropagator, TraceContextPropagator};
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider, SpanData};
use sinks::{Mood, Moody};
use support::{Desk, ISSUER, get};
use tower::{Layer, Service, ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::TraceLayer;
use tower_impersonate::audit::{DenialLimit, EventName};
use tower_impersonate::measure::{Fetched, Lookup, Measurement, RuleKind};
use tower_impersonate::otel::{
    self, HashKey, Identifiers, Preset, StampExporter, StampLogProcessor, StampSampler, Vocabulary,
};
use tower_impersonate::secret::Secret;
use tower_impersonate::stamp::fields;
use tower_impersonate::testing::{TestIssuer, assert_all_stamped, assert_none_stamped};
use tower_impersonate::{ImpersonationLayer, audit, policy};
use trace::scoped;
use tracing::subscriber::DefaultGuard;
use tracing::{Span, info, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

/// Spans and log records as they leave, in a vocabulary.
struct Backend {
    spans: InMemorySpanExporter,
    logs: InMemoryLogExporter,
    loggers: SdkLoggerProvider,
    _default: DefaultGuard,
}

impl Backend {
    fn new(vocabulary: Vocabulary) -> Self {
        let (spans, logs) = (
            InMemorySpanExporter::default(),
            InMemoryLogExporter::default(),
        );
        let sampler = Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
        let tracers = SdkTracerProvider::builder()
            .with_sampler(StampSampler::new(sampler))
            .with_simple_exporter(StampExporter::new(spans.clone(), vocabulary.clone()))
            .build();
        let loggers = SdkLoggerProvider::builder()
            .with_log_processor(StampLogProcessor::new(vocabulary))
            .with_simple_exporter(logs.clone())
            .build();
        let subscriber = registry()
            .with(otel::layer(tracers.tracer("test")))
            .with(OpenTelemetryTracingBridge::new(&loggers));
        Self {
            spans,
            logs,
            loggers,
            _default: scoped(subscriber),
        }
    }

    fn all(&self) -> Vec<SpanData> {
        self.spans.get_finished_spans().unwrap()
    }

    #[track_caller]
    fn span(&self, name: &str) -> SpanData {
        let mut spans: Vec<_> = self.all().into_iter().filter(|s| s.name == name).collect();
        assert_eq!(spans.len(), 1, "spans named {name}");
        spans.remove(0)
    }

    /// The values of a key on the log record with that body.
    #[track_caller]
    fn logged(&self, body: &str, key: &str) -> Vec<String> {
        let logs = self.logs.get_emitted_logs().unwrap();
        let has_body = |value: Option<&AnyValue>| value == Some(&AnyValue::from(body.to_owned()));
        let log = logs.iter().find(|log| has_body(log.record.body()));
        let log = log.unwrap_or_else(|| panic!("no record {body:?}"));
        let own = log.record.attributes_iter();
        let own = own.filter(|(own, _)| own.as_str() == key);
        own.map(|(_, value)| text(value)).collect()
    }

    /// Everything that left, as text.
    fn whole(&self) -> String {
        format!(
            "{:?} {:?}",
            self.all(),
            self.logs.get_emitted_logs().unwrap()
        )
    }
}

fn text(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.to_string(),
        AnyValue::Int(number) => number.to_string(),
        other => format!("{other:?}"),
    }
}

fn values(span: &SpanData, key: &str) -> Vec<String> {
    let own = span.attributes.iter().filter(|a| a.key.as_str() == key);
    own.map(|attribute| attribute.value.to_string()).collect()
}

async fn handler(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    info_span!("query", table = "orders").in_scope(|| info!("found"));
    Ok(Response::new(Full::default()))
}

/// A request through a tracing layer and this one, to a handler that logs inside a span of its own.
async fn ask(layer: &ImpersonationLayer, request: Request<Full<Bytes>>) -> u16 {
    run(layer.layer(service_fn(handler)), request).await
}

async fn run<S, B>(inner: S, request: Request<Full<Bytes>>) -> u16
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: http_body::Body<Error: std::fmt::Debug + std::fmt::Display + 'static>,
{
    let trace = TraceLayer::new_for_http().make_span_with(|_: &Request<_>| info_span!("http"));
    let service = ServiceBuilder::new().layer(trace).service(inner);
    let response = service.oneshot(request).await.unwrap();
    let status = response.status();
    response.into_body().collect().await.unwrap();
    status.as_u16()
}

/// The requester and the effective user have the same names on every span, the layer's own ones too,
/// and on every record.
#[tokio::test]
async fn a_vocabulary_holds_for_all_that_leaves() {
    let key = || HashKey::new(&Secret::from("a secret that is long enough for this")).unwrap();
    let (carol, alice) = (key().hash("carol"), key().hash("alice"));
    let own = ["impersonation.request", "http", "query"];
    for (preset, identifiers, user, actor, target, effective) in [
        (
            Preset::OpenTelemetry,
            Identifiers::Raw,
            "alice",
            "carol",
            "alice",
            None,
        ),
        (
            Preset::Ecs,
            Identifiers::Raw,
            "carol",
            "carol",
            "alice",
            Some("alice"),
        ),
        (
            Preset::OpenTelemetry,
            Identifiers::KeyedHash(key()),
            &*alice,
            &*carol,
            &*alice,
            None,
        ),
        (
            Preset::Ecs,
            Identifiers::KeyedHash(key()),
            &*carol,
            &*carol,
            &*alice,
            Some(&*alice),
        ),
    ] {
        let case = format!("{preset:?} {identifiers:?}");
        let raw = matches!(identifiers, Identifiers::Raw);
        let vocabulary = Vocabulary::new().preset(preset).identifiers(identifiers);
        let backend = Backend::new(vocabulary);
        let desk = Desk::new();
        assert_eq!(ask(&desk.layer(), get(&desk.carol(), &AS_ALICE)).await, 200);
        let expected = [
            (fields::USER_ID, Some(user)),
            (fields::ACTOR_SUB, Some(actor)),
            (fields::TARGET_SUB, Some(target)),
            ("user.effective.id", effective),
            (fields::MODE, Some("full")),
        ];
        for (key, value) in expected {
            let value: Vec<_> = value.into_iter().collect();
            let below = key != fields::MODE;
            for name in own.into_iter().filter(|name| below || *name != "query") {
                assert_eq!(
                    values(&backend.span(name), key),
                    value,
                    "{key} of {name}, {case}"
                );
            }
            assert_eq!(
                backend.logged("found", key),
                value,
                "{key} of the record, {case}"
            );
        }
        let whole = backend.whole();
        assert_eq!(whole.contains("alice"), raw, "{case}: {whole}");
        assert_eq!(whole.contains("carol"), raw, "{case}: {whole}");
    }
}

/// What the application, the layer's own log lines and the audit say of people is covered as the stamp
/// is: values of any type, aliases, events and links on spans, log records, and whom a denial was about.
#[tokio::test]
async fn nothing_that_names_a_person_leaves_uncovered() {
    let key = || HashKey::new(&Secret::from("a secret that is long enough for this")).unwrap();
    for (identifiers, number) in [
        (Identifiers::Raw, Some("4711".to_owned())),
        (Identifiers::KeyedHash(key()), Some(key().hash("4711"))),
        (Identifiers::Drop, None),
    ] {
        let case = format!("{identifiers:?}");
        let raw = matches!(identifiers, Identifiers::Raw);
        let backend = Backend::new(Vocabulary::new().identifiers(identifiers));
        let desk = Desk::new();
        let sink = audit::all([
            audit::shared(desk.sink.clone()),
            audit::shared(audit::tracing()),
        ]);
        let limit = DenialLimit::new(1, Duration::from_secs(60));
        let layer = desk.unrecorded().audit(sink).denial_limit(limit);
        let layer = layer.build().unwrap();
        let denied = [
            ("impersonate-user", "nobody-known"),
            ("impersonate-reason", "nobody-known called"),
        ];
        for _ in 0..2 {
            assert_eq!(ask(&layer, get(&desk.carol(), &denied)).await, 403);
        }
        {
            let span = info_span!("own", user.id = 4711_u64, user.effective.id = "alice");
            let linked = SpanContext::new(
                TraceId::from(1),
                SpanId::from(1),
                TraceFlags::SAMPLED,
                false,
                TraceState::default(),
            );
            let to = vec![KeyValue::new(fields::USER_ID, "alice")];
            span.add_link_with_attributes(linked, to);
            let _entered = span.entered();
            info!(
                user.id = 4711_u64,
                user.effective.id = "alice",
                kept = 7,
                "said"
            );
        }
        let number: Vec<_> = number.into_iter().collect();
        let own = backend.span("own");
        assert_eq!(values(&own, fields::USER_ID), number, "{case}");
        assert_eq!(own.links.len(), 1, "{case}");
        assert_eq!(backend.logged("said", fields::USER_ID), number, "{case}");
        assert_eq!(backend.logged("said", "kept"), ["7"], "{case}");

        let logs = backend.logs.get_emitted_logs().unwrap();
        let is_event = |target: Option<&Cow<'static, str>>| {
            target.is_some_and(|target| target == "impersonation.audit")
        };
        let (events, others): (Vec<_>, Vec<_>) =
            logs.iter().partition(|log| is_event(log.record.target()));
        assert_eq!(events.len(), 1, "{case}");
        // The record is worth nothing without them.
        assert!(format!("{events:?}").contains("nobody-known"), "{case}");
        let whole = format!("{:?} {others:?}", backend.all());
        assert!(whole.contains("no longer recorded"), "{whole}");
        for name in ["carol", "alice", "nobody-known"] {
            assert_eq!(whole.contains(name), raw, "{name}, {case}: {whole}");
        }
        let record = &others
            .iter()
            .find(|log| log.record.body() == Some(&AnyValue::from("said")));
        let record = &record.unwrap().record;
        assert!(record.trace_context().is_some(), "{case}");
        assert_eq!(record.severity_text(), Some("INFO"), "{case}");
        assert_eq!(record.severity_number(), Some(Severity::Info), "{case}");
        assert!(record.observed_timestamp().is_some(), "{case}");
    }
}

#[tokio::test]
async fn without_identifiers_it_is_seen_that_somebody_impersonated_and_not_who() {
    let backend = Backend::new(Vocabulary::new().identifiers(Identifiers::Drop));
    let desk = Desk::new();
    assert_eq!(ask(&desk.layer(), get(&desk.carol(), &AS_ALICE)).await, 200);
    for name in ["impersonation.request", "http"] {
        let span = backend.span(name);
        assert_eq!(values(&span, fields::MODE), ["full"], "{name}");
        assert!(values(&span, fields::USER_ID).is_empty(), "{name}");
    }
    let whole = backend.whole();
    assert!(
        !whole.contains("carol") && !whole.contains("alice"),
        "{whole}"
    );
}

#[tokio::test]
async fn what_the_users_sampler_drops_stays_dropped() {
    let spans = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder()
        .with_sampler(StampSampler::new(Sampler::AlwaysOff))
        .with_simple_exporter(spans.clone())
        .build();
    let _default = scoped(registry().with(otel::layer(tracers.tracer("test"))));
    let desk = Desk::new();
    assert_eq!(ask(&desk.layer(), get(&desk.carol(), &AS_ALICE)).await, 200);
    assert!(spans.get_finished_spans().unwrap().is_empty());
}

#[tokio::test]
async fn a_user_that_a_span_gives_itself_stays() {
    let backend = Backend::new(Vocabulary::new());
    let desk = Desk::new();
    let service = desk
        .layer()
        .layer(service_fn(|_: Request<Full<Bytes>>| async move {
            drop(info_span!("query", user.id = "of the query"));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    assert_eq!(run(service, get(&desk.carol(), &AS_ALICE)).await, 200);
    let query = backend.span("query");
    assert_eq!(values(&query, fields::USER_ID), ["of the query"]);
    assert_all_stamped(&[query], "carol", "alice");
}

#[tokio::test]
async fn an_audit_event_is_one_log_record_with_its_fields_once() {
    let backend = Backend::new(Vocabulary::new());
    let desk = Desk::new();
    let sink = otel::audit(backend.loggers.logger("audit"));
    let layer = desk.unrecorded().audit(sink).build().unwrap();
    let headers = [AS_ALICE[0], ("impersonate-reason", "ticket 4711")];
    assert_eq!(ask(&layer, get(&desk.carol(), &headers)).await, 200);
    assert_eq!(
        ask(&layer, get(&desk.carol(), &[("impersonate-user", "root")])).await,
        403
    );

    let logs = backend.logs.get_emitted_logs().unwrap();
    let named = |name: EventName| {
        let mut own = logs
            .iter()
            .filter(|log| log.record.event_name() == Some(name.as_str()));
        let log = own.next().unwrap_or_else(|| panic!("no {name:?}"));
        assert!(own.next().is_none(), "two of {name:?}");
        log.record.clone()
    };
    type Told<'a> = (EventName, Severity, &'a [(&'a str, &'a str)]);
    let expected: [Told<'_>; 3] = [
        (
            EventName::Request,
            Severity::Info,
            &[
                (fields::USER_ID, "alice"),
                (fields::ACTOR_SUB, "carol"),
                (fields::ACTOR_ISS, ISSUER),
                (fields::TARGET_SUB, "alice"),
                ("impersonation.reason", "ticket 4711"),
                ("url.path", "/orders"),
            ],
        ),
        (
            EventName::Completed,
            Severity::Info,
            &[
                (fields::ACTOR_SUB, "carol"),
                (fields::TARGET_SUB, "alice"),
                ("http.response.status_code", "200"),
            ],
        ),
        (
            EventName::Denied,
            Severity::Warn,
            &[
                (fields::ACTOR_SUB, "carol"),
                (fields::TARGET_SUB, "root"),
                ("impersonation.deny.rule", "not(target_in_group(admins))"),
            ],
        ),
    ];
    for (name, severity, fields) in expected {
        let record = named(name);
        assert_eq!(record.severity_number(), Some(severity), "{name:?}");
        assert!(
            record.timestamp().is_some() && record.trace_context().is_some(),
            "{name:?}"
        );
        for (key, value) in fields {
            let own = record
                .attributes_iter()
                .filter(|(own, _)| own.as_str() == *key);
            let own: Vec<_> = own.map(|(_, value)| text(value)).collect();
            assert_eq!(own, [*value], "{key} of {name:?}");
        }
    }
}

/// Processors that export nothing do not make a logger one that takes events.
#[tokio::test]
async fn events_that_would_go_nowhere_are_not_acknowledged() {
    let exporter = InMemoryLogExporter::default();
    let stamping = || SdkLoggerProvider::builder().with_log_processor(StampLogProcessor::default());
    let nowhere = stamping().build();
    let somewhere = stamping().with_simple_exporter(exporter.clone()).build();
    let desk = Desk::new();
    let over = |provider: &SdkLoggerProvider| {
        desk.unrecorded()
            .audit(otel::audit(provider.logger("audit")))
    };
    let refused = over(&nowhere).build().unwrap_err();
    assert!(refused.to_string().contains("audit"), "{refused}");
    let layer = over(&somewhere).build().unwrap();
    assert_eq!(ask(&layer, get(&desk.carol(), &AS_ALICE)).await, 200);
    assert_eq!(exporter.get_emitted_logs().unwrap().len(), 2);
}

/// Counters and histogram after a handful of requests, each with all its attributes.
#[tokio::test]
async fn metrics_count_what_happened() {
    let exporter = InMemoryMetricExporter::default();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    let desk = Desk::new();
    let measure = otel::metrics(&meters.meter("test"));
    let layer = desk.builder().measure(measure).build().unwrap();
    let carol = desk.carol();
    for (token, headers) in [
        (&*carol, &AS_ALICE[..]),
        (&carol, &AS_ALICE),
        (&carol, &[]),
        (&carol, &[("impersonate-user", "root")]),
        (&carol, &[("impersonate-user", "")]),
        ("garbage", &[]),
    ] {
        ask(&layer, get(token, headers)).await;
    }
    let failing = desk.unrecorded().audit(Moody::new(Mood::Fails));
    let failing = failing.measure(otel::metrics(&meters.meter("test")));
    assert_eq!(
        ask(&failing.build().unwrap(), get(&carol, &AS_ALICE)).await,
        503
    );

    meters.force_flush().unwrap();
    let counted = Counted::of(&exporter);
    let requests = |outcome| {
        counted.sum(
            "impersonation.requests",
            &[("impersonation.outcome", outcome)],
        )
    };
    assert_eq!(requests("plain"), 1);
    assert_eq!(requests("impersonated"), 2);
    assert_eq!(requests("forbidden"), 1);
    assert_eq!(requests("malformed_impersonation"), 1);
    assert_eq!(requests("invalid_token"), 1);
    assert_eq!(requests("unavailable"), 1);
    assert_eq!(
        counted.sum(
            "impersonation.requests",
            &[("impersonation.strategy", "header")]
        ),
        2
    );
    let denials = |kind| {
        counted.sum(
            "impersonation.denials",
            &[("impersonation.deny.kind", kind)],
        )
    };
    assert_eq!((denials("not"), denials("malformed")), (1, 1));
    let cache = |result| {
        counted.sum(
            "impersonation.token.cache.lookups",
            &[("impersonation.cache.result", result)],
        )
    };
    // One miss for each layer's first look at the token; garbage is refused before anybody looks for it.
    assert_eq!((cache("hit"), cache("miss")), (4, 2));
    assert_eq!(counted.sum("impersonation.audit.failures", &[]), 1);
    assert_eq!(counted.sum("impersonation.decision.duration", &[]), 7);
    let units = [
        ("impersonation.requests", "{request}"),
        ("impersonation.denials", "{denial}"),
        ("impersonation.decision.duration", "s"),
        ("impersonation.token.cache.lookups", "{lookup}"),
        ("impersonation.audit.failures", "{failure}"),
    ];
    for (name, unit) in units {
        assert_eq!(counted.units[name], unit, "{name}");
    }
}

#[tokio::test]
async fn a_fetch_of_keys_is_counted_by_its_issuer() {
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let issuer = TestIssuer::start().await;
    let name = issuer.name().to_owned();
    let log = Arc::clone(&seen);
    let measure = move |measurement: &Measurement<'_>| {
        if let Measurement::KeyRefresh { issuer, outcome } = measurement {
            log.lock().unwrap().push(((*issuer).to_owned(), *outcome));
        }
    };
    let authenticator = tower_impersonate::token::Authenticator::builder()
        .issuer(issuer.issuer())
        .measure(measure)
        .build()
        .unwrap();
    authenticator.connect().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [(name, Fetched::Ok)]);
}

#[tokio::test]
async fn what_is_measured_without_opentelemetry_is_the_same() {
    let desk = Desk::new();
    let seen = Arc::new(std::sync::Mutex::new(Vec::new()));
    let log = Arc::clone(&seen);
    let layer = desk
        .builder()
        .measure(move |measurement: &Measurement<'_>| {
            log.lock().unwrap().push(match *measurement {
                Measurement::Decision {
                    outcome,
                    strategy,
                    took,
                } => {
                    // The test's clock stands still.
                    assert_eq!(took, Duration::ZERO);
                    format!("{outcome} {strategy:?}")
                }
                Measurement::Denial { rule } => format!("denied by {rule}"),
                Measurement::TokenCache(Lookup::Hit) => "hit".to_owned(),
                Measurement::TokenCache(_) => "miss".to_owned(),
                _ => "other".to_owned(),
            });
        })
        .build()
        .unwrap();
    let carol = desk.carol();
    for headers in [&AS_ALICE[..], &[], &[("impersonate-user", "root")]] {
        ask(&layer, get(&carol, headers)).await;
    }
    let expected = [
        "miss",
        "impersonated Some(Header)",
        "hit",
        "plain None",
        "hit",
        "denied by not",
        "forbidden None",
    ];
    assert_eq!(*seen.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_closure_that_panics_measures_nothing_and_breaks_nothing() {
    let desk = Desk::new();
    let layer = desk.builder().measure(|_| panic!("broken for the test"));
    let layer = layer.build().unwrap();
    for _ in 0..2 {
        assert_eq!(ask(&layer, get(&desk.carol(), &AS_ALICE)).await, 200);
    }
}

/// No part of a token, cookie, address or e-mail is in what is exported or handed to a callee.
#[tokio::test]
async fn a91_no_secret_is_in_what_is_exported() {
    let backend = Backend::new(Vocabulary::new());
    let desk = Desk::new();
    let sink = otel::audit(backend.loggers.logger("audit"));
    let layer = desk.unrecorded().audit(sink).build().unwrap();
    let token = desk.carol();
    let tampered = format!("{}x", &token[..token.len() - 3]);
    let headers = [
        AS_ALICE[0],
        ("cookie", "session=cookie-secret"),
        ("proxy-authorization", "Basic proxy-secret"),
        ("x-api-key", "api-key-secret"),
    ];
    let service = layer.layer(service_fn(|request: Request<Full<Bytes>>| async move {
        // What a client library would send on, and what the handler's headers look like in a log.
        let mut carrier = BTreeMap::new();
        propagator().inject_context(&Span::current().context(), &mut Carrier(&mut carrier));
        info!(headers = ?request.headers().get("authorization"), ?carrier, "calls on");
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    assert_eq!(run(service.clone(), get(&token, &headers)).await, 200);
    assert_eq!(
        run(
            service.clone(),
            get(&token, &[("cookie", "session=cookie-secret")])
        )
        .await,
        200
    );
    assert_eq!(run(service, get(&tampered, &headers)).await, 401);
    let whole = backend.whole();
    assert!(whole.contains("calls on"), "{whole}");
    for part in token.split('.').chain([
        "cookie-secret",
        "proxy-secret",
        "api-key-secret",
        "@example.com",
    ]) {
        let part = &part[..part.len().min(40)];
        assert!(!whole.contains(part), "{part} in {whole}");
    }
}

/// The caller's `baggage` and `tracestate` name nobody, although the application believes
/// `traceparent`; and neither leaves with what the layer knows.
#[tokio::test]
async fn a92_no_identity_is_taken_from_or_put_into_baggage_or_tracestate() {
    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    let backend = Backend::new(Vocabulary::new());
    let desk = Desk::new();
    let inbound = BTreeMap::from([
        ("traceparent".to_owned(), format!("00-{TRACE}-00f067aa0ba902b7-01")),
        ("tracestate".to_owned(), "impersonation=mallory-state".to_owned()),
        (
            "baggage".to_owned(),
            "impersonation.actor.sub=mallory,impersonation.target.sub=root,user.id=root,enduser.id=root".to_owned(),
        ),
    ]);
    for (headers, actor) in [(&AS_ALICE[..], Some("carol")), (&[], None)] {
        backend.spans.reset();
        backend.logs.reset();
        let outbound = Arc::new(std::sync::Mutex::new(BTreeMap::new()));
        let sent = Arc::clone(&outbound);
        let service = desk
            .layer()
            .layer(service_fn(move |request: Request<Full<Bytes>>| {
                let mut carrier = BTreeMap::new();
                let context = Span::current().context();
                assert!(
                    context.baggage().get("user.id").is_some(),
                    "the application reads it"
                );
                propagator().inject_context(&context, &mut Carrier(&mut carrier));
                sent.lock().unwrap().append(&mut carrier);
                handler(request)
            }));
        let parent = propagator().extract(&Carrier(&mut inbound.clone()));
        let trace = TraceLayer::new_for_http().make_span_with(move |_: &Request<_>| {
            let span = info_span!("http");
            span.set_parent(parent.clone()).unwrap();
            span
        });
        let mut request = get(&desk.carol(), headers);
        for (name, value) in &inbound {
            let name: http::HeaderName = name.parse().unwrap();
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        let service = ServiceBuilder::new().layer(trace).service(service);
        let response = service.oneshot(request).await.unwrap();
        assert_eq!(response.status(), 200);
        response.into_body().collect().await.unwrap();

        let spans = backend.all();
        for span in &spans {
            assert_eq!(
                span.span_context.trace_id().to_string(),
                TRACE,
                "{}",
                span.name
            );
        }
        match actor {
            Some(actor) => assert_all_stamped(&spans, actor, "alice"),
            None => assert_none_stamped(&spans),
        }
        let attributes = spans.iter().flat_map(|span| &span.attributes);
        let told: Vec<_> = attributes.map(|a: &KeyValue| a.value.to_string()).collect();
        assert!(
            !told
                .iter()
                .any(|value| value.contains("mallory") || value == "root"),
            "{told:?}"
        );
        assert!(!format!("{:?}", backend.logs.get_emitted_logs().unwrap()).contains("mallory"));
        // Baggage and trace state go on as the application got them, and nothing of ours is beside it.
        let outbound = format!("{:?}", outbound.lock().unwrap());
        assert!(outbound.contains(TRACE), "{outbound}");
        assert!(
            !outbound.contains("carol") && !outbound.contains("alice"),
            "{outbound}"
        );
    }
}

/// A span around the layer that took a user out of a header is told over by who it was, whatever becomes of
/// the request, and so is what a handler writes there later.
#[tokio::test]
async fn a92_a_user_out_of_a_header_does_not_win_over_the_verified_one() {
    let two = [AS_ALICE[0], ("impersonate-user", "bob")];
    for (headers, status, user) in [
        (&AS_ALICE[..], 200, "alice"),
        (&[], 200, "carol"),
        (&[("impersonate-user", "root")], 403, "carol"),
        (&two, 400, "carol"),
    ] {
        let (backend, desk) = (Backend::new(Vocabulary::new()), Desk::new());
        let outer = Arc::new(Mutex::new(Span::none()));
        let later = Arc::clone(&outer);
        let writes_over = service_fn(move |request: Request<Full<Bytes>>| {
            later.lock().unwrap().record(fields::USER_ID, "mallory");
            handler(request)
        });
        let trace = TraceLayer::new_for_http().make_span_with(move |_: &Request<_>| {
            let span = info_span!("http", user.id = "mallory", path = "/orders");
            outer.lock().unwrap().clone_from(&span);
            span
        });
        let service = ServiceBuilder::new()
            .layer(trace)
            .layer(desk.layer())
            .service(writes_over);
        let response = service.oneshot(get(&desk.carol(), headers)).await.unwrap();
        assert_eq!(response.status(), status, "{headers:?}");
        response.into_body().collect().await.unwrap();
        let outer = backend.span("http");
        assert_eq!(values(&outer, fields::USER_ID), [user], "{headers:?}");
        assert_eq!(values(&outer, "path"), ["/orders"], "{headers:?}");
        if headers == AS_ALICE {
            assert_all_stamped(&backend.all(), "carol", "alice");
        }
    }
    // The control: what nobody verified stays as it was said.
    let (backend, desk) = (Backend::new(Vocabulary::new()), Desk::new());
    let trace = TraceLayer::new_for_http()
        .make_span_with(|_: &Request<_>| info_span!("http", user.id = "mallory"));
    let service = ServiceBuilder::new().layer(trace).layer(desk.layer());
    let service = service.service(service_fn(handler));
    let response = service.oneshot(get("garbage", &[])).await.unwrap();
    assert_eq!(response.status(), 401);
    response.into_body().collect().await.unwrap();
    assert_eq!(values(&backend.span("http"), fields::USER_ID), ["mallory"]);
}

/// What a handler writes over the request's own span does not leave, and reaches nothing below.
#[tokio::test]
async fn a93_a_handler_cannot_rewrite_who_it_was() {
    let backend = Backend::new(Vocabulary::new());
    let desk = Desk::new();
    let service = desk
        .layer()
        .layer(service_fn(|_: Request<Full<Bytes>>| async move {
            let own = Span::current();
            own.record(fields::ACTOR_SUB, "mallory");
            own.record(fields::TARGET_SUB, "mallory");
            own.record(fields::USER_ID, "mallory");
            own.set_attribute(fields::ACTOR_SUB, "mallory");
            Context::map_current(|cx| {
                cx.span()
                    .set_attribute(KeyValue::new(fields::USER_ID, "mallory"));
            });
            info_span!("query").in_scope(|| info!("found"));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
    assert_eq!(run(service, get(&desk.carol(), &AS_ALICE)).await, 200);
    assert_all_stamped(&backend.all(), "carol", "alice");
    assert_eq!(
        values(&backend.span("impersonation.request"), fields::USER_ID),
        ["alice"]
    );
    assert_eq!(backend.logged("found", fields::ACTOR_SUB), ["carol"]);
    let whole = backend.whole();
    assert!(!whole.contains("mallory"), "{whole}");
    let completed = desk.sink.named(EventName::Completed);
    assert_eq!(completed[0][fields::ACTOR_SUB], "carol");
}

/// A thousand made-up people, keys, issuers, groups and rules make no further series of a metric.
#[tokio::test]
async fn a94_callers_cannot_multiply_the_series_of_a_metric() {
    let exporter = InMemoryMetricExporter::default();
    let meters = SdkMeterProvider::builder()
        .with_periodic_exporter(exporter.clone())
        .build();
    let desk = Desk::new();
    let named_by_the_caller = policy::custom(|attempt| {
        let wanted = attempt.target().map(|target| target.subject().to_owned());
        policy::Ruling::deny(wanted.unwrap_or_else(|| "nobody yet".to_owned()))
    });
    let layer = desk
        .bare()
        .issuer(desk.accepted())
        .resolve(tower_impersonate::resolve::header("impersonate-user"))
        .policy(named_by_the_caller)
        .measure(otel::metrics(&meters.meter("test")))
        .build()
        .unwrap();
    let elsewhere = TestIssuer::offline("https://elsewhere.example.com");
    for i in 0..200 {
        let sub = format!("made-up-{i}");
        let token = desk.token(&sub, &[&sub]).sign();
        let issuer = format!("https://{sub}.example.com");
        for (token, headers) in [
            (token.clone(), &[("impersonate-user", &*sub)][..]),
            (token.clone(), &[("impersonate-group", &*sub)]),
            (
                token,
                &[("impersonate-user", &*sub), ("impersonate-issuer", &*sub)],
            ),
            (elsewhere.token(&sub).claim("iss", issuer).sign(), &[]),
            (sub.clone(), &[]),
        ] {
            ask(&layer, get(&token, headers)).await;
        }
    }
    meters.force_flush().unwrap();
    let counted = Counted::of(&exporter);
    assert_eq!(counted.sum("impersonation.requests", &[]), 1000);
    for (name, points) in &counted.points {
        assert!(points.len() <= 8, "{name}: {points:?}");
        let told = format!("{points:?}");
        assert!(!told.contains("made-up"), "{name}: {told}");
    }
    assert_eq!(RuleKind::of("made-up-7").as_str(), "other");
}

/// What could not work is refused before anything is installed.
#[cfg(feature = "otlp")]
#[test]
fn a_set_up_that_makes_no_sense_is_an_error() {
    use tower_impersonate::otel::{Config, Protocol, SetupError, init};

    let config = || Config::new("shop").filter("info");
    let http = |url: &str| config().protocol(Protocol::Http).endpoint(url);
    type Kind = fn(&SetupError) -> bool;
    let cases: [(&str, Config, Kind); 3] = [
        ("a filter", config().filter("shop=loud"), |e| {
            matches!(e, SetupError::Filter(_))
        }),
        ("an endpoint", http("not a url"), |e| {
            matches!(e, SetupError::Exporter(_))
        }),
        ("no runtime", config().endpoint("http://127.0.0.1:1"), |e| {
            matches!(e, SetupError::Runtime)
        }),
    ];
    for (case, config, expected) in cases {
        let error = init(config).expect_err(case);
        assert!(expected(&error), "{case}: {error:?}");
    }
    let one_thread = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let error = one_thread.block_on(async { init(config().endpoint("http://127.0.0.1:1")) });
    assert!(matches!(error, Err(SetupError::Runtime)), "{error:?}");
    let shown = format!("{:?}", http("http://someone:secret@127.0.0.1"));
    assert!(!shown.contains("secret"), "{shown}");
}

fn propagator() -> TextMapCompositePropagator {
    TextMapCompositePropagator::new(vec![
        Box::new(TraceContextPropagator::new()),
        Box::new(BaggagePropagator::new()),
    ])
}

struct Carrier<'a>(&'a mut BTreeMap<String, String>);

impl opentelemetry::propagation::Injector for Carrier<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key.to_owned(), value);
    }
}

impl opentelemetry::propagation::Extractor for Carrier<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(String::as_str)
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(String::as_str).collect()
    }
}

type Points = Vec<(Attributes, u64)>;
type Attributes = BTreeSet<(String, String)>;

/// What the last export of metrics says: a number for each set of attributes.
struct Counted {
    units: BTreeMap<String, String>,
    points: BTreeMap<String, Points>,
}

impl Counted {
    fn of(exporter: &InMemoryMetricExporter) -> Self {
        let exported = exporter.get_finished_metrics().unwrap();
        let mut counted = Self {
            units: BTreeMap::new(),
            points: BTreeMap::new(),
        };
        let scopes = exported.last().unwrap().scope_metrics();
        for metric in scopes.flat_map(|scope| scope.metrics()) {
            let points: Vec<_> = match metric.data() {
                AggregatedMetrics::U64(MetricData::Sum(sum)) => sum
                    .data_points()
                    .map(|point| (set(point.attributes()), point.value()))
                    .collect(),
                AggregatedMetrics::F64(MetricData::Histogram(histogram)) => histogram
                    .data_points()
                    .map(|point| (set(point.attributes()), point.count()))
                    .collect(),
                other => panic!("{}: {other:?}", metric.name()),
            };
            counted
                .units
                .insert(metric.name().to_owned(), metric.unit().to_owned());
            counted.points.insert(metric.name().to_owned(), points);
        }
        counted
    }

    fn sum(&self, name: &str, with: &[(&str, &str)]) -> u64 {
        let has = |set: &Attributes| {
            with.iter()
                .all(|(k, v)| set.contains(&((*k).to_owned(), (*v).to_owned())))
        };
        let points = self.points.get(name).unwrap_or_else(|| panic!("no {name}"));
        points
            .iter()
            .filter(|(set, _)| has(set))
            .map(|(_, n)| n)
            .sum()
    }
}

fn set<'a>(attributes: impl Iterator<Item = &'a KeyValue>) -> Attributes {
    attributes
        .map(|a| (a.key.to_string(), a.value.to_string()))
        .collect()
}
