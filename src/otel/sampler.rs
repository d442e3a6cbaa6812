use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use crate::otel::context;
use crate::otel::vocabulary::{fields_of, is_ours, subs_of};

/// Puts the stamp on each span as it starts, and leaves the decision whether to keep it to another
/// sampler.
///
/// A sampler is the one place that sees what a span has already, may add to it, and is asked for
/// every span, whatever opened it. A key that the span has is not added again. What another sampler
/// drops costs nothing.
///
/// A span gets the subs: `user.id`, `impersonation.actor.sub` and `impersonation.target.sub`. Issuers,
/// mode, strategy, grant and groups are the same on all spans of a request, so the request's own and the
/// one around the layer have them, and the trace leads there; [`every_field`](Self::every_field) puts them
/// on each span.
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
    extent: Extent,
}

/// How much of the stamp a span gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Subs,
    EveryField,
}

impl StampSampler {
    /// Stamps what `decides` keeps with the subs.
    pub fn new(decides: impl Into<Box<dyn ShouldSample>>) -> Self {
        Self {
            decides: decides.into(),
            extent: Extent::Subs,
        }
    }

    /// Puts every field of the stamp on each span, for a backend that searches spans one by one: twice
    /// the cost, and larger spans.
    #[must_use]
    pub fn every_field(self) -> Self {
        self.with(Extent::EveryField)
    }

    pub(super) fn with(self, extent: Extent) -> Self {
        Self { extent, ..self }
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
        if result.decision != SamplingDecision::Drop {
            let to = &mut result.attributes;
            context::in_force(parent_context, |stamp| match self.extent {
                Extent::Subs => add(subs_of(stamp), attributes, to),
                Extent::EveryField => add(fields_of(stamp), attributes, to),
            });
        }
        result
    }
}

/// Adds the fields that neither the span nor the other sampler has.
fn add<const MOST: usize>(
    fields: [(&'static str, Option<StringValue>); MOST],
    attributes: &[KeyValue],
    to: &mut Vec<KeyValue>,
) {
    // Most spans have none of them, and one look finds that out.
    let has_some = attributes.iter().chain(&*to).any(is_ours);
    let own = to.len();
    to.reserve_exact(MOST);
    for (key, value) in fields {
        let Some(value) = value else { continue };
        let mut there = attributes.iter().chain(&to[..own]);
        if !has_some || !there.any(|attribute| attribute.key.as_str() == key) {
            to.push(KeyValue::new(key, value));
        }
    }
}
