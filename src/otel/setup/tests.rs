use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::SubscriberExt;

use crate::audit::{self, AuditSink};
use crate::otel::setup::{Config, Protocol, prepared, providers, traced};
use crate::otel::{self, LogSink};

/// Not asked whether somebody listens there: what is exported may be lost, and is known to be tried.
fn exporting() -> Config {
    let config = Config::new("shop").protocol(Protocol::Http);
    config.endpoint("http://127.0.0.1:1")
}

fn is_taken(sink: &LogSink<impl opentelemetry::logs::Logger + Send + Sync>) -> bool {
    sink.check().is_ok()
}

#[test]
fn a_logger_takes_events_while_there_is_an_exporter() {
    let nowhere = providers(Config::new("shop")).unwrap();
    assert!(!is_taken(&otel::audit(nowhere.logger())));

    let guard = providers(exporting()).unwrap();
    let before = otel::audit(guard.logger());
    assert!(is_taken(&before), "the control");
    // Nobody listens, so the rest is lost and said to be.
    let _ = guard.shutdown();
    assert!(!is_taken(&before));
}

/// Nobody keeps what is neither exported nor written.
#[test]
fn the_tracing_sink_is_refused_where_its_events_would_go_nowhere() {
    // A process with one subscriber only switches call sites off for all threads.
    let _second = tracing::Dispatch::new(tracing_subscriber::registry());
    for (config, taken) in [
        (Config::new("shop").without_lines(), false),
        (exporting().without_lines().filter("warn"), false),
        (
            exporting()
                .without_lines()
                .filter("impersonation.audit=off,info"),
            false,
        ),
        (exporting().without_lines(), true),
        (Config::new("shop"), true),
    ] {
        let case = format!("{config:?}");
        let (guard, subscriber) = prepared(config).unwrap();
        let checked = tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("spans are as ever").in_scope(|| audit::tracing().check())
        });
        assert_eq!(checked.is_ok(), taken, "{case}: {checked:?}");
        // Nobody listens.
        drop(guard.shutdown());
    }
    assert!(audit::tracing().check().is_ok(), "one may come later");
}

#[test]
fn audit_events_are_not_repeated_on_spans() {
    let exporter = InMemorySpanExporter::default();
    let tracers = SdkTracerProvider::builder()
        .with_simple_exporter(exporter.clone())
        .build();
    let spans = otel::layer(tracers.tracer("test")).with_filter(traced());
    tracing::subscriber::with_default(tracing_subscriber::registry().with(spans), || {
        tracing::info_span!("request").in_scope(|| {
            tracing::info!(target: "impersonation.audit", "recorded");
            tracing::info!("the control");
        });
    });
    let spans = exporter.get_finished_spans().unwrap();
    let events: Vec<_> = spans[0].events.iter().map(|event| &*event.name).collect();
    assert_eq!(events, ["the control"]);
}
