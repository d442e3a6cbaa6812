//! What a tracing backend gets: every span and log record of an impersonated request with both subs.
//!
//! ```text
//! cargo run --example otel                                        # lines of JSON, nothing leaves
//! cargo run --example otel -- --otlp http://127.0.0.1:4317        # to a collector, by gRPC
//! cargo run --example otel -- --otlp-http http://127.0.0.1:4318   # by HTTP
//! ```
//!
//! Three requests pass the layer: Carol as herself, Carol as Alice, and Carol as an administrator,
//! which is denied. The handler knows nothing of it; it opens a span, logs, spawns a task, and uses a
//! library that speaks OpenTelemetry's own API. Metrics and audit events go the same way.

use std::convert::Infallible;
use std::error::Error;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use opentelemetry::trace::Tracer;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_impersonate::audit::AuditSink;
use tower_impersonate::otel::{self, Protocol};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{Identity, ImpersonationLayer, audit, directory, policy, resolve, stamp};
use tracing::{Level, info, instrument};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let guard = otel::init(config(std::env::args().skip(1))?)?;
    let file = std::env::temp_dir().join("otel_audit.jsonl");
    let mut sinks = vec![audit::shared(audit::jsonl(file))];
    let exported = otel::audit(guard.logger());
    // Without a collector it takes nothing, which the builder would refuse.
    if exported.check().is_ok() {
        sinks.push(audit::shared(exported));
    }

    let issuer = TestIssuer::offline("https://issuer.example.com");
    let person = |sub: &str, group: &str| {
        Identity::new(issuer.name(), sub)
            .with_groups([group])
            .enabled_account()
    };
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer().audiences(["shop"]).groups_claim("groups"))
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
        .directory(directory::memory([
            person("alice-sub", "customers"),
            person("carol-sub", "support"),
            person("root-sub", "admins"),
        ]))
        .audit(audit::all(sinks))
        .measure(otel::metrics(&guard.meter()))
        .build()?;
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO)))
        .layer(layer)
        .service(service_fn(handler));

    let token = issuer
        .token("carol-sub")
        .audience("shop")
        .groups(["support"])
        .sign();
    for target in [None, Some("alice-sub"), Some("root-sub")] {
        let mut request =
            Request::get("/orders").header("authorization", format!("Bearer {token}"));
        if let Some(target) = target {
            request = request.header("impersonate-user", target);
        }
        let response = service
            .clone()
            .oneshot(request.body(Full::<Bytes>::default())?)
            .await?;
        info!(status = response.status().as_u16(), "answered");
        let collected = response.into_body().collect().await;
        collected.map_err(|error| error.to_string())?;
    }
    guard.shutdown()?;
    Ok(())
}

async fn handler(_: Request<Full<Bytes>>) -> Result<Response<Full<Bytes>>, Infallible> {
    load_orders().await;
    Ok(Response::new(Full::from("orders")))
}

#[instrument]
async fn load_orders() {
    info!("loading");
    opentelemetry::global::tracer("a library").in_span("native_query", |_| ());
    let spawned = stamp::spawn(async { info!("in the background") }).await;
    if let Err(error) = spawned {
        tracing::error!(%error, "the task failed");
    }
}

fn config(mut arguments: impl Iterator<Item = String>) -> Result<otel::Config, Box<dyn Error>> {
    let config = otel::Config::new("shop");
    match (arguments.next().as_deref(), arguments.next()) {
        (None, _) => Ok(config),
        (Some("--otlp"), Some(url)) => Ok(config.endpoint(url)),
        (Some("--otlp-http"), Some(url)) => Ok(config.endpoint(url).protocol(Protocol::Http)),
        _ => Err("usage: otel [--otlp URL | --otlp-http URL]".into()),
    }
}
