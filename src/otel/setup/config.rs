use std::env;
use std::fmt;

use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, ShouldSample};

use crate::otel::Vocabulary;
use crate::otel::sampler::Extent;

/// What [`init`](super::init) sets up.
#[derive(Clone)]
#[must_use = "a configuration does nothing until it is given to `init`"]
pub struct Config {
    pub(super) service: String,
    pub(super) endpoint: Option<String>,
    pub(super) protocol: Protocol,
    pub(super) sampler: Box<dyn ShouldSample>,
    pub(super) extent: Extent,
    pub(super) vocabulary: Vocabulary,
    pub(super) filter: String,
    pub(super) lines: Lines,
}

/// How OTLP is spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[non_exhaustive]
pub enum Protocol {
    /// gRPC; collectors listen on port 4317. Needs a tokio runtime of several threads.
    #[default]
    Grpc,
    /// Protocol Buffers over HTTP; collectors listen on port 4318. `/v1/traces` and its like are
    /// appended to the endpoint.
    Http,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lines {
    Stdout,
    None,
}

impl Config {
    /// A service of this name (`service.name`). Nothing is exported without an endpoint.
    pub fn new(service: impl Into<String>) -> Self {
        Self {
            service: service.into(),
            endpoint: None,
            protocol: Protocol::default(),
            sampler: Box::new(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))),
            extent: Extent::Subs,
            vocabulary: Vocabulary::default(),
            filter: env::var("RUST_LOG")
                .ok()
                .filter(|filter| !filter.is_empty())
                .unwrap_or_else(|| "info,opentelemetry=warn".to_owned()),
            lines: Lines::Stdout,
        }
    }

    /// The collector, such as `http://127.0.0.1:4317`; over TLS with `https`. Further settings, as
    /// headers, timeouts and compression, are read from OpenTelemetry's environment variables.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// How OTLP is spoken there; gRPC by default.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Which traces are kept, in place of all whose caller did not decide otherwise.
    pub fn sampler(mut self, sampler: impl Into<Box<dyn ShouldSample>>) -> Self {
        self.sampler = sampler.into();
        self
    }

    /// Puts every field of the stamp on each span, and not the subs alone; see
    /// [`StampSampler::every_field`](crate::otel::StampSampler::every_field).
    pub fn every_field(mut self) -> Self {
        self.extent = Extent::EveryField;
        self
    }

    /// Names and identifiers of what is exported. Lines of JSON are not part of that.
    pub fn vocabulary(mut self, vocabulary: Vocabulary) -> Self {
        self.vocabulary = vocabulary;
        self
    }

    /// What is listened to at all: targets and levels such as `info,sqlx=warn`, in place of the
    /// environment's `RUST_LOG`. Without either it is `info`, and warnings of OpenTelemetry itself.
    pub fn filter(mut self, filter: impl Into<String>) -> Self {
        self.filter = filter.into();
        self
    }

    /// No lines of JSON on the standard output.
    pub fn without_lines(mut self) -> Self {
        self.lines = Lines::None;
        self
    }

    pub(super) fn resource(&self) -> Resource {
        Resource::builder()
            .with_service_name(self.service.clone())
            .build()
    }
}

impl fmt::Debug for Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // An endpoint may hold credentials.
        f.debug_struct("Config")
            .field("service", &self.service)
            .field("endpoint", &self.endpoint.is_some())
            .field("protocol", &self.protocol)
            .field("vocabulary", &self.vocabulary)
            .field("filter", &self.filter)
            .finish_non_exhaustive()
    }
}
