//! Servers of keys that fail in every way, as a request sees it: through the whole layer, while those
//! whose key is known go on.
//!
//! Not here: the metric and the jitter of A-49; a failed fetch is a warning in the log, and each process
//! has a cool-down of its own.

#![cfg(feature = "jwks")]

#[path = "support/gzip.rs"]
mod gzip;
#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
mod support;

use std::time::{Duration, Instant};

use gzip::swelling;
use key_server::{Endpoint, KeyServer};
use keys::*;
use serde_json::{Value, json};
use support::{AUDIENCE, Desk};
use tower_impersonate::Issuer;
use tower_impersonate::testing::TestIssuer;

const LIMIT: usize = 256 * 1024;

#[tokio::test]
async fn a46_slow_endpoints_are_given_up_after_five_seconds() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let wait = async |endpoint: Endpoint| {
        let server = KeyServer::serving(endpoint).await;
        let layer = layer(&desk, &server);
        let began = Instant::now();
        assert_unavailable(&ask_anew(&desk, &layer).await);
        assert_deadline(began);
        // Told at once from now on, until the cool-down is over.
        let began = Instant::now();
        assert_unavailable(&ask_anew(&desk, &layer).await);
        assert!(began.elapsed() < Duration::from_secs(1));
        assert_eq!(server.count(), 1);
    };
    tokio::join!(
        wait(Endpoint::Hanging),
        wait(Endpoint::Dripping(good.clone())),
        wait(Endpoint::Late(good.clone(), Duration::from_secs(30))),
    );
    desk.assert_silent();
}

/// The deadline is one for both documents, not one for each.
#[tokio::test]
async fn a46_discovery_and_keys_share_the_five_seconds() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Hanging).await;
    let (layer, issuer) = discovering(&desk, &server);
    let document = discovery(server.url(), &server.keys_url());
    server.at(DISCOVERY, Endpoint::Late(document, Duration::from_secs(3)));
    let began = Instant::now();
    assert_unavailable(&ask(&layer, &by(&issuer)).await);
    assert_deadline(began);
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a46_a_slow_endpoint_keeps_nobody_whose_key_is_known() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let wait = async |endpoint: Endpoint| {
        let server = KeyServer::serving(Endpoint::Healthy(good.clone())).await;
        let layer = layer(&desk, &server);
        let cached = token(&desk).sign();
        assert_served(&ask(&layer, &cached).await);
        server.now(endpoint);
        // Another's cool-down may have been waited for meanwhile.
        desk.clock.advance(COOL_DOWN);

        let unknown = token(&desk).header("kid", "unknown").sign();
        let mut stranger = Box::pin(ask(&layer, &unknown));
        assert!(so_far(&mut stranger).is_none(), "nothing to wait for");
        for _ in 0..20 {
            assert_known_flow(&desk, &layer, &cached).await;
            assert!(so_far(&mut stranger).is_none(), "no longer waiting");
        }
        assert_unavailable(&stranger.await);
        assert_known_flow(&desk, &layer, &cached).await;
        assert_eq!(server.count(), 2);
    };
    tokio::join!(
        wait(Endpoint::Hanging),
        wait(Endpoint::Dripping(good.clone())),
        wait(Endpoint::Late(good.clone(), Duration::from_secs(30))),
    );
}

#[tokio::test]
async fn one_slow_issuer_stalls_no_other() {
    let desk = Desk::new();
    let slow = KeyServer::serving(Endpoint::Hanging).await;
    let quick = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let neighbour = TestIssuer::offline("https://neighbour.example.com");
    let neighbour = neighbour.with_clock(desk.clock.clone());
    let keys_of_neighbour = Issuer::jwks(neighbour.name(), slow.keys_url());
    let layer = desk
        .bare()
        .issuer(
            keys_of_neighbour
                .audiences([AUDIENCE])
                .insecure_loopback_http(),
        )
        .issuer(issuer(&quick))
        .build()
        .unwrap();

    let waiting = by(&neighbour);
    let waiting = ask(&layer, &waiting);
    let served = async {
        slow.wait_for(1).await;
        assert_served(&ask_anew(&desk, &layer).await);
    };
    tokio::select! {
        biased;
        seen = waiting => panic!("nothing to wait for: {seen:?}"),
        () = served => {}
    }
}

/// At the limit and not at the deadline: the cause tells them apart.
#[tokio::test]
async fn a47_bodies_end_at_256_kib() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let padded = |length: usize| good.clone() + &" ".repeat(length - good.len());
    let fits = KeyServer::serving(Endpoint::Healthy(padded(LIMIT))).await;
    assert_served(&ask_anew(&desk, &layer(&desk, &fits)).await);
    for endpoint in [
        Endpoint::Healthy(padded(LIMIT + 1)),
        Endpoint::Healthy(padded(50 * LIMIT)),
        Endpoint::Endless,
    ] {
        assert_replaces_nothing(&desk, endpoint, "body is too large").await;
    }
}

