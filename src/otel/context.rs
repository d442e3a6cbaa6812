//! Where the stamp stands in OpenTelemetry's own context.

use std::sync::{Arc, OnceLock};

use opentelemetry::Context;
use opentelemetry::trace::{TraceContextExt, Tracer};
use tracing::Span;
use tracing_core::Subscriber;
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::Layer;
use tracing_subscriber::registry::LookupSpan;

use crate::stamp::{self, Carrier, Stamp};

/// `tracing-opentelemetry`'s layer with a [`carrier`]: spans of `tracing` as OpenTelemetry spans.
///
/// For one that is configured otherwise, add the carrier beside it.
pub fn layer<S, T>(tracer: T) -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
    T: Tracer<Span: Send + Sync> + Send + Sync + 'static,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .and_then(carrier())
}

/// Keeps the stamp of each request in the OpenTelemetry context of its own span: a layer, to be added
/// beside `tracing-opentelemetry`'s.
///
/// Like any layer without a filter it asks for every span: give it the filter of the other one.
pub const fn carrier() -> Carrier {
    Carrier::new(opened, completed)
}

/// The stamp of a request, once it is known. The parent of a span can be set before it is entered for
/// the first time only, and the request's own span is entered while it is being decided.
#[derive(Default)]
struct Carried(Arc<OnceLock<Stamp>>);

fn opened(span: &Span) {
    let current = Context::current();
    // Where spans do not become current contexts, the span knows its own.
    let around = if current.has_active_span() {
        current
    } else {
        Span::current().context()
    };
    // Where no layer for OpenTelemetry takes the span there is nothing to carry.
    let _ = span.set_parent(around.with_value(Carried::default()));
}

fn completed(span: &Span, stamp: &Stamp) {
    if let Some(carried) = span.context().get::<Carried>() {
        // A request is decided once.
        let _ = carried.0.set(stamp.clone());
    }
}

/// Looks at the stamp for something that starts under `parent`, or where we are: of the request that the
/// thread works for, in the context of the parent, or in the one that is current. `StampLayer` has the
/// same order.
pub(super) fn in_force<T>(
    parent: Option<&Context>,
    mut look: impl FnMut(&Stamp) -> T,
) -> Option<T> {
    stamp::with_current(&mut look)
        .or_else(|| parent.and_then(carried_in).map(&mut look))
        .or_else(|| Context::map_current(|current| carried_in(current).map(&mut look)))
}

fn carried_in(context: &Context) -> Option<&Stamp> {
    context.get::<Carried>()?.0.get()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::IdentityKey;
    use crate::terms::{Mode, Strategy};

    fn by(actor: &str) -> Stamp {
        let key = |sub| IdentityKey::new("iss", sub);
        let target = key("alice");
        Stamp::impersonation(
            &key(actor),
            Some(&target),
            Mode::Full,
            Strategy::Header,
            None,
        )
    }

    #[test]
    fn the_thread_goes_before_the_parent_and_the_parent_before_where_we_are() {
        let carrying = |actor| {
            let carried = Carried::default();
            carried.0.set(by(actor)).unwrap();
            Context::new().with_value(carried)
        };
        let parent = carrying("of the parent");
        let actor = |parent| in_force(parent, |s| s.actor().subject().to_owned());
        let _current = carrying("of where we are").attach();
        assert_eq!(actor(None).as_deref(), Some("of where we are"));
        assert_eq!(actor(Some(&parent)).as_deref(), Some("of the parent"));
        let stamp = by("of the thread");
        let _thread = stamp.enter();
        assert_eq!(actor(Some(&parent)).as_deref(), Some("of the thread"));
        assert_eq!(actor(None).as_deref(), Some("of the thread"));
    }
}
