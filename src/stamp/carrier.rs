use std::fmt;

use tracing::Span;

use crate::stamp::value::Stamp;

/// Takes a request's stamp along where another library keeps its context.
///
/// A subscriber that holds a carrier is told of each request's own span twice: when it was opened,
/// and when it was decided whom the request acts as. With the feature `subscriber` a carrier is a
/// layer, to be added by `.with(..)`; `otel::carrier` is one for OpenTelemetry. Where there is none,
/// one question to the subscriber is all that it costs.
///
/// The functions run while the request is decided: they must neither block nor panic.
#[derive(Clone, Copy)]
#[must_use = "a carrier does nothing until it is part of a subscriber"]
pub struct Carrier {
    opened: fn(&Span),
    completed: fn(&Span, &Stamp),
}

impl Carrier {
    /// A carrier that calls the first function before the span is entered for the first time, while
    /// the span around it is current, and the second one as soon as the stamp is known. A request
    /// that is refused is never completed.
    pub const fn new(opened: fn(&Span), completed: fn(&Span, &Stamp)) -> Self {
        Self { opened, completed }
    }
}

pub(super) fn opened(span: &Span) {
    with(span, |carrier| (carrier.opened)(span));
}

pub(super) fn completed(span: &Span, stamp: &Stamp) {
    with(span, |carrier| (carrier.completed)(span, stamp));
}

fn with(span: &Span, then: impl FnOnce(&Carrier)) {
    span.with_subscriber(|(_, dispatch)| dispatch.downcast_ref().map(then));
}

impl fmt::Debug for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Carrier").finish_non_exhaustive()
    }
}
