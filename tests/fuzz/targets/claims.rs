//! Claims of any kind in a token that is really signed: the whole payload where the input begins with
//! a `{`, else more members in front of or behind those of a good one.

#![no_main]

use std::sync::LazyLock;

use http::HeaderMap;
use libfuzzer_sys::fuzz_target;
use tower_impersonate_fuzz::signer::{HEADER, members};
use tower_impersonate_fuzz::{Desk, oracle};

static DESK: LazyLock<Desk> = LazyLock::new(Desk::default);

fuzz_target!(|data: &[u8]| {
    let good = members("carol", r#"["support"]"#);
    let payload = match data.first() {
        Some(b'{') => data.to_vec(),
        Some(_) => [b"{", good.as_bytes(), b",", data, b"}"].concat(),
        None => return,
    };
    let token = DESK.signer.sign(HEADER, &payload);
    let value = http::HeaderValue::try_from(format!("Bearer {token}")).expect("ASCII");
    let sent = HeaderMap::from_iter([(http::header::AUTHORIZATION, value)]);
    oracle::check(&DESK.signer, &sent, &DESK.send(&sent));
});
