use std::sync::Arc;

use http::request::Parts;

use crate::middleware::upgrades::asks_for_upgrade;

/// Which requests only read.
#[derive(Clone, Default)]
pub(super) struct Reads(Option<Arc<Closure>>);

type Closure = dyn Fn(&Parts) -> bool + Send + Sync;

impl Reads {
    /// What reads by its method, and what the closure says.
    pub(super) fn or(reads: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        Self(Some(Arc::new(reads)))
    }

    pub(super) fn allow(&self, parts: &Parts) -> bool {
        if names_another_method(parts) {
            return false;
        }
        let by_method = parts.method.is_safe() && !asks_for_upgrade(parts);
        by_method || self.0.as_ref().is_some_and(|reads| reads(parts))
    }
}

/// Headers by which handlers and gateways let a request have another method than it says. Some read
/// `_` for `-`.
const OVERRIDES: [&str; 3] = [
    "x-http-method-override",
    "x-http-method",
    "x-method-override",
];

/// Whether something may take the request for a write, whatever its own method says.
fn names_another_method(parts: &Parts) -> bool {
    let in_headers = parts.headers.iter().any(|(name, value)| {
        OVERRIDES.contains(&&*name.as_str().replace('_', "-")) && !is_safe(value.as_bytes())
    });
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let mut pairs = form_urlencoded::parse(query);
    in_headers || pairs.any(|(name, value)| name == "_method" && !is_safe(value.as_bytes()))
}

fn is_safe(method: &[u8]) -> bool {
    let method = method.trim_ascii();
    [&b"GET"[..], b"HEAD", b"OPTIONS", b"TRACE"]
        .iter()
        .any(|safe| method.eq_ignore_ascii_case(safe))
}
