//! What does the layer cost a request, where a subscriber listens?
//!
//! ```text
//! cargo bench --bench subscriber            # 120 rounds
//! cargo bench --bench subscriber -- 400     # more
//! ```
//!
//! Whole requests below tower-http's `TraceLayer`, with a span and a line of a log below the layer, as a handler makes them: with
//! nobody who listens, with lines of JSON, and with OpenTelemetry's spans, written and exported to nowhere. Each floor has all of it
//! but the layer and what stamps. How it is measured is told in `common/rounds.rs`; `observe` asks the same of one span and of one line.
//! Where nobody listens each span and line still asks who does, because the other subscribers are there, too: that is
//! the worst case, and `layer` shows the best.

#[path = "common/rounds.rs"]
mod rounds;
#[path = "common/subjects.rs"]
mod subjects;

use std::hint::black_box;
use std::io;
use std::rc::Rc;

use axum::Router;
use axum::body::Body;
use http::Request;
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, ShouldSample, SpanData, SpanExporter};
use rounds::{Variant, bearer};
use serde_json::json;
use subjects::{ISSUER, TARGET, token};
use tower::Layer;
use tower::util::MapRequestLayer;
use tower_http::trace::TraceLayer;
use tower_impersonate::otel::{self, StampSampler};
use tower_impersonate::stamp::subscriber::StampFormat;
use tower_impersonate::testing::TestIssuer;
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::fmt::format::{JsonFields, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const ROUNDS: usize = 120;
const BATCH: usize = 100;

fn main() {
    let runtime = rounds::runtime();
    let issuer = TestIssuer::offline(ISSUER);
    let named = token(&issuer, 0).claim("impersonating", json!({ "sub": TARGET }));
    let (own, named) = (bearer(&token(&issuer, 0).sign()), bearer(&named.sign()));
    let layer = subjects::builder(&issuer).build();
    let layer = layer.expect("a sound configuration");
    let floor = TraceLayer::new_for_http().layer(busy(subjects::bare()));
    let subject = layer.layer(busy(subjects::routed()));
    let subject = TraceLayer::new_for_http().layer(subject);

    let mut variants = Vec::new();
    for (name, plain, stamping) in [
        ("nobody listens", Dispatch::none(), Dispatch::none()),
        ("lines of JSON", lines(Lines::Bare), lines(Lines::Stamped)),
        (
            "OpenTelemetry",
            spans(always()),
            spans(StampSampler::new(always())),
        ),
    ] {
        let floor_at = variants.len();
        let title = |what| format!("{name}: {what}");
        let headers = Rc::clone(&own);
        let bare = Variant::new(
            &runtime,
            title("bare router"),
            BATCH,
            floor.clone(),
            move || Rc::clone(&headers),
        );
        variants.push(below(&plain, bare.against(floor_at)));
        for (what, headers) in [("plain", &own), ("by claim", &named)] {
            let headers = Rc::clone(headers);
            let layered = Variant::new(&runtime, title(what), BATCH, subject.clone(), move || {
                Rc::clone(&headers)
            });
            variants.push(below(&stamping, layered.against(floor_at)));
        }
    }
    let measured = rounds::measure(&mut variants, rounds::rounds(ROUNDS));
    rounds::print(&variants, &measured);
}

/// The variant, with that subscriber.
fn below(dispatch: &Dispatch, mut variant: Variant) -> Variant {
    let (dispatch, call) = (dispatch.clone(), variant.call);
    variant.call = Box::new(move |headers| dispatcher::with_default(&dispatch, || call(headers)));
    variant
}

/// With a handler that opens a span and writes a line.
fn busy(router: Router) -> Router {
    router.layer(MapRequestLayer::new(|request: Request<Body>| {
        info_span!("find_orders", customer = "f47ac10b", page = 3)
            .in_scope(|| info!("looking for orders"));
        request
    }))
}

/// Takes every span and every line and keeps none, so that no network and no disk is measured.
#[derive(Debug)]
struct DiscardForBenchmark;

impl SpanExporter for DiscardForBenchmark {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        black_box(batch);
        Ok(())
    }
}

impl io::Write for DiscardForBenchmark {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(black_box(bytes).len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn always() -> Sampler {
    Sampler::ParentBased(Box::new(Sampler::AlwaysOn))
}

fn spans(sampler: impl Into<Box<dyn ShouldSample>>) -> Dispatch {
    let provider = SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_simple_exporter(DiscardForBenchmark)
        .build();
    Dispatch::new(registry().with(otel::layer(provider.tracer("bench"))))
}

#[derive(Clone, Copy)]
enum Lines {
    Bare,
    Stamped,
}

fn lines(lines: Lines) -> Dispatch {
    let layer = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .with_writer(|| DiscardForBenchmark);
    match lines {
        Lines::Bare => Dispatch::new(registry().with(layer.event_format(format().json()))),
        Lines::Stamped => {
            let format = StampFormat::json(format().json());
            Dispatch::new(registry().with(layer.event_format(format)))
        }
    }
}