#[tokio::test]
async fn a47_a_length_that_lies_makes_no_key_set() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let cut = "keys are unusable: not a key set";
    let less = Endpoint::Understating(good.clone());
    assert_replaces_nothing(&desk, less, cut).await;
    assert_replaces_nothing(&desk, Endpoint::Overstating(good), "no connection").await;
}

/// Nothing is unpacked, so nothing can swell: what is small and well packed is refused all the same.
#[tokio::test]
async fn a47_a_compressed_body_is_not_unpacked() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let bomb = swelling(&good, 16 * LIMIT);
    assert!(bomb.len() < LIMIT, "it would be refused for its length");
    for packed in [swelling(&good, 0), bomb, b"\x1f\x8b".to_vec()] {
        let packed = Endpoint::Compressed(packed);
        assert_replaces_nothing(&desk, packed, "keys are unusable: not a key set").await;
    }
}

/// This answer is none, be it the first or a later one: those whose key is known go on, the others
/// are told to come again, and a good answer mends it.
async fn assert_replaces_nothing(desk: &Desk, endpoint: Endpoint, reason: &str) {
    let good = Endpoint::Healthy(desk.issuer.jwks());
    let server = KeyServer::serving(endpoint.clone()).await;
    let layer = layer(desk, &server);
    let cached = token(desk).sign();
    assert_unavailable_for(&ask(&layer, &cached).await, reason);

    server.now(good);
    assert_unavailable_for(&ask(&layer, &cached).await, reason);
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &cached).await);

    server.now(endpoint.clone());
    desk.clock.advance(COOL_DOWN);
    assert_unavailable_for(&ask_unknown(desk, &layer, "unknown").await, reason);
    assert_known_flow(desk, &layer, &cached).await;
    assert_eq!(server.count(), 3, "{endpoint:?}");
}

#[tokio::test]
async fn a48_redirects_are_not_followed() {
    let desk = Desk::new();
    let elsewhere = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let itself = "/keys".to_owned();
    let metadata = "http://169.254.169.254/latest/meta-data/".to_owned();
    for status in [300, 301, 302, 303, 307, 308] {
        for to in [elsewhere.keys_url(), itself.clone(), metadata.clone()] {
            let there = Endpoint::Redirecting(status, to);
            let reason = format!("answered with status {status}");
            assert_replaces_nothing(&desk, there, &reason).await;
        }
    }
    assert_eq!(elsewhere.count(), 0);
}

/// Every fault once before there are keys, and once after: it is never a bad token, and keys that
/// are there stay.
#[tokio::test]
async fn a49_a_faulty_answer_is_no_key_set_and_ends_none() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let html = "<!doctype html><title>502</title>";
    let foreign = json!({ "keys": [{ "kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0" }] });
    let doubled = good.replacen("{\"keys\":", "{\"keys\":[],\"keys\":", 1);
    let cut = good[..good.len() - 1].to_owned();
    let no_set = "keys are unusable: not a key set";
    for (endpoint, reason) in [
        (Endpoint::Failing(500, String::new()), "status 500"),
        (Endpoint::Failing(404, good.clone()), "status 404"),
        (Endpoint::Failing(429, good.clone()), "status 429"),
        (Endpoint::Failing(206, good.clone()), "status 206"),
        (Endpoint::Healthy(html.into()), no_set),
        (Endpoint::Healthy(String::new()), no_set),
        (Endpoint::Healthy("{}".into()), no_set),
        (Endpoint::Healthy(r#"{"keys":null}"#.into()), no_set),
        (Endpoint::Healthy(doubled), no_set),
        (Endpoint::Healthy(format!("[{good}]")), no_set),
        (Endpoint::Healthy(cut), no_set),
        (Endpoint::Healthy(foreign.to_string()), "no usable key"),
        (Endpoint::Closing, "no connection"),
        (Endpoint::Babbling, "no connection"),
    ] {
        let reason = reason.replace("no usable key", "a key set without a usable key");
        assert_replaces_nothing(&desk, endpoint, &reason).await;
    }
}

#[tokio::test]
async fn a49_an_endpoint_that_comes_and_goes_takes_no_keys_with_it() {
    let desk = Desk::new();
    let good = Endpoint::Healthy(desk.issuer.jwks());
    let server = KeyServer::serving(good.clone()).await;
    let layer = layer(&desk, &server);
    let cached = token(&desk).sign();
    assert_served(&ask(&layer, &cached).await);
    for round in 1..=5 {
        server.now(Endpoint::Failing(500, String::new()));
        desk.clock.advance(COOL_DOWN);
        let seen = ask_unknown(&desk, &layer, "unknown").await;
        assert_unavailable_for(&seen, "answered with status 500");
        assert_known_flow(&desk, &layer, &cached).await;

        server.now(good.clone());
        assert_unavailable(&ask_unknown(&desk, &layer, "unknown").await);
        desk.clock.advance(COOL_DOWN);
        assert_unknown(&ask_unknown(&desk, &layer, "unknown").await);
        assert_known_flow(&desk, &layer, &cached).await;
        assert_eq!(server.count(), 1 + 2 * round);
    }
}

#[tokio::test]
async fn a49_keys_that_cannot_be_renewed_serve_for_a_day() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let patient = issuer(&server).max_lifetime(3 * DAY);
    let layer = desk.bare().issuer(patient).build().unwrap();
    let cached = token(&desk).expires_in(3 * DAY).sign();
    assert_served(&ask(&layer, &cached).await);
    server.now(Endpoint::Failing(500, String::new()));

    let second = Duration::from_secs(1);
    for step in [DAY / 96, DAY / 2, DAY / 2 - DAY / 96 - second] {
        let before = server.count();
        desk.clock.advance(step);
        assert_known_flow(&desk, &layer, &cached).await;
        server.wait_for(before + 1).await;
    }
    desk.clock.advance(second);
    assert_unavailable(&ask(&layer, &cached).await);
    assert_unavailable(&ask_anew(&desk, &layer).await);

    server.now(Endpoint::Healthy(desk.issuer.jwks()));
    desk.clock.advance(COOL_DOWN);
    assert_known_flow(&desk, &layer, &cached).await;
}

