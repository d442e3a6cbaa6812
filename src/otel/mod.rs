//! OpenTelemetry: the stamp on every span and log record that is exported, numbers, and the audit.
//!
//! | part | what it does |
//! |---|---|
//! | [`layer`] | `tracing-opentelemetry`, with the stamp in the request's OpenTelemetry context |
//! | [`StampSampler`] | puts the stamp on each span as it starts, those of the native API too |
//! | [`StampLogProcessor`] | puts the stamp on each log record |
//! | [`StampExporter`] | what leaves the process: each field once, in the [`Vocabulary`] of the backend |
//! | [`metrics`] | counters and a histogram, for [`Builder::measure`](crate::middleware::Builder::measure) |
//! | [`audit`](audit()) | an audit sink that writes events as log records |
//! | `init` | all of them by one call, exported by OTLP: with the feature `otlp` |
//!
//! A request that impersonates has its stamp as a typed value in the OpenTelemetry context of its own
//! span, where whatever is started below finds it. The thread that polls a handler goes first: what it
//! opens is stamped for its request, be it with `parent: None` or under a span of another request.
//!
//! Rules:
//!
//! - Every span of a request that impersonates has both subs once; its own span, the one around it and
//!   every log record have each field once; others have none. A key that a span or record has already is
//!   left as it is.
//! - The processor is registered before the one that exports; order does not matter elsewhere.
//! - Nothing is propagated and nothing is believed: neither baggage nor `tracestate` ever holds an
//!   identity, and none is read from them. To tell a trusted service, send it a signed token.
//! - `traceparent` is the business of who takes it off the request: a parent that was set on the span
//!   around the layer is kept.
//!
//! Caveat: a bare `tokio::spawn`, `spawn_blocking` or thread has no context. Use
//! [`stamp::spawn`](crate::stamp::spawn) and its like, or carry the OpenTelemetry context there.
//! Identity in a trace is personal data: see [`Identifiers`].
//!
//! Caveat: OpenTelemetry breaks its API every few months. The versions here are 0.33, with 0.34 of
//! `tracing-opentelemetry`; nothing else in this crate names its types. What is called
//! context-scoped attributes there (OTEP 4931) will one day do what sampler and processor do here.
//!
//! ```
//! use opentelemetry::trace::{Tracer, TracerProvider};
//! use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};
//! use tower_impersonate::identity::IdentityKey;
//! use tower_impersonate::otel::StampSampler;
//! use tower_impersonate::stamp::Stamp;
//! use tower_impersonate::terms::{Mode, Strategy};
//!
//! let exporter = InMemorySpanExporter::default();
//! let provider = SdkTracerProvider::builder()
//!     .with_sampler(StampSampler::new(Sampler::ParentBased(Box::new(Sampler::AlwaysOn))))
//!     .with_simple_exporter(exporter.clone())
//!     .build();
//!
//! let support = IdentityKey::new("https://issuer.example.com", "support-sub");
//! let alice = IdentityKey::new("https://issuer.example.com", "alice-sub");
//! let stamp = Stamp::impersonation(&support, Some(&alice), Mode::Full, Strategy::Header, None);
//! {
//!     let _stamp = stamp.enter(); // the layer does it for each request
//!     drop(provider.tracer("shop").start("load_orders"));
//! }
//! let spans = exporter.get_finished_spans()?;
//! let has = |key, value: &str| {
//!     spans[0].attributes.iter().any(|a| a.key.as_str() == key && a.value.as_str() == value)
//! };
//! assert!(has("impersonation.actor.sub", "support-sub"));
//! assert!(has("impersonation.target.sub", "alice-sub"));
//! # Ok::<(), opentelemetry_sdk::error::OTelSdkError>(())
//! ```

mod audit;
mod context;
mod exporter;
mod hash;
mod logs;
mod metrics;
mod sampler;
#[cfg(feature = "otlp")]
mod setup;
#[cfg(test)]
mod tests;
mod vocabulary;

pub use self::audit::{LogSink, audit};
pub use self::context::{carrier, layer};
pub use self::exporter::StampExporter;
pub use self::hash::{HashKey, WeakKey};
pub use self::logs::StampLogProcessor;
pub use self::metrics::metrics;
pub use self::sampler::StampSampler;
#[cfg(feature = "otlp")]
#[cfg_attr(docsrs, doc(cfg(feature = "otlp")))]
pub use self::setup::{Config, Guard, Protocol, SetupError, init};
pub use self::vocabulary::{Identifiers, Preset, Vocabulary};
