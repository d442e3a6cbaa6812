use std::fmt;

use opentelemetry::logs::LoggerProvider;
use opentelemetry::metrics::{Meter, MeterProvider};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::logs::{SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::metrics::SdkMeterProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};

use crate::otel::setup::{SCOPE, SetupError};

/// What [`init`](super::init) started. Dropped, it exports what is left, and blocks for at most some
/// seconds meanwhile; what fails then is lost.
#[must_use = "nothing is exported any more once the guard is dropped"]
pub struct Guard {
    pub(super) tracers: SdkTracerProvider,
    pub(super) loggers: SdkLoggerProvider,
    pub(super) meters: SdkMeterProvider,
}

impl Guard {
    /// For [`metrics`](crate::otel::metrics), and for instruments of your own.
    #[must_use]
    pub fn meter(&self) -> Meter {
        self.meters.meter(SCOPE)
    }

    /// For [`audit`](crate::otel::audit()). It takes nothing where nothing is exported: without an
    /// endpoint, so that a layer with it is not built, and after the shutdown, so that requests which
    /// impersonate are refused.
    #[must_use]
    pub fn logger(&self) -> SdkLogger {
        self.loggers.logger(SCOPE)
    }

    /// For spans of the native API.
    #[must_use]
    pub fn tracer(&self) -> SdkTracer {
        self.tracers.tracer(SCOPE)
    }

    /// Exports what is left. Blocks until it is done, for at most some seconds.
    ///
    /// # Errors
    ///
    /// [`SetupError::Shutdown`] where something could not be exported.
    pub fn shutdown(self) -> Result<(), SetupError> {
        self.end()
    }

    fn end(&self) -> Result<(), SetupError> {
        let ended = [
            self.tracers.shutdown(),
            self.loggers.shutdown(),
            self.meters.shutdown(),
        ];
        ended
            .into_iter()
            .collect::<Result<(), _>>()
            .map_err(SetupError::Shutdown)
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        // Already ended, or nobody left to tell.
        let _ = self.end();
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").finish_non_exhaustive()
    }
}