#[tokio::test]
async fn a50_what_the_server_says_of_age_is_kept_within_a_minute_and_half_a_day() {
    for (cache_control, seconds) in [
        ("max-age=0", 60),
        ("no-store, max-age=1", 60),
        ("public, max-age=120", 120),
        ("max-age=315360000", 12 * 60 * 60),
        ("max-age=nonsense", 15 * 60),
        ("no-cache", 15 * 60),
    ] {
        let desk = Desk::new();
        let good = desk.issuer.jwks();
        let server = KeyServer::serving(Endpoint::Cacheable(good, cache_control)).await;
        let layer = layer(&desk, &server);
        assert_served(&ask_anew(&desk, &layer).await);
        desk.clock.advance(Duration::from_secs(seconds - 1));
        assert_served(&ask_anew(&desk, &layer).await);
        tokio::time::sleep(Duration::from_millis(50)).await;
        assert_eq!(server.count(), 1, "{cache_control}: too early");
        desk.clock.advance(Duration::from_secs(1));
        assert_served(&ask_anew(&desk, &layer).await);
        server.wait_for(2).await;
    }
}

#[tokio::test]
async fn a57_a_set_of_more_than_a_hundred_keys_is_refused_whole() {
    let desk = Desk::new();
    let good = keys_in(&desk.issuer.jwks());
    let of = |count: usize| -> Vec<Value> { good.iter().cloned().cycle().take(count).collect() };
    let hundred = KeyServer::serving(Endpoint::Healthy(set_of(&of(100)))).await;
    assert_served(&ask_anew(&desk, &layer(&desk, &hundred)).await);
    let small = |n| json!({ "kty": "OKP", "kid": format!("{n}") });
    let ten_thousand: Vec<_> = good.iter().cloned().chain((0..10_000).map(small)).collect();
    for many in [set_of(&of(101)), set_of(&ten_thousand)] {
        // Ten thousand of the shortest keys hit the limit of bytes first.
        let reason = match many.len() > LIMIT {
            true => "body is too large",
            false => "keys are unusable: a key set of more than 100 keys",
        };
        assert_replaces_nothing(&desk, Endpoint::Healthy(many), reason).await;
    }
}

#[tokio::test]
async fn a58_an_empty_set_replaces_no_keys() {
    let desk = Desk::new();
    let empty = Endpoint::Healthy(r#"{"keys":[]}"#.into());
    let reason = "keys are unusable: a key set without a usable key";
    assert_replaces_nothing(&desk, empty, reason).await;
}

#[tokio::test]
async fn the_request_for_keys_tells_nothing_of_who_needs_them() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    assert_served(&ask_anew(&desk, &layer(&desk, &server)).await);
    let head = server.requests().concat().to_ascii_lowercase();
    assert!(head.starts_with("get /keys http/1.1\r\n"), "{head}");
    for header in [
        "authorization",
        "cookie",
        "referer",
        "accept-encoding",
        "carol",
    ] {
        assert!(!head.contains(header), "{head}");
    }
}
