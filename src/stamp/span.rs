use tracing::field::Empty;
use tracing::span::Entered;
use tracing::{Span, error_span};

use crate::identity::IdentityKey;
use crate::stamp::carrier;
use crate::stamp::record::{self, Values};
use crate::stamp::value::Stamp;
use crate::terms::Strategy;

/// Opens the span of a request that asks to impersonate: `impersonation.request`.
///
/// It is a child of the current span and knows the actor and the strategy; whatever is decided
/// later is declared and empty, until [`complete_span`] or, for what is known of a denial,
/// `span.record(fields::TARGET_SUB, ..)` and its like fill it in.
#[must_use]
pub fn open_span(actor: &IdentityKey, strategy: Strategy) -> Span {
    let span = error_span!(
        target: TARGET,
        NAME,
        user.id = Empty,
        impersonation.actor.sub = actor.subject(),
        impersonation.actor.iss = actor.issuer(),
        impersonation.target.sub = Empty,
        impersonation.target.iss = Empty,
        impersonation.mode = Empty,
        impersonation.strategy = strategy.as_str(),
        impersonation.grant.id = Empty,
        impersonation.groups = Empty,
    );
    carrier::opened(&span);
    span
}

/// Says on the request's own span what was decided, and leaves the stamp there for its descendants.
///
/// Call it once, on the span that [`open_span`] gave.
pub fn complete_span(span: &Span, stamp: &Stamp) {
    if span.is_disabled() {
        return;
    }
    let undecided_until_now = Values {
        actor_sub: None,
        actor_iss: None,
        strategy: None,
        ..stamp.values()
    };
    // The layer that keeps stamps on spans sees the record, and finds the stamp on the thread.
    let _entered = stamp.enter();
    record::on_span(span, &undecided_until_now);
    carrier::completed(span, stamp);
}

/// Makes it current, where anybody hears of it.
pub(crate) fn enter_span(span: &Span) -> Option<Entered<'_>> {
    (!span.is_disabled()).then(|| span.enter())
}

pub(crate) const NAME: &str = "impersonation.request";
pub(super) const TARGET: &str = "impersonation";
