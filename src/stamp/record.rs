use std::array;
use std::fmt;
use std::sync::LazyLock;

use tracing::Span;
use tracing::field::{Field, Value, display};
use tracing_core::callsite::DefaultCallsite;
use tracing_core::metadata::{Kind, Level, Metadata};
use tracing_core::span::{Id, Record};
use tracing_core::{Dispatch, metadata};

use crate::identity::Names;
use crate::stamp::signed::{COUNT, NAMES};

/// What to record; what is `None` is left as it is on the span.
#[derive(Debug, Clone, Copy, Default, Hash)]
pub(super) struct Values<'a> {
    pub(super) user: Option<&'a str>,
    pub(super) actor_sub: Option<&'a str>,
    pub(super) actor_iss: Option<&'a str>,
    pub(super) target_sub: Option<&'a str>,
    pub(super) target_iss: Option<&'a str>,
    pub(super) mode: Option<&'a str>,
    pub(super) strategy: Option<&'a str>,
    pub(super) grant: Option<&'a str>,
    pub(super) groups: Option<&'a Names>,
}

impl<'a> Values<'a> {
    /// In the order of `fields::ALL`, without the groups, which are last.
    pub(super) fn texts(&self) -> [Option<&'a str>; COUNT - 1] {
        [
            self.user,
            self.actor_sub,
            self.actor_iss,
            self.target_sub,
            self.target_iss,
            self.mode,
            self.strategy,
            self.grant,
        ]
    }
}

pub(super) fn on_span(span: &Span, values: &Values<'_>) {
    span.with_subscriber(|(id, dispatch)| on_id(id, dispatch, values));
}

pub(super) fn on_id(id: &Id, dispatch: &Dispatch, values: &Values<'_>) {
    let Some(fields) = &*FIELDS else { return };
    let texts = values.texts();
    let groups = values.groups.map(|names| display(Joined(names)));
    let pairs: [_; COUNT] = array::from_fn(|i| {
        let value = match texts.get(i) {
            Some(text) => text.as_ref().map(|text| text as &dyn Value),
            None => groups.as_ref().map(|groups| groups as &dyn Value),
        };
        (&fields[i], value)
    });
    dispatch.record(id, &Record::new(&METADATA.fields().value_set(&pairs)));
}

pub(super) struct Joined<'a>(pub(super) &'a Names);

impl fmt::Display for Joined<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, name) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str(",")?;
            }
            f.write_str(name)?;
        }
        Ok(())
    }
}

/// In the order of `fields::ALL`; there always are that many.
pub(super) static FIELDS: LazyLock<Option<[Field; COUNT]>> = LazyLock::new(|| {
    let fields: Vec<Field> = METADATA.fields().iter().collect();
    fields.try_into().ok()
});

// A set of values is only checked against the call site of its own field set, never against the
// span that it is recorded on. So fields of a call site of ours reach any open span, in every layer
// of the subscriber, although the span did not declare them. Nothing is ever opened at this call
// site, so it need not be registered; it must have a size, because call sites are told apart by
// address.
static CALLSITE: DefaultCallsite = DefaultCallsite::new(&METADATA);

static METADATA: Metadata<'static> = metadata! {
    name: "impersonation.stamp",
    target: "impersonation",
    level: Level::ERROR,
    fields: &NAMES,
    callsite: &CALLSITE,
    kind: Kind::SPAN,
};
