use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::{InstrumentationScope, Key};
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogProcessor, SdkLogRecord, SdkLogger, SdkLoggerProvider};

use crate::otel::vocabulary::Cover;
use crate::otel::{Vocabulary, audit, context};

/// Puts the stamp on each log record of a request that impersonates, each field once.
///
/// Register it before the processor that exports: each one sees what those before it made of the
/// record. A key that the record has already is not added. What an application says there of people
/// is covered as [`Identifiers`](super::Identifiers) say, on any record; audit events, of the target
/// `impersonation.audit`, are left as they are.
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

impl StampLogProcessor {
    /// A record's attributes cannot be changed, so it is written anew.
    fn cover(&self, record: &mut SdkLogRecord) {
        let is_event = record
            .target()
            .is_some_and(|target| target == audit::TARGET);
        let covers = |(key, _): &(Key, AnyValue)| self.vocabulary.covers(key.as_str());
        if is_event || !record.attributes_iter().any(covers) {
            return;
        }
        let mut anew = without_attributes(record);
        for (key, value) in record.attributes_iter() {
            match self.vocabulary.cover(key.as_str(), || text(value)) {
                Cover::None => anew.add_attribute(key.clone(), value.clone()),
                Cover::By(shown) => anew.add_attribute(key.clone(), shown),
                Cover::Whole => {}
            }
        }
        *record = anew;
    }
}

impl LogProcessor for StampLogProcessor {
    fn emit(&self, record: &mut SdkLogRecord, _: &InstrumentationScope) {
        self.cover(record);
        context::in_force(None, |stamp| {
            self.vocabulary.tell(stamp, |key, value| {
                if !record.attributes_iter().any(|(own, _)| own.as_str() == key) {
                    record.add_attribute(Key::from_static_str(key), AnyValue::String(value));
                }
            });
        });
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

fn without_attributes(record: &SdkLogRecord) -> SdkLogRecord {
    let mut anew = BLANK.create_log_record();
    if let Some(name) = record.event_name() {
        anew.set_event_name(name);
    }
    if let Some(target) = record.target() {
        anew.set_target(target.clone());
    }
    if let Some(time) = record.timestamp() {
        anew.set_timestamp(time);
    }
    if let Some(time) = record.observed_timestamp() {
        anew.set_observed_timestamp(time);
    }
    if let Some(context) = record.trace_context() {
        anew.set_trace_context(context.trace_id, context.span_id, context.trace_flags);
    }
    if let Some(text) = record.severity_text() {
        anew.set_severity_text(text);
    }
    if let Some(number) = record.severity_number() {
        anew.set_severity_number(number);
    }
    if let Some(body) = record.body() {
        anew.set_body(body.clone());
    }
    anew
}

/// The same text as a span's attribute has, so that the hashes are equal.
fn text(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.to_string(),
        AnyValue::Int(number) => number.to_string(),
        AnyValue::Double(number) => number.to_string(),
        AnyValue::Boolean(truth) => truth.to_string(),
        other => format!("{other:?}"),
    }
}

/// Makes records, and takes none.
static BLANK: LazyLock<SdkLogger> =
    LazyLock::new(|| SdkLoggerProvider::builder().build().logger("blank"));
