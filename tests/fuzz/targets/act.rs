//! The `act` claim, in a token for a customer from an issuer that is trusted for it.

#![no_main]

use std::sync::LazyLock;

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use tower_impersonate_fuzz::signer::{HEADER, members};
use tower_impersonate_fuzz::{Desk, oracle};

static DESK: LazyLock<Desk> = LazyLock::new(Desk::default);

fuzz_target!(|data: &[u8]| {
    let alice = members("alice", r#"["customers"]"#);
    let payload = [b"{", alice.as_bytes(), b",\"act\":", data, b"}"].concat();
    let token = DESK.signer.sign(HEADER, &payload);
    let value = http::HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII");
    let sent = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    let outcome = DESK.send(&sent);
    oracle::check(&DESK.signer, &sent, &outcome);
    let principal = outcome.ran.and_then(|ran| ran.principal);
    assert!(
        principal.is_none_or(|principal| principal.impersonation().is_some()),
        "what names an actor must not pass as its own bearer's"
    );
});
