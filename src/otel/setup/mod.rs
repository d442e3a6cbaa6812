mod closing;
mod config;
mod error;
mod guard;

use opentelemetry::trace::TracerProvider;
use opentelemetry_appender_tracing::layer::OpenTelemetryTracingBridge;
use opentelemetry_otlp::{
    ExporterBuildError, LogExporter, MetricExporter, SpanExporter, WithExportConfig,
};
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tokio::runtime::{Handle, RuntimeFlavor};
use tracing_core::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{FilterExt, LevelFilter, Targets, filter_fn};
use tracing_subscriber::fmt::format::{JsonFields, format};
use tracing_subscriber::layer::{Filter, SubscriberExt};
use tracing_subscriber::util::SubscriberInitExt;

use crate::otel::setup::closing::Closing;
use crate::otel::setup::config::Lines;
use crate::otel::{StampExporter, StampLogProcessor, StampSampler, audit, layer};
use crate::stamp::subscriber::{StampFormat, StampLayer};

pub use self::config::{Config, Protocol};
pub use self::error::SetupError;
pub use self::guard::Guard;

#[cfg(test)]
mod tests;

/// Sets a whole service up: spans, log records and metrics, exported by OTLP and stamped, and lines
/// of JSON on the standard output, with the stamp at the top of each.
///
/// Keep the guard: what was not exported yet is exported when it is dropped or shut down. Give
/// `guard.meter()` to [`metrics`](super::metrics) and `guard.logger()` to [`audit`](super::audit()).
/// It installs the process's one `tracing` subscriber and OpenTelemetry's global providers, so that
/// libraries with the native API are stamped, too. No propagator is installed. What the libraries log
/// and trace that exporters are made of (`h2`, `hyper`, `reqwest`, `tonic`) is in the lines alone.
///
/// # Errors
///
/// [`SetupError`] for a filter or an endpoint that makes no sense, for gRPC without a tokio runtime of
/// several threads, and where the process has a subscriber already. Whether the endpoint can be
/// reached is not asked: what cannot be exported is logged.
///
/// ```
/// use tower_impersonate::otel;
///
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let guard = otel::init(otel::Config::new("desk-api"))?; // and `.endpoint("http://collector:4317")`
/// tracing::info!("started");
/// guard.shutdown()?;
/// # Ok(())
/// # }
/// ```
pub fn init(config: Config) -> Result<Guard, SetupError> {
    let (guard, subscriber) = prepared(config)?;
    subscriber.try_init().map_err(SetupError::Subscriber)?;
    opentelemetry::global::set_tracer_provider(guard.tracers.clone());
    opentelemetry::global::set_meter_provider(guard.meters.clone());
    Ok(guard)
}

fn prepared(config: Config) -> Result<(Guard, impl Subscriber), SetupError> {
    let mut filter: Targets = config.filter.parse().map_err(SetupError::Filter)?;
    let lines = config.lines;
    if lines == Lines::None && config.endpoint.is_none() {
        // What is taken counts as recorded, and here nothing keeps it.
        filter = filter.with_target(audit::TARGET, LevelFilter::OFF);
    }
    let guard = providers(config)?;
    let lines = (lines == Lines::Stdout).then(|| {
        tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(StampFormat::json(format().json()))
    });
    let subscriber = tracing_subscriber::registry()
        .with(filter)
        .with(lines)
        .with(layer(guard.tracers.tracer(SCOPE)).with_filter(traced()))
        .with(OpenTelemetryTracingBridge::new(&guard.loggers).with_filter(exported()))
        .with(StampLayer::carrying());
    Ok((guard, subscriber))
}

/// What an exporter does to export would be exported again.
fn exported<S>() -> impl Filter<S> {
    filter_fn(|metadata| {
        let krate = metadata.target().split("::").next();
        !krate.is_some_and(|krate| EXPORTERS.contains(&krate))
    })
}

/// Audit events are log records, with the subs themselves. On spans they would be there once more.
fn traced<S>() -> impl Filter<S> {
    exported().and(filter_fn(|metadata| metadata.target() != audit::TARGET))
}

fn providers(config: Config) -> Result<Guard, SetupError> {
    let resource = config.resource();
    let mut tracers = SdkTracerProvider::builder()
        .with_sampler(StampSampler::new(config.sampler).with(config.extent))
        .with_resource(resource.clone());
    let mut loggers = SdkLoggerProvider::builder()
        .with_log_processor(StampLogProcessor::new(config.vocabulary.clone()))
        .with_resource(resource.clone());
    let mut meters = SdkMeterProvider::builder().with_resource(resource);
    if let Some(endpoint) = &config.endpoint {
        check_runtime(config.protocol)?;
        let exporters = Exporters::new(config.protocol, endpoint).map_err(SetupError::Exporter)?;
        let spans = StampExporter::new(exporters.spans, config.vocabulary);
        tracers = tracers.with_batch_exporter(spans);
        let logs = BatchLogProcessor::builder(exporters.logs).build();
        loggers = loggers.with_log_processor(Closing::new(logs));
        meters = meters.with_periodic_exporter(exporters.metrics);
    }
    Ok(Guard {
        tracers: tracers.build(),
        loggers: loggers.build(),
        meters: meters.build(),
    })
}

struct Exporters {
    spans: SpanExporter,
    logs: LogExporter,
    metrics: MetricExporter,
}

impl Exporters {
    fn new(protocol: Protocol, endpoint: &str) -> Result<Self, ExporterBuildError> {
        match protocol {
            Protocol::Grpc => Ok(Self {
                spans: SpanExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .build()?,
                logs: LogExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .build()?,
                metrics: MetricExporter::builder()
                    .with_tonic()
                    .with_endpoint(endpoint)
                    .build()?,
            }),
            Protocol::Http => {
                let at = |signal| format!("{}/v1/{signal}", endpoint.trim_end_matches('/'));
                Ok(Self {
                    spans: SpanExporter::builder()
                        .with_http()
                        .with_endpoint(at("traces"))
                        .build()?,
                    logs: LogExporter::builder()
                        .with_http()
                        .with_endpoint(at("logs"))
                        .build()?,
                    metrics: MetricExporter::builder()
                        .with_http()
                        .with_endpoint(at("metrics"))
                        .build()?,
                })
            }
        }
    }
}

/// The thread that exports by gRPC waits for the runtime, which must not wait for it meanwhile.
fn check_runtime(protocol: Protocol) -> Result<(), SetupError> {
    if protocol == Protocol::Http {
        return Ok(());
    }
    match Handle::try_current() {
        Ok(runtime) if runtime.runtime_flavor() != RuntimeFlavor::CurrentThread => Ok(()),
        _ => Err(SetupError::Runtime),
    }
}

const SCOPE: &str = "tower-impersonate";

const EXPORTERS: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "opentelemetry",
    "opentelemetry_sdk",
    "opentelemetry_otlp",
    "reqwest",
    "tonic",
];
