use opentelemetry::logs::AnyValue;
use opentelemetry_sdk::logs::SdkLogRecord;
use opentelemetry_sdk::logs::in_memory_exporter::LogDataWithResource;
use opentelemetry_sdk::trace::SpanData;

use crate::testing::Observed;

impl From<&SpanData> for Observed {
    fn from(span: &SpanData) -> Self {
        let attributes = span.attributes.iter();
        let pairs = attributes.map(|a| (a.key.as_str(), a.value.as_str()));
        Self::new(&*span.name, pairs)
    }
}

impl From<&SdkLogRecord> for Observed {
    /// The name is the body where that is text, else the event's name.
    fn from(record: &SdkLogRecord) -> Self {
        let name = match record.body() {
            Some(AnyValue::String(text)) => text.as_str(),
            _ => record.event_name().unwrap_or_default(),
        };
        let pairs = record.attributes_iter();
        Self::new(name, pairs.map(|(key, value)| (key.as_str(), text(value))))
    }
}

impl From<&LogDataWithResource> for Observed {
    fn from(log: &LogDataWithResource) -> Self {
        Self::from(&log.record)
    }
}

fn text(value: &AnyValue) -> String {
    match value {
        AnyValue::String(text) => text.as_str().to_owned(),
        other => format!("{other:?}"),
    }
}
