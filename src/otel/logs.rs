use std::time::Duration;

use opentelemetry::logs::{AnyValue, LogRecord, Severity};
use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

use crate::otel::{Vocabulary, context};

/// Puts the stamp on each log record of a request that impersonates, each field once.
///
/// Register it before the processor that exports: each one sees what those before it made of the
/// record. A key that the record has already, as an audit event does, is left as it is.
#[derive(Debug, Default)]
pub struct StampLogProcessor {
    vocabulary: Vocabulary,
}

impl StampLogProcessor {
    /// In this vocabulary.
    #[must_use]
    pub const fn new(vocabulary: Vocabulary) -> Self {
        Self { vocabulary }
    }
}

impl LogProcessor for StampLogProcessor {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        let Some(stamp) = context::in_force(None) else {
            return;
        };
        for (key, value) in self.vocabulary.of(&stamp) {
            if !record.attributes_iter().any(|(own, _)| own.as_str() == key) {
                record.add_attribute(Key::from_static_str(key), AnyValue::String(value));
            }
        }
    }

    /// The SDK takes a record where one processor wants it: this one exports nothing, and wants none.
    fn event_enabled(&self, _: Severity, _: &str, _: Option<&str>) -> bool {
        false
    }

    fn force_flush(&self) -> OTelSdkResult {
        Ok(())
    }

    fn shutdown_with_timeout(&self, _: Duration) -> OTelSdkResult {
        Ok(())
    }
}
