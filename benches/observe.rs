//! What does the stamp cost a span and a line of a log?
//!
//! ```text
//! cargo bench --bench observe
//! ```
//!
//! Each set-up is run with and without what stamps, in turn, in one run: below an impersonated
//! request, below a plain one, and where nothing stamps at all. A batch opens spans of the size that
//! instrumented functions have, or writes lines of JSON to nowhere. The figures are medians over the
//! rounds, and the ratio is the median of the ratios within each round, so that a slow moment of the
//! machine weighs on all alike. Allocations are counted exactly, after warming up.

use std::hint::black_box;
use std::io;
use std::time::Instant;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider, ShouldSample, SpanData, SpanExporter};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::otel::{self, StampSampler};
use tower_impersonate::stamp::subscriber::{StampFormat, StampLayer};
use tower_impersonate::stamp::{self, Stamp};
use tower_impersonate::terms::{GrantId, Mode, Strategy};
use tracing::{Dispatch, Span, dispatcher, info, info_span};
use tracing_subscriber::fmt::format::{JsonFields, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const ROUNDS: usize = 120;
const BATCH: usize = 400;
const WARM_UP: usize = 200;

/// Takes every span and keeps none, so that the stamp is measured and no network.
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

struct Variant {
    name: &'static str,
    /// The position of what it is compared with.
    against: usize,
    at_most: Option<f64>,
    dispatch: Dispatch,
    request: Request,
    call: fn(),
}

/// What the batch runs below.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Request {
    Plain,
    Impersonated,
}

impl Variant {
    /// Does it that many times, below a request's own span, as the layer would have it.
    fn run<T>(&self, then: impl FnOnce(&dyn Fn(usize)) -> T) -> T {
        dispatcher::with_default(&self.dispatch, || {
            let (_span, stamp) = request(self.request);
            let outer = _span.enter();
            let stamp = stamp.as_ref().map(Stamp::enter);
            let done = then(&|times| (0..times).for_each(|_| (self.call)()));
            drop((stamp, outer));
            done
        })
    }
}

fn request(request: Request) -> (Span, Option<Stamp>) {
    if request == Request::Plain {
        return (info_span!("plain"), None);
    }
    let issuer = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E";
    let actor = IdentityKey::new(issuer, "3a1c0f5e-8d6b-4c7a-9e2f-1b0d5c4e7a98");
    let target = IdentityKey::new(issuer, "f47ac10b-58cc-4372-a567-0e02b2c3d479");
    let span = stamp::open_span(&actor, Strategy::Cookie);
    let stamp = Stamp::impersonation(&actor, Some(&target), Mode::Full, Strategy::Cookie, None);
    let stamp = stamp.under(&GrantId::from_bytes([7; 32]));
    stamp::complete_span(&span, &stamp);
    (span, Some(stamp))
}

fn main() {
    let variants = variants();
    let allocations: Vec<f64> = variants
        .iter()
        .map(|variant| {
            variant.run(|call| {
                call(WARM_UP);
                let counted = allocation_counter::measure(|| call(BATCH));
                counted.count_total as f64 / BATCH as f64
            })
        })
        .collect();
    let mut nanos = vec![Vec::with_capacity(ROUNDS); variants.len()];
    for round in 0..ROUNDS {
        for turn in 0..variants.len() {
            let index = (turn + round) % variants.len();
            let took = variants[index].run(|call| {
                call(WARM_UP / 10);
                let start = Instant::now();
                call(BATCH);
                start.elapsed()
            });
            nanos[index].push(took.as_nanos() as f64 / BATCH as f64);
        }
    }
    println!(
        "{:<44} {:>8} {:>7} {:>8} {:>8} {:>8}",
        "variant", "ns", "x", "at most", "allocs", "more"
    );
    for (index, variant) in variants.iter().enumerate() {
        let base = &nanos[variant.against];
        let ratios = nanos[index].iter().zip(base).map(|(own, base)| own / base);
        println!(
            "{:<44} {:>8.0} {:>7.3} {:>8} {:>8.2} {:>+8.2}",
            variant.name,
            median(nanos[index].clone()),
            median(ratios.collect()),
            variant
                .at_most
                .map(|most| most.to_string())
                .unwrap_or_default(),
            allocations[index],
            allocations[index] - allocations[variant.against],
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn variants() -> Vec<Variant> {
    let variant = |name, against, at_most, dispatch: &Dispatch, request, call| Variant {
        name,
        against,
        at_most,
        dispatch: dispatch.clone(),
        request,
        call,
    };
    use Request::{Impersonated, Plain};
    let always = || Sampler::ParentBased(Box::new(Sampler::AlwaysOn));
    let bare = spans(always());
    let sampler = spans(StampSampler::new(always()));
    let every_field = spans(StampSampler::new(always()).every_field());
    let with_layer = Dispatch::new(
        registry()
            .with(otel::layer(tracer(StampSampler::new(always()))))
            .with(StampLayer::new()),
    );
    let (bare_json, json) = (lines(Lines::Bare), lines(Lines::Stamped));
    vec![
        variant(
            "otel span, nothing stamps, plain",
            0,
            None,
            &bare,
            Plain,
            span,
        ),
        variant(
            "otel span, sampler, plain",
            0,
            Some(1.05),
            &sampler,
            Plain,
            span,
        ),
        variant(
            "otel span, nothing stamps, impersonated",
            2,
            None,
            &bare,
            Impersonated,
            span,
        ),
        variant(
            "otel span, sampler, impersonated",
            2,
            Some(1.10),
            &sampler,
            Impersonated,
            span,
        ),
        variant(
            "otel span, every field, impersonated",
            2,
            None,
            &every_field,
            Impersonated,
            span,
        ),
        variant(
            "otel span, sampler + layer, impersonated",
            2,
            None,
            &with_layer,
            Impersonated,
            span,
        ),
        variant(
            "json line, nothing stamps, plain",
            6,
            None,
            &bare_json,
            Plain,
            line,
        ),
        variant(
            "json line, stamped format, plain",
            6,
            Some(1.05),
            &json,
            Plain,
            line,
        ),
        variant(
            "json line, nothing stamps, impersonated",
            8,
            None,
            &bare_json,
            Impersonated,
            line,
        ),
        variant(
            "json line, stamped format, impersonated",
            8,
            Some(1.3),
            &json,
            Impersonated,
            line,
        ),
    ]
}

fn tracer(sampler: impl Into<Box<dyn ShouldSample>>) -> opentelemetry_sdk::trace::SdkTracer {
    SdkTracerProvider::builder()
        .with_sampler(sampler)
        .with_simple_exporter(DiscardForBenchmark)
        .build()
        .tracer("bench")
}

fn spans(sampler: impl Into<Box<dyn ShouldSample>>) -> Dispatch {
    Dispatch::new(registry().with(otel::layer(tracer(sampler))))
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

/// As `#[instrument]` opens one for a function with two arguments.
fn span() {
    info_span!("find_orders", customer = "f47ac10b", page = 3).in_scope(|| black_box(()));
}

fn line() {
    info!(customer = "f47ac10b", page = 3, "looking for orders");
}
