use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use tracing::field::{Field, Visit};
use tracing_core::dispatcher::WeakDispatch;
use tracing_core::span::{Attributes, Id, Record};
use tracing_core::{Dispatch, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::{LookupSpan, SpanRef};

use crate::stamp::record::{self, FIELDS};
use crate::stamp::span::{NAME, TARGET};
use crate::stamp::value::Stamp;
use crate::stamp::{ambient, fields};

/// Puts the stamp on every span of an impersonating request. See the [module](super) for its rules.
#[derive(Debug)]
#[must_use]
pub struct StampLayer {
    dispatch: OnceLock<WeakDispatch>,
    records: bool,
    excluded: Vec<Box<str>>,
    missed: Arc<AtomicU64>,
    warned: AtomicBool,
}

impl StampLayer {
    /// A layer that leaves out the spans of `h2`, `hyper` and `hyper_util`.
    pub fn new() -> Self {
        Self {
            dispatch: OnceLock::new(),
            records: true,
            excluded: ["h2", "hyper", "hyper_util"].map(Box::from).into(),
            missed: Arc::default(),
            warned: AtomicBool::new(false),
        }
    }

    /// A layer that puts nothing on spans, and keeps the stamp beside them for [`StampFormat`]: log
    /// lines of tasks that were spawned with `in_current_span()` have it then, too.
    ///
    /// [`StampFormat`]: super::StampFormat
    pub fn carrying() -> Self {
        Self {
            records: false,
            ..Self::new()
        }
    }

    /// Leaves out the spans of these targets, too, and of the modules inside: `sqlx` names
    /// `sqlx::pool`, but not `sqlxmq`.
    pub fn exclude<T: Into<Box<str>>>(mut self, targets: impl IntoIterator<Item = T>) -> Self {
        self.excluded.extend(targets.into_iter().map(Into::into));
        self
    }

    /// Counts the spans that should have been stamped and could not, because the layer stands
    /// inside an `Option` or a `Vec`. Keep it for a metric; it should stay zero.
    #[must_use]
    pub fn missed(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.missed)
    }

    fn excludes(&self, metadata: &Metadata<'_>) -> bool {
        self.excluded.iter().any(|prefix| {
            metadata
                .target()
                .strip_prefix(&**prefix)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        })
    }

    fn record(&self, id: &Id, attrs: &Attributes<'_>, stamp: &Stamp) {
        let Some(dispatch) = self.dispatch.get().and_then(WeakDispatch::upgrade) else {
            self.missed.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let mut values = stamp.values();
        if gives_itself_a_user(attrs) {
            values.user = None;
        }
        record::on_id(id, &dispatch, &values);
    }
}

impl Default for StampLayer {
    fn default() -> Self {
        Self::new()
    }
}

/// A stamp, kept in a span's extensions.
struct Carried(Stamp);

/// How many there are: where there is none, no line has to look for its span.
static CARRIED: AtomicUsize = AtomicUsize::new(0);

impl Carried {
    fn new(stamp: Stamp) -> Self {
        CARRIED.fetch_add(1, Ordering::Relaxed);
        Self(stamp)
    }
}

impl Drop for Carried {
    fn drop(&mut self) {
        CARRIED.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<S> Layer<S> for StampLayer
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    fn on_register_dispatch(&self, subscriber: &Dispatch) {
        // Only the first counts: a layer belongs to one subscriber.
        let _ = self.dispatch.set(subscriber.downgrade());
    }

    fn on_new_span(&self, attrs: &Attributes<'_>, id: &Id, ctx: Context<'_, S>) {
        let Some(span) = ctx.span(id) else { return };
        let Some(stamp) = ambient::current().or_else(|| inherited(&span, attrs, &ctx)) else {
            return;
        };
        if self.excludes(attrs.metadata()) {
            return;
        }
        // Recording below takes the extensions again, so this must not hold on to them.
        let carried_before = span.extensions_mut().replace(Carried::new(stamp.clone()));
        let stamps_itself = attrs.metadata().fields().field(fields::ACTOR_SUB).is_some();
        if self.records && carried_before.is_none() && !stamps_itself {
            self.record(id, attrs, &stamp);
        }
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, ctx: Context<'_, S>) {
        // `complete_span` decided what the request's own span carries. No other span that is
        // recorded on carries anything: the one around it may serve several requests.
        if !is_ours(values) {
            return;
        }
        let Some(span) = ctx.span(id).filter(|span| is_own(span.metadata())) else {
            return;
        };
        if let Some(stamp) = ambient::current() {
            span.extensions_mut().replace(Carried::new(stamp));
        }
    }

    fn on_enter(&self, _: &Id, _: Context<'_, S>) {
        // Not where it is noticed: an event inside `new_span` is dropped by a scoped dispatcher.
        if self.missed.load(Ordering::Relaxed) > 0 && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "impersonation",
                "spans are not stamped: the stamp layer must not stand inside an Option or a Vec"
            );
        }
    }
}

fn inherited<S>(
    span: &SpanRef<'_, S>,
    attrs: &Attributes<'_>,
    ctx: &Context<'_, S>,
) -> Option<Stamp>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let from_parent = span.parent().and_then(|parent| carried_by(&parent));
    if from_parent.is_some() || attrs.is_contextual() {
        return from_parent;
    }
    carried_by(&ctx.lookup_current()?)
}

/// Whether a layer left a stamp with any span that is open.
pub(super) fn is_any_carried() -> bool {
    CARRIED.load(Ordering::Relaxed) > 0
}

/// The stamp that a layer left with this span.
pub(super) fn carried_by<S>(span: &SpanRef<'_, S>) -> Option<Stamp>
where
    S: for<'a> LookupSpan<'a>,
{
    let extensions = span.extensions();
    extensions.get::<Carried>().map(|carried| carried.0.clone())
}

/// Whether the record was made by `record`, and says who the principal is.
fn is_ours(values: &Record<'_>) -> bool {
    FIELDS
        .as_ref()
        .is_some_and(|[user, ..]| values.contains(user))
}

/// Whether the span was opened by `open_span`.
fn is_own(metadata: &Metadata<'_>) -> bool {
    metadata.name() == NAME && metadata.target() == TARGET
}

fn gives_itself_a_user(attrs: &Attributes<'_>) -> bool {
    // Only fields that have a value are visited, and empty is none.
    let mut found = FindUser(false);
    if attrs.metadata().fields().field(fields::USER_ID).is_some() {
        attrs.record(&mut found);
    }
    found.0
}

struct FindUser(bool);

impl Visit for FindUser {
    fn record_debug(&mut self, field: &Field, _: &dyn std::fmt::Debug) {
        self.0 |= field.name() == fields::USER_ID;
    }
}
