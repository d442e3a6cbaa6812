//! Any set of headers beside the token of somebody of the support team.
//!
//! One header a line, `name: value`. A first line `!` leaves the token out.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderName, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tower_impersonate_fuzz::signer::{HEADER, members};
use tower_impersonate_fuzz::{Desk, oracle};

static DESK: LazyLock<Desk> = LazyLock::new(Desk::default);
static TOKEN: LazyLock<HeaderValue> = LazyLock::new(|| {
    let payload = format!("{{{}}}", members("carol", r#"["support"]"#));
    let token = DESK.signer.sign(HEADER, payload.as_bytes());
    HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII")
});

fuzz_target!(|data: &[u8]| {
    let (lines, token) = match data.strip_prefix(b"!\n") {
        Some(lines) => (lines, None),
        None => (data, Some(TOKEN.clone())),
    };
    let mut sent = HeaderMap::new();
    if let Some(token) = token {
        sent.insert(http::header::AUTHORIZATION, token);
    }
    for line in lines.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let header = (HeaderName::from_bytes(name), HeaderValue::from_bytes(value));
        if let (Ok(name), Ok(value)) = header {
            sent.append(name, value);
        }
    }
    let outcome = DESK.send(&sent);
    oracle::check(&DESK.signer, &sent, &outcome);
    let credentials = sent.get_all("authorization").iter().count();
    assert!(outcome.ran.is_none() || credentials == 1);
});
