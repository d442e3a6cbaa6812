use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::logs::Severity;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord};

/// A processor that takes nothing any more once it is shut down. The SDK's own says that it does, and
/// an audit event would be acknowledged into nothing.
#[derive(Debug)]
pub(super) struct Closing<P> {
    processor: P,
    closed: AtomicBool,
}

impl<P> Closing<P> {
    pub(super) const fn new(processor: P) -> Self {
        Self {
            processor,
            closed: AtomicBool::new(false),
        }
    }
}

impl<P: LogProcessor> LogProcessor for Closing<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        self.processor.emit(record, scope);
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.processor.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.closed.store(true, Ordering::SeqCst);
        self.processor.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        !self.closed.load(Ordering::SeqCst) && self.processor.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.processor.set_resource(resource);
    }
}
