use opentelemetry::trace::{Link, SpanKind, TraceId};
use opentelemetry::{Context, KeyValue, StringValue};
use opentelemetry_sdk::trace::{SamplingDecision, SamplingResult, ShouldSample};

use crate::otel::context;
use crate::otel::vocabulary::{MOST, is_ours, tell_fields, tell_subs};

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
                Extent::Subs => {
                    let mut adding = Adding::new(attributes, to, SUBS);
                    tell_subs(stamp, |key, value| adding.put(key, value));
                }
                Extent::EveryField => {
                    let mut adding = Adding::new(attributes, to, MOST);
                    tell_fields(stamp, |key, value| adding.put(key, value));
                }
            });
        }
        result
    }
}

/// How many subs there are.
const SUBS: usize = 3;

/// Adds the fields that neither the span nor the other sampler has.
struct Adding<'a> {
    attributes: &'a [KeyValue],
    to: &'a mut Vec<KeyValue>,
    /// How many are the other sampler's.
    own: usize,
    /// Most spans have none of the fields, and one look finds that out.
    has_some: bool,
}

impl<'a> Adding<'a> {
    fn new(attributes: &'a [KeyValue], to: &'a mut Vec<KeyValue>, most: usize) -> Self {
        let own = to.len();
        let has_some = attributes.iter().chain(&*to).any(is_ours);
        to.reserve_exact(most);
        Self {
            attributes,
            to,
            own,
            has_some,
        }
    }

    #[inline]
    fn put(&mut self, key: &'static str, value: StringValue) {
        if !self.has_some || !self.is_there(key) {
            self.to.push(KeyValue::new(key, value));
        }
    }

    fn is_there(&self, key: &str) -> bool {
        let before = self.to.iter().take(self.own);
        let mut there = self.attributes.iter().chain(before);
        there.any(|attribute| attribute.key.as_str() == key)
    }
}
