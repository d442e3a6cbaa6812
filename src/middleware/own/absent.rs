//! Without the feature the crate has no routes.

use http::request::Parts;

use crate::resolve::Requested;

pub(in crate::middleware) fn is_judged_by_itself(_: &Parts) -> bool {
    false
}

pub(in crate::middleware) fn only_ends(_: &Parts) -> bool {
    false
}

pub(in crate::middleware) fn keep(_: &Parts, _: Requested) {}
