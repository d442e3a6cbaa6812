use std::error::Error;
use std::fmt;

use opentelemetry_otlp::ExporterBuildError;
use opentelemetry_sdk::error::OTelSdkError;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::util::TryInitError;

/// Why a service could not be set up, or its end not be told.
#[derive(Debug)]
#[non_exhaustive]
pub enum SetupError {
    /// The filter makes no sense.
    Filter(ParseError),
    /// The endpoint or OpenTelemetry's environment variables make no sense.
    Exporter(ExporterBuildError),
    /// gRPC needs a tokio runtime of several threads.
    Runtime,
    /// The process has a `tracing` subscriber already.
    Subscriber(TryInitError),
    /// The last of what was to be exported could not be.
    Shutdown(OTelSdkError),
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Filter(_) => "the filter is not a list of targets and levels",
            Self::Exporter(_) => "the exporter could not be configured",
            Self::Runtime => "gRPC needs a tokio runtime of several threads",
            Self::Subscriber(_) => "the process has a tracing subscriber already",
            Self::Shutdown(_) => "not everything could be exported",
        })
    }
}

impl Error for SetupError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Filter(error) => Some(error),
            Self::Exporter(error) => Some(error),
            Self::Runtime => None,
            Self::Subscriber(error) => Some(error),
            Self::Shutdown(error) => Some(error),
        }
    }
}
