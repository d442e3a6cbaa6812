//! What ends up in tracing backends: exported spans and logs.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::io;
use std::sync::{Arc, LazyLock, Mutex};

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use serde_json::Value;
use tower_impersonate::stamp::fields;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::{DefaultGuard, Interest};
use tracing::{Dispatch, Event, Metadata, Subscriber, dispatcher};
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

/// Makes this the subscriber of the thread.
pub fn scoped(subscriber: impl Into<Dispatch>) -> DefaultGuard {
    // While a process has one subscriber only, a call site that a thread without any reaches first
    // is switched off for all threads; another test may be that thread.
    static BYSTANDER: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Bystander));
    LazyLock::force(&BYSTANDER);
    dispatcher::set_default(&subscriber.into())
}

struct Bystander;

impl Subscriber for Bystander {
    fn register_callsite(&self, _: &'static Metadata<'static>) -> Interest {
        Interest::sometimes()
    }
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        false
    }
    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }
    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn event(&self, _: &Event<'_>) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

/// The spans that reach an OpenTelemetry exporter.
pub struct Exported(InMemorySpanExporter, SdkTracerProvider);

impl Exported {
    pub fn new() -> Self {
        let exporter = InMemorySpanExporter::default();
        let provider = SdkTracerProvider::builder()
            .with_simple_exporter(exporter.clone())
            .build();
        Self(exporter, provider)
    }

    pub fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer().with_tracer(self.1.tracer("test"))
    }

    /// All spans of that name.
    pub fn spans(&self, name: &str) -> Vec<SpanData> {
        let spans = self.0.get_finished_spans().unwrap();
        spans.into_iter().filter(|span| span.name == name).collect()
    }

    /// The one span of that name.
    #[track_caller]
    pub fn span(&self, name: &str) -> SpanData {
        let mut spans = self.spans(name);
        assert_eq!(spans.len(), 1, "spans named {name}: {spans:#?}");
        spans.remove(0)
    }

    /// Every expected field is on the span once, and none of ours besides.
    #[track_caller]
    pub fn assert_stamp(&self, name: &str, expected: &[(&str, &str)]) {
        assert_stamp(&self.span(name), expected);
    }

    #[track_caller]
    pub fn assert_clean(&self, name: &str) {
        self.assert_stamp(name, &[]);
    }
}

#[track_caller]
pub fn assert_stamp(span: &SpanData, expected: &[(&str, &str)]) {
    for field in fields::ALL {
        let wanted: Vec<_> = expected
            .iter()
            .filter(|(name, _)| name == field)
            .map(|(_, value)| (*value).to_owned())
            .collect();
        assert_eq!(values(span, field), wanted, "{field} of {}", span.name);
    }
}

pub fn values(span: &SpanData, field: &str) -> Vec<String> {
    span.attributes
        .iter()
        .filter(|attribute| attribute.key.as_str() == field)
        .map(|attribute| attribute.value.as_str().into_owned())
        .collect()
}

/// What a formatting layer writes.
#[derive(Clone, Default)]
pub struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    pub fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }

    pub fn json(&self) -> Vec<Value> {
        let text = self.text();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }

    /// The one line with that message.
    #[track_caller]
    pub fn line(&self, message: &str) -> Value {
        let lines = self.json();
        let mut found = lines
            .iter()
            .filter(|line| line["fields"]["message"] == message);
        let line = found
            .next()
            .unwrap_or_else(|| panic!("no {message} in {lines:#?}"));
        assert!(found.next().is_none(), "two of {message}");
        line.clone()
    }

    pub fn json_layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let log = self.clone();
        tracing_subscriber::fmt::layer()
            .json()
            .with_writer(move || log.clone())
    }

    pub fn text_layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        let log = self.clone();
        tracing_subscriber::fmt::layer()
            .with_ansi(false)
            .with_writer(move || log.clone())
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
