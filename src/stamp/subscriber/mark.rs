use tracing_core::Dispatch;
use tracing_core::span::Id;
use tracing_subscriber::Registry;
use tracing_subscriber::registry::LookupSpan;

use crate::stamp::outer::Found;

/// Marks a span with what it is to be stamped with, and tells what it was marked with before.
///
/// The mark stands in the span's extensions, so it goes with the span. Ids come again.
pub(in crate::stamp) fn claim(id: &Id, dispatch: &Dispatch, said: impl FnOnce() -> u64) -> Found {
    let registry = dispatch.downcast_ref::<Registry>();
    let Some(span) = registry.and_then(|registry| registry.span(id)) else {
        return Found::Unmarked;
    };
    let said = said();
    let mut extensions = span.extensions_mut();
    match extensions.get_mut::<Mark>() {
        Some(Mark(before)) if *before == said => Found::Same,
        Some(_) => Found::Other,
        None => {
            extensions.insert(Mark(said));
            Found::Unmarked
        }
    }
}

struct Mark(u64);
