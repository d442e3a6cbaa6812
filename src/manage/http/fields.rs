use std::time::Duration;

use axum::response::Response;
use serde_json::{Map, Value};

use crate::manage::client::is_scope;
use crate::manage::http::Problem;
use crate::terms::{Mode, Reason, Ticket};

/// The members of a body, taken one by one; what is left over is refused.
pub(in crate::manage) struct Fields(Map<String, Value>);

type Taken<T> = Result<Option<T>, Box<Response>>;

impl Fields {
    pub(in crate::manage) fn new(members: Map<String, Value>) -> Self {
        Self(members)
    }

    /// A text that is not empty.
    pub(in crate::manage) fn text(&mut self, name: &str) -> Taken<String> {
        match self.0.remove(name) {
            None => Ok(None),
            Some(Value::String(text)) if !text.is_empty() => Ok(Some(text)),
            Some(_) => Err(Problem::field(name, "this must be a text that is not empty").into()),
        }
    }

    pub(in crate::manage) fn flag(&mut self, name: &str) -> Result<bool, Box<Response>> {
        match self.0.remove(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(flag),
            Some(_) => Err(Problem::field(name, "this must be true or false").into()),
        }
    }

    pub(in crate::manage) fn reason(&mut self, max_chars: usize) -> Taken<Reason> {
        let Some(value) = self.0.remove("reason") else {
            return Ok(None);
        };
        let parsed = { value.as_str() }.and_then(|text| Reason::parse(text, max_chars).ok());
        let title = "the reason is blank, too long or no text";
        parsed
            .map(Some)
            .ok_or_else(|| Problem::field("reason", title).into())
    }

    pub(in crate::manage) fn ticket(&mut self) -> Taken<Ticket> {
        let Some(value) = self.0.remove("ticket") else {
            return Ok(None);
        };
        let parsed = value.as_str().and_then(|text| Ticket::parse(text).ok());
        let title = "a ticket is 1 to 128 characters, none of control";
        parsed
            .map(Some)
            .ok_or_else(|| Problem::field("ticket", title).into())
    }

    pub(in crate::manage) fn mode(&mut self) -> Taken<Mode> {
        let Some(value) = self.0.remove("mode") else {
            return Ok(None);
        };
        let parsed = value.as_str().and_then(|text| text.parse().ok());
        let title = "the mode is full, read_only or scoped";
        parsed
            .map(Some)
            .ok_or_else(|| Problem::field("mode", title).into())
    }

    pub(in crate::manage) fn scopes(&mut self) -> Taken<Vec<String>> {
        let Some(value) = self.0.remove("scopes") else {
            return Ok(None);
        };
        let list = value
            .as_array()
            .filter(|list| (1..=MAX_SCOPES).contains(&list.len()));
        let scope = |scope: &Value| {
            scope
                .as_str()
                .filter(|text| is_scope(text))
                .map(str::to_owned)
        };
        let scopes = list.and_then(|list| list.iter().map(scope).collect());
        let title = "the scopes are a list of 1 to 64 names without spaces";
        scopes
            .map(Some)
            .ok_or_else(|| Problem::field("scopes", title).into())
    }

    /// A number of seconds above zero.
    pub(in crate::manage) fn seconds(&mut self, name: &str) -> Taken<Duration> {
        let Some(value) = self.0.remove(name) else {
            return Ok(None);
        };
        // To JSON, 60.0 is a whole number, too; one that is too large for the clock is as good as the largest.
        let whole = |number: &f64| number.fract() == 0.0;
        let seconds = { value.as_u64() }
            .or_else(|| value.as_f64().filter(whole).map(|number| number as u64))
            .filter(|seconds| *seconds > 0);
        let title = "this must be a whole number of seconds above zero";
        match seconds {
            Some(seconds) => Ok(Some(Duration::from_secs(seconds))),
            None => Err(Problem::field(name, title).into()),
        }
    }

    /// Everything was taken.
    pub(in crate::manage) fn end(self) -> Result<(), Box<Response>> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(Problem::field(name, "this member is not known here").into()),
        }
    }
}

const MAX_SCOPES: usize = 64;
