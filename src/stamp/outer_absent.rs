//! The twin for a build that knows no registry of spans: each span is new.

use tracing_core::Dispatch;
use tracing_core::span::Id;

use crate::stamp::outer::Found;

pub(super) fn claim(_: &Id, _: &Dispatch, _: impl FnOnce() -> u64) -> Found {
    Found::Unmarked
}
