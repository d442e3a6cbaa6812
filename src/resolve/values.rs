//! What may stand in our headers and claims.

use http::{HeaderName, HeaderValue};
use serde_json::Value;

use crate::terms::GrantId;

/// The header that names groups: some of the target's, or a role.
pub const GROUP: HeaderName = HeaderName::from_static("impersonate-group");
/// The header that says why.
pub const REASON: HeaderName = HeaderName::from_static("impersonate-reason");
/// The header that names the target's issuer.
pub const ISSUER: HeaderName = HeaderName::from_static("impersonate-issuer");

/// The longest name in a header or `sub` in a claim, in bytes.
const MAX_SUBJECT: usize = 256;
const MAX_HEADER_NAME: usize = 128;
const MAX_ISSUER: usize = 512;

/// A claim that names a person: an object with `sub` and perhaps `iss`.
pub(super) fn person(value: &Value) -> Option<(Option<&str>, &str)> {
    let object = value.as_object()?;
    let subject = object.get("sub")?.as_str().filter(|sub| is_subject(sub))?;
    let issuer = match object.get("iss") {
        None => None,
        Some(issuer) => Some(issuer.as_str().filter(|iss| !iss.is_empty())?),
    };
    Some((issuer, subject))
}

/// The id of a grant, in its one spelling.
pub(super) fn grant_id(value: &Value) -> Option<GrantId> {
    value.as_str()?.parse().ok()
}

fn is_subject(text: &str) -> bool {
    !text.trim().is_empty() && text.len() <= MAX_SUBJECT
}

/// A user or group as a header names it: ASCII letters, digits, `._@:+-` and what was configured
/// beyond, 1 to 128 bytes. Neither list separators nor white space nor anything that looks like
/// something else.
pub(super) fn name<'v>(value: &'v HeaderValue, also: &str) -> Option<&'v str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._@:+-".contains(c) || also.contains(c);
    ((1..=MAX_HEADER_NAME).contains(&text.len()) && text.chars().all(allowed)).then_some(text)
}

/// An issuer as a header names it: printable ASCII without spaces.
pub(super) fn issuer(value: &HeaderValue) -> Option<&str> {
    let text = value.to_str().ok()?;
    let printable = text.bytes().all(|byte| byte.is_ascii_graphic());
    (printable && (1..=MAX_ISSUER).contains(&text.len())).then_some(text)
}

/// A reason as a header gives it: UTF-8 without control characters.
pub(super) fn reason(value: &HeaderValue) -> Option<&str> {
    let text = std::str::from_utf8(value.as_bytes()).ok()?;
    (!text.chars().any(char::is_control)).then_some(text)
}
