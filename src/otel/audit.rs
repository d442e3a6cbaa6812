use std::fmt;
use std::time::SystemTime;

use opentelemetry::Key;
use opentelemetry::logs::{AnyValue, LogRecord, Logger, Severity};
use serde_json::Value;

use crate::answer::Answer;
use crate::audit::{AuditError, AuditSink, Completion, Event, EventName};
use crate::time::Timestamp;

/// Writes every event as an OpenTelemetry log record: the event's name is the record's, its fields
/// are the attributes, under the names of the audit's schema and with the subs themselves.
///
/// Denials are warnings, everything else is information. An event counts as recorded when the logger
/// takes it; it is exported later, and lost where that fails. So this is where events are looked at,
/// and no trail by itself: add it to one that writes, by [`audit::all`](crate::audit::all).
///
/// A logger that takes no events, as one of a provider without an exporter, is an error of the
/// builder. One that `init` made takes none after the shutdown either. The SDK's own batch processor
/// still takes what it will never export: shut a provider of your own down after the server.
///
/// ```
/// use opentelemetry::logs::LoggerProvider;
/// use opentelemetry_sdk::logs::SdkLoggerProvider;
/// use tower_impersonate::{audit, otel};
///
/// # let exporter = opentelemetry_sdk::logs::InMemoryLogExporter::default();
/// let provider = SdkLoggerProvider::builder().with_simple_exporter(exporter).build();
/// let sink = audit::all([
///     audit::shared(audit::tracing()),
///     audit::shared(otel::audit(provider.logger("audit"))),
/// ]);
/// # let _ = sink;
/// let nowhere = SdkLoggerProvider::builder().build();
/// let sink = otel::audit(nowhere.logger("audit"));
/// assert!(audit::AuditSink::check(&sink).is_err());
/// ```
pub const fn audit<L>(logger: L) -> LogSink<L> {
    LogSink { logger }
}

/// The sink made by [`audit()`].
#[must_use = "a sink does nothing until it is given to the builder"]
pub struct LogSink<L> {
    logger: L,
}

impl<L: Logger> LogSink<L> {
    fn takes(&self, name: EventName) -> Result<(), AuditError> {
        let name_of = Some(name.as_str());
        if self.logger.event_enabled(severity(name), TARGET, name_of) {
            Ok(())
        } else {
            Err(AuditError::new("the logger does not take audit events"))
        }
    }

    fn emit(&self, event: &Event<'_>) -> Result<(), AuditError> {
        let name = event.name.as_str();
        self.takes(event.name)?;
        let Value::Object(fields) = serde_json::to_value(event).map_err(AuditError::new)? else {
            return Err(AuditError::new("the event has no fields"));
        };
        let mut record = self.logger.create_log_record();
        record.set_event_name(name);
        record.set_target(TARGET);
        let severity = severity(event.name);
        record.set_severity_number(severity);
        record.set_severity_text(severity.name());
        let since = event.time.saturating_since(Timestamp::from_unix_seconds(0));
        if let Some(time) = SystemTime::UNIX_EPOCH.checked_add(since) {
            record.set_timestamp(time);
        }
        record.set_body(AnyValue::from(name));
        for (key, value) in fields {
            record.add_attribute(Key::from(key), any(value));
        }
        self.logger.emit(record);
        Ok(())
    }
}

impl<L: Logger + Send + Sync> AuditSink for LogSink<L> {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        Answer::now(self.emit(event))
    }

    fn complete(&self, done: Completion) {
        if let Err(error) = self.emit(&done.event()) {
            tracing::error!(
                target: "impersonation::audit",
                %error,
                "a completion could not be written"
            );
        }
    }

    fn check(&self) -> Result<(), AuditError> {
        EventName::ALL.iter().try_for_each(|name| self.takes(*name))
    }
}

impl<L> fmt::Debug for LogSink<L> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogSink").finish_non_exhaustive()
    }
}

const fn severity(name: EventName) -> Severity {
    match name {
        EventName::Denied => Severity::Warn,
        _ => Severity::Info,
    }
}

/// Events are flat: text, numbers and lists of text.
fn any(value: Value) -> AnyValue {
    match value {
        Value::String(text) => AnyValue::from(text),
        Value::Number(number) => number
            .as_i64()
            .map_or_else(|| AnyValue::from(number.to_string()), AnyValue::from),
        Value::Array(values) => values.into_iter().map(any).collect(),
        other => AnyValue::from(other.to_string()),
    }
}

pub(super) const TARGET: &str = "impersonation.audit";
