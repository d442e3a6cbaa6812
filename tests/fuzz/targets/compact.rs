//! The text of a token: as it comes, or a good one with some characters changed.
//!
//! After a `~` every three bytes are one edit of a good token: where, where, and what.

#![no_main]

use std::sync::LazyLock;

use http::{HeaderMap, HeaderValue};
use libfuzzer_sys::fuzz_target;
use tower_impersonate_fuzz::signer::{HEADER, members};
use tower_impersonate_fuzz::{Desk, oracle};

static DESK: LazyLock<Desk> = LazyLock::new(Desk::default);

fuzz_target!(|data: &[u8]| {
    let token = match data.strip_prefix(b"~") {
        Some(edits) => edited(edits),
        None => data.to_vec(),
    };
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", &token[..]].concat()) else {
        return;
    };
    let sent = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    oracle::check(&DESK.signer, &sent, &DESK.send(&sent));
});

fn edited(edits: &[u8]) -> Vec<u8> {
    let payload = format!("{{{}}}", members("alice", r#"["customers"]"#));
    let mut token = DESK.signer.sign(HEADER, payload.as_bytes()).into_bytes();
    let outcome = DESK.send_token(std::str::from_utf8(&token).expect("ASCII"));
    assert!(outcome.expect("ASCII").ran.is_some(), "the good one runs");
    for edit in edits.chunks_exact(3) {
        let position = usize::from(u16::from_be_bytes([edit[0], edit[1]]));
        let at = (position >> 1) % token.len().max(1);
        match position & 1 {
            0 if at < token.len() => token[at] = edit[2],
            _ => token.insert(at.min(token.len()), edit[2]),
        }
    }
    token
}
