use axum::response::Response;
use http::request::Parts;

use crate::manage::http::Problem;
use crate::manage::http::body::is_form;

/// The parameters of a query, each at most once and none that is not known.
pub(in crate::manage) struct Query(Vec<(String, String)>);

impl Query {
    pub(in crate::manage) fn read(parts: &Parts, known: &[&str]) -> Result<Self, Box<Response>> {
        let text = parts.uri.query().unwrap_or_default();
        if !is_form(text.as_bytes()) {
            return Err(Problem::field("query", "the query is not well formed").into());
        }
        let mut read: Vec<(String, String)> = Vec::new();
        for (name, value) in form_urlencoded::parse(text.as_bytes()).into_owned() {
            if !known.contains(&&*name) {
                return Err(Problem::field(&name, "this parameter is not known here").into());
            }
            if read.iter().any(|(other, _)| *other == name) {
                return Err(Problem::field(&name, "this parameter stands twice").into());
            }
            read.push((name, value));
        }
        Ok(Self(read))
    }

    pub(in crate::manage) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(value)
    }
}
