//! What ends up on spans and in logs, with the layer and without.

mod core;
#[cfg(feature = "subscriber")]
mod format;
#[cfg(feature = "subscriber")]
mod layer;

use std::io;
use std::sync::{Arc, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::Value;
use tracing::Span;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::identity::{IdentityKey, Names};
use crate::stamp::{Stamp, complete_span, fields, open_span};
use crate::terms::{GrantId, Mode, Strategy};

fn stamp() -> Stamp {
    let actor = IdentityKey::new("https://staff.example.com", "support-sub");
    let target = IdentityKey::new("https://issuer.example.com", "alice-sub");
    let groups = Names::from(["readers", "writers"]);
    Stamp::impersonation(
        &actor,
        Some(&target),
        Mode::ReadOnly,
        Strategy::Header,
        Some(&groups),
    )
    .under(&GrantId::from_bytes([7; 32]))
}

const EXPECTED: [(&str, &str); 9] = [
    (fields::USER_ID, "alice-sub"),
    (fields::ACTOR_SUB, "support-sub"),
    (fields::ACTOR_ISS, "https://staff.example.com"),
    (fields::TARGET_SUB, "alice-sub"),
    (fields::TARGET_ISS, "https://issuer.example.com"),
    (fields::MODE, "read_only"),
    (fields::STRATEGY, "header"),
    (
        fields::GRANT_ID,
        "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc",
    ),
    (fields::GROUPS, "readers,writers"),
];

/// What the middleware does with a request that impersonates, around a span that declares nothing.
fn request<R>(handler: impl FnOnce() -> R) -> R {
    let outer = tracing::info_span!("outer", route = "/me");
    let own = outer.in_scope(|| open_span(stamp().actor(), stamp().strategy()));
    stamp().record_on(&outer);
    complete_span(&own, &stamp());
    poll(&own, handler)
}

fn poll<R>(own: &Span, handler: impl FnOnce() -> R) -> R {
    let _own = own.enter();
    let _stamp = stamp().enter();
    handler()
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("not poisoned")).into_owned()
    }

    fn json(&self) -> Vec<Value> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line is an object"))
            .collect()
    }

    fn text_layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let log = self.clone();
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || log.clone())
    }

    fn json_layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        let log = self.clone();
        tracing_subscriber::fmt::layer()
            .json()
            .with_writer(move || log.clone())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("not poisoned").write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The spans that reach an OpenTelemetry exporter.
struct Exported(InMemorySpanExporter, SdkTracerProvider);

impl Exported {
    fn new() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        Self(exporter, provider)
    }

    fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: tracing::Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.1.tracer("test"))
    }

    fn span(&self, name: &str) -> SpanData {
        let spans = self.0.get_finished_spans().expect("not shut down");
        let mut named = spans.into_iter().filter(|span| span.name == name);
        let span = named.next().expect("was exported");
        assert!(named.next().is_none(), "two spans named {name}");
        span
    }

    #[track_caller]
    fn assert_stamped_once(&self, name: &str) {
        let span = self.span(name);
        for (field, expected) in EXPECTED {
            let values = values(&span, field);
            assert_eq!(values, [expected], "{field} of {name}");
        }
    }

    #[track_caller]
    fn assert_not_stamped(&self, name: &str) {
        let span = self.span(name);
        for field in fields::ALL {
            assert!(values(&span, field).is_empty(), "{field} of {name}");
        }
    }
}

fn values(span: &SpanData, field: &str) -> Vec<String> {
    span.attributes
        .iter()
        .filter(|attribute| attribute.key.as_str() == field)
        .map(|attribute| attribute.value.as_str().into_owned())
        .collect()
}
