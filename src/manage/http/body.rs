use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::request::Parts;
use http::{HeaderMap, StatusCode};
use serde_json::{Map, Value};

use crate::manage::http::Problem;
use crate::token::strict_object;

/// The most bytes of a body.
const MAX_BODY: usize = 16 * 1024;

/// The members of a body in JSON; none where there is no body.
pub(in crate::manage) async fn object(
    parts: &Parts,
    body: Body,
) -> Result<Map<String, Value>, Box<Response>> {
    let kind = content_type(&parts.headers);
    let bytes = read(body).await?;
    match kind {
        Kind::Is("application/json") => {}
        Kind::Absent if bytes.is_empty() => return Ok(Map::new()),
        Kind::Is(_) | Kind::Absent => return Err(unsupported("application/json")),
    }
    if bytes.is_empty() {
        return Ok(Map::new());
    }
    let object = std::str::from_utf8(&bytes).ok().and_then(strict_object);
    object.ok_or_else(|| {
        let title = "the body is not one JSON object, or has a member twice";
        Problem::field("body", title).into()
    })
}

/// The parameters of a form, each at most once.
pub(in crate::manage) async fn form(
    parts: &Parts,
    body: Body,
) -> Result<Option<Vec<(String, String)>>, Box<Response>> {
    let Kind::Is("application/x-www-form-urlencoded") = content_type(&parts.headers) else {
        return Ok(None);
    };
    let bytes = read(body).await?;
    if !is_form(&bytes) {
        return Ok(None);
    }
    let pairs = form_urlencoded::parse(&bytes).into_owned();
    Ok(Some(pairs.collect()))
}

/// `+` and `%` escapes of UTF-8: what is no such text must not become some other one.
pub(super) fn is_form(bytes: &[u8]) -> bool {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes.iter();
    while let Some(byte) = rest.next() {
        if *byte != b'%' {
            decoded.push(*byte);
            continue;
        }
        let digit = |byte: Option<&u8>| char::from(*byte?).to_digit(16);
        let (Some(high), Some(low)) = (digit(rest.next()), digit(rest.next())) else {
            return false;
        };
        decoded.push(u8::try_from(high * 16 + low).unwrap_or_default());
    }
    std::str::from_utf8(&decoded).is_ok()
}

async fn read(body: Body) -> Result<Bytes, Box<Response>> {
    axum::body::to_bytes(body, MAX_BODY).await.map_err(|_| {
        let title = "the body is longer than 16 KiB, or did not come whole";
        Problem::new(StatusCode::PAYLOAD_TOO_LARGE, title).into()
    })
}

enum Kind<'h> {
    Absent,
    Is(&'h str),
}

/// The media type without its parameters; one that is malformed or stands twice is another one.
fn content_type(headers: &HeaderMap) -> Kind<'_> {
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    match (values.next(), values.next()) {
        (None, _) => Kind::Absent,
        (Some(value), None) => {
            let value = value.to_str().unwrap_or_default();
            let essence = value.split(';').next().unwrap_or_default().trim();
            let known = ["application/json", "application/x-www-form-urlencoded"];
            let same = |known: &&str| known.eq_ignore_ascii_case(essence);
            Kind::Is(known.into_iter().find(same).unwrap_or_default())
        }
        _ => Kind::Is(""),
    }
}

fn unsupported(wanted: &str) -> Box<Response> {
    let title = format!("the body must be {wanted}");
    Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, &title).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_form_is_seen() {
        for (text, sound) in [
            ("a=b&c=d+e", true),
            ("a=%C3%A9", true),
            ("", true),
            ("a=%", false),
            ("a=%2", false),
            ("a=%zz", false),
            ("a=%ff", false),
        ] {
            assert_eq!(is_form(text.as_bytes()), sound, "{text}");
        }
        assert!(!is_form(b"a=\xff"));
    }
}
