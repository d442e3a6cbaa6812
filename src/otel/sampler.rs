use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use crate::otel::context;
use crate::otel::vocabulary;

/// Puts the stamp on each span as it starts, and leaves the decision whether to keep it to another
/// sampler.
///
/// A sampler is the one place that sees what a span has already, may add to it, and is asked for
/// every span, whatever opened it. A key that the span has is not added again. What another sampler
/// drops costs nothing.
///
/// It is not told the target of a span, so it cannot leave some out as
/// [`StampLayer::exclude`](crate::stamp::subscriber::StampLayer::exclude) does: filter what is traced.
///
/// Give it the sampler that you would have had, such as
/// `Sampler::ParentBased(Box::new(Sampler::AlwaysOn))`, which is the SDK's default; the environment
/// variable `OTEL_TRACES_SAMPLER` is not read any more where a sampler is set.
#[derive(Debug, Clone)]
pub struct StampSampler {
    decides: Box<dyn ShouldSample>,
}

impl StampSampler {
    /// Stamps what `decides` keeps.
    pub fn new(decides: impl Into<Box<dyn ShouldSample>>) -> Self {
        Self {
            decides: decides.into(),
        }
    }
}

impl ShouldSample for StampSampler {
    fn should_sample(
        &self,
        parent_context: Option<&Context>,
        trace_id: TraceId,
        name: &str,
        span_kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        let mut result = self.decides.should_sample(
            parent_context,
            trace_id,
            name,
            span_kind,
            attributes,
            links,
        );
        if result.decision == SamplingDecision::Drop {
            return result;
        }
        let Some(stamp) = context::in_force(parent_context) else {
            return result;
        };
        let added = result.attributes.len();
        result.attributes.reserve(vocabulary::MOST);
        // Most spans have none of them, and one look finds that out.
        let mut there = attributes.iter().chain(&result.attributes);
        let has_some = there.any(vocabulary::is_ours);
        for (key, value) in vocabulary::fields_of(&stamp) {
            let own = &result.attributes[..added];
            let mut there = attributes.iter().chain(own);
            if !has_some || !there.any(|attribute| attribute.key.as_str() == key) {
                result.attributes.push(KeyValue::new(key, value));
            }
        }
        result
    }
}
