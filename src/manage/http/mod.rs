//! Requests and answers, before and after anything is decided.

mod body;
mod call;
mod fields;
mod problem;
mod query;

pub(super) use self::body::{form, object};
pub(super) use self::call::{Answered, At, Call, json, no_content};
pub(super) use self::fields::Fields;
pub(super) use self::problem::Problem;
pub(super) use self::query::Query;
