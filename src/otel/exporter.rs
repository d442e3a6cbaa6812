use std::future::Future;
use std::time::Duration;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{SpanData, SpanExporter};

use crate::otel::Vocabulary;

/// Brings what is exported into a [`Vocabulary`], on the exporter's own thread.
///
/// Each field of the stamp leaves once, on plain requests and denials, too: what the layer wrote of a
/// verified caller goes before what the span around it gave itself, such as a `user.id` out of a header, and
/// before what a handler wrote over it. Of what the layer did not write the first stays. Attributes of the
/// same names that the application sets itself are treated alike, and so are those of events and links on
/// spans.
///
/// Caveat: without it a span leaves with every `user.id` that was ever put on it.
#[derive(Debug)]
pub struct StampExporter<E> {
    exporter: E,
    vocabulary: Vocabulary,
}

impl<E> StampExporter<E> {
    /// In front of another exporter.
    pub const fn new(exporter: E, vocabulary: Vocabulary) -> Self {
        Self {
            exporter,
            vocabulary,
        }
    }
}

impl<E: SpanExporter> SpanExporter for StampExporter<E> {
    fn export(&self, mut batch: Vec<SpanData>) -> impl Future<Output = OTelSdkResult> + Send {
        for span in &mut batch {
            self.vocabulary.rewrite(&mut span.attributes);
            for event in &mut span.events.events {
                self.vocabulary.rewrite(&mut event.attributes);
            }
            for link in &mut span.links.links {
                self.vocabulary.rewrite(&mut link.attributes);
            }
        }
        self.exporter.export(batch)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.exporter.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
