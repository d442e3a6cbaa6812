//! Fetching keys, as a request sees it: through the whole layer, from servers that fail in every way.

#![cfg(feature = "jwks")]

#[path = "support/key_server.rs"]
mod key_server;
mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use key_server::{Endpoint, KeyServer};
use serde_json::{Value, json};
use support::{AUDIENCE, Desk, ISSUER, Seen, get, send, tell};
use tokio::sync::Semaphore;
use tower::{Layer, service_fn};
use tower_impersonate::middleware::ConfigError;
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::token::{Algorithm, AuthenticatorError, IssuerErrorKind};
use tower_impersonate::{ImpersonationLayer, Issuer};

const COOL_DOWN: Duration = Duration::from_secs(10);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes the tokens of the desk's issuer, with keys from `server`.
fn layer(desk: &Desk, server: &KeyServer) -> ImpersonationLayer {
    desk.bare().issuer(issuer(server)).build().unwrap()
}

fn issuer(server: &KeyServer) -> Issuer {
    Issuer::jwks(ISSUER, server.keys_url())
        .audiences([AUDIENCE])
        .insecure_loopback_http()
}

/// A token of another name each time, so that none is found in the cache.
fn token(desk: &Desk) -> TokenBuilder {
    desk.token("carol", &["support"])
}

/// Counts for itself whether its handler ran, because many ask at once here.
async fn ask(layer: &ImpersonationLayer, token: &str) -> Seen {
    let ran = Arc::new(AtomicBool::new(false));
    let runs = Arc::clone(&ran);
    let service = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
        runs.store(true, Ordering::SeqCst);
        let told = Full::new(Bytes::from(tell(&request)));
        async { Ok::<_, Infallible>(Response::new(told)) }
    }));
    let mut seen = send(service, get(token, &[])).await;
    seen.ran = ran.load(Ordering::SeqCst);
    seen
}

/// A request whose token was not seen before.
async fn ask_anew(desk: &Desk, layer: &ImpersonationLayer) -> Seen {
    ask(layer, &token(desk).sign()).await
}

/// A request with a key that nobody has.
async fn ask_unknown(desk: &Desk, layer: &ImpersonationLayer, kid: &str) -> Seen {
    ask(layer, &token(desk).header("kid", kid).sign()).await
}

#[track_caller]
fn assert_served(seen: &Seen) {
    seen.assert_ran_as("carol", None);
}

/// It is not the token's fault, and the client is told when to come again.
#[track_caller]
fn assert_unavailable(seen: &Seen) {
    seen.assert_refused(503);
    assert_eq!(
        seen.rejection.as_ref().unwrap().kind(),
        RejectionKind::KeysUnavailable
    );
    let after: u64 = seen.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&after), "{after}");
    assert_eq!(seen.header("www-authenticate"), None);
    assert_eq!(seen.header("cache-control"), Some("no-store"));
}

/// The deadline of five seconds, and what a busy machine adds to it.
#[track_caller]
fn assert_deadline(began: Instant) {
    let waited = began.elapsed().as_secs_f64();
    assert!((4.5..7.0).contains(&waited), "{waited} s");
}

fn keys_in(set: &str) -> Vec<Value> {
    let set: Value = serde_json::from_str(set).unwrap();
    set["keys"].as_array().unwrap().clone()
}

fn set_of(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

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
async fn a46_a_hanging_endpoint_keeps_nobody_whose_key_is_known() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let layer = layer(&desk, &server);
    let cached = token(&desk).sign();
    assert_served(&ask(&layer, &cached).await);
    server.now(Endpoint::Hanging);
    desk.clock.advance(COOL_DOWN);

    let began = Instant::now();
    let stranger = ask_unknown(&desk, &layer, "unknown");
    let others = async {
        server.wait_for(2).await;
        for _ in 0..100 {
            assert_served(&ask(&layer, &cached).await);
            assert_served(&ask_anew(&desk, &layer).await);
        }
        began.elapsed()
    };
    let (stranger, served_by) = tokio::join!(stranger, others);
    assert_unavailable(&stranger);
    assert_deadline(began);
    assert!(served_by < Duration::from_secs(4), "{served_by:?}");
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

#[tokio::test]
async fn a47_bodies_end_at_256_kib() {
    const LIMIT: usize = 256 * 1024;
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let padded = |length: usize| good.clone() + &" ".repeat(length - good.len());
    for (endpoint, accepted) in [
        (Endpoint::Healthy(padded(LIMIT)), true),
        (Endpoint::Healthy(padded(LIMIT + 1)), false),
        (Endpoint::Healthy(padded(50 * LIMIT)), false),
        (Endpoint::Endless, false),
        (Endpoint::Understating(good.clone()), false),
        (Endpoint::Overstating(good.clone()), false),
    ] {
        let server = KeyServer::serving(endpoint).await;
        let layer = layer(&desk, &server);
        let began = Instant::now();
        let seen = ask_anew(&desk, &layer).await;
        if accepted {
            assert_served(&seen);
        } else {
            assert_unavailable(&seen);
        }
        assert!(
            began.elapsed() < Duration::from_secs(4),
            "at the limit, not at the deadline"
        );
    }
}

#[tokio::test]
async fn a48_redirects_are_not_followed() {
    let desk = Desk::new();
    let elsewhere = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    for status in [300, 301, 302, 303, 307, 308] {
        let there = Endpoint::Redirecting(status, elsewhere.keys_url());
        let server = KeyServer::serving(there).await;
        assert_unavailable(&ask_anew(&desk, &layer(&desk, &server)).await);
        assert_eq!(server.count(), 1);
    }
    assert_eq!(elsewhere.count(), 0);
}

/// Every fault once before there are keys, and once after: it is never a bad token, and keys that
/// are there stay.
#[tokio::test]
async fn a49_a58_a_faulty_answer_is_no_key_set_and_ends_none() {
    let desk = Desk::new();
    let good = desk.issuer.jwks();
    let html = "<!doctype html><title>502</title>";
    let foreign = json!({ "keys": [{ "kty": "oct", "kid": "rsa-1", "k": "c2VjcmV0" }] });
    let many: Vec<Value> = keys_in(&good).into_iter().cycle().take(101).collect();
    for endpoint in [
        Endpoint::Failing(500, String::new()),
        Endpoint::Failing(404, good.clone()),
        Endpoint::Failing(429, good.clone()),
        Endpoint::Failing(206, good.clone()),
        Endpoint::Healthy(html.into()),
        Endpoint::Healthy(String::new()),
        Endpoint::Healthy("{}".into()),
        Endpoint::Healthy(r#"{"keys":null}"#.into()),
        Endpoint::Healthy(r#"{"keys":[]}"#.into()),
        Endpoint::Healthy(good.replacen("{\"keys\":", "{\"keys\":[],\"keys\":", 1)),
        Endpoint::Healthy(format!("[{good}]")),
        Endpoint::Healthy(good[..good.len() - 1].into()),
        Endpoint::Healthy(foreign.to_string()),
        Endpoint::Healthy(set_of(&many)),
        Endpoint::Compressed("\u{1f}\u{8b}".into()),
        Endpoint::Closing,
        Endpoint::Babbling,
    ] {
        let server = KeyServer::serving(endpoint.clone()).await;
        let layer = layer(&desk, &server);
        assert_unavailable(&ask_anew(&desk, &layer).await);

        server.now(Endpoint::Healthy(good.clone()));
        assert_unavailable(&ask_anew(&desk, &layer).await);
        desk.clock.advance(COOL_DOWN);
        assert_served(&ask_anew(&desk, &layer).await);

        server.now(endpoint.clone());
        desk.clock.advance(COOL_DOWN);
        assert_unavailable(&ask_unknown(&desk, &layer, "unknown").await);
        assert_served(&ask_anew(&desk, &layer).await);
        assert_eq!(server.count(), 3, "{endpoint:?}");
    }
}

#[tokio::test]
async fn a57_a_set_of_a_hundred_keys_is_not_too_many() {
    let desk = Desk::new();
    let good = keys_in(&desk.issuer.jwks());
    let hundred: Vec<Value> = good.into_iter().cycle().take(100).collect();
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&hundred))).await;
    assert_served(&ask_anew(&desk, &layer(&desk, &server)).await);
}

#[tokio::test]
async fn a55_a56_bad_keys_of_a_set_take_no_good_one_with_them() {
    let desk = Desk::new();
    let mut keys = keys_in(&desk.issuer.jwks());
    let rsa = keys[0].clone();
    let with = |change: Value| {
        let mut key = rsa.clone();
        for (name, value) in change.as_object().unwrap() {
            key[name] = value.clone();
        }
        key
    };
    for (at, bad) in [
        with(json!({ "kid": 5 })),
        with(json!({ "kid": "a", "x5c": 5, "n": null })),
        with(json!({ "kid": "b", "kty": "AKP", "alg": "ML-DSA-44" })),
        with(json!({ "kid": "c", "n": "AQAB" })),
        json!(null),
        json!("rsa-1"),
        json!({}),
        json!({ "kty": "EC", "crv": "secp256k1", "kid": "d", "x": "AA", "y": "AA" }),
    ]
    .into_iter()
    .enumerate()
    {
        keys.insert(at * 2 % keys.len(), bad);
    }
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&keys))).await;
    let layer = layer(&desk, &server);
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let token = token(&desk).algorithm(algorithm).sign();
        assert_served(&ask(&layer, &token).await);
    }
    assert_eq!(server.count(), 1);
}

const DISCOVERY: &str = "/.well-known/openid-configuration";

fn discovery(issuer: &str, jwks_uri: &str) -> String {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
}

/// A layer that has to find the keys first, and who signs for it.
fn discovering(desk: &Desk, server: &KeyServer) -> (ImpersonationLayer, TestIssuer) {
    let issuer = TestIssuer::offline(server.url()).with_clock(desk.clock.clone());
    let accepted = Issuer::oidc(server.url()).audiences([AUDIENCE]);
    let accepted = accepted.insecure_loopback_http();
    (desk.bare().issuer(accepted).build().unwrap(), issuer)
}

fn by(issuer: &TestIssuer) -> String {
    issuer.token("carol").audience(AUDIENCE).sign()
}

#[tokio::test]
async fn a_discovery_document_must_be_of_the_issuer_and_name_a_sound_url() {
    let desk = Desk::new();
    let server = KeyServer::start().await;
    let (layer, issuer) = discovering(&desk, &server);
    server.now(Endpoint::Healthy(issuer.jwks()));
    let (us, keys) = (server.url(), server.keys_url());
    let port = us.rsplit_once(':').unwrap().1;
    let mut expected = 0;
    for bad in [
        discovery("https://issuer.example.com", &keys),
        discovery(&format!("{us}/"), &keys),
        discovery(us, &format!("http://user:secret@127.0.0.1:{port}/keys")),
        discovery(us, &format!("http://[::ffff:127.0.0.1]:{port}/keys")),
        discovery(us, "file:///etc/passwd"),
        discovery(us, "/keys"),
        json!({ "issuer": us }).to_string(),
        json!({ "jwks_uri": keys }).to_string(),
        issuer.jwks(),
        String::new(),
    ] {
        server.at(DISCOVERY, Endpoint::Healthy(bad.clone()));
        desk.clock.advance(COOL_DOWN);
        assert_unavailable(&ask(&layer, &by(&issuer)).await);
        expected += 1;
        assert_eq!(server.count(), expected, "keys were asked for: {bad}");
    }
    server.at(DISCOVERY, Endpoint::Healthy(discovery(us, &keys)));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &by(&issuer)).await);
    assert_eq!(server.count(), expected + 2);
}

#[tokio::test]
async fn a52_a_flood_of_unknown_kids_is_one_refresh_per_cool_down() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let layer = layer(&desk, &server);
    assert_served(&ask_anew(&desk, &layer).await);
    for round in 1..=3 {
        for n in 0..100 {
            let seen = ask_unknown(&desk, &layer, &format!("unknown-{round}-{n}")).await;
            seen.assert_refused(401);
            assert_eq!(seen.body["error"], "invalid_token");
            assert_served(&ask_anew(&desk, &layer).await);
        }
        assert_eq!(server.count(), round);
        desk.clock.advance(COOL_DOWN);
    }
}

#[tokio::test]
async fn a52_a53_who_needs_keys_at_once_waits_for_one_refresh() {
    let desk = Arc::new(Desk::new());
    let gate = Arc::new(Semaphore::new(0));
    let gated = Endpoint::Gated(desk.issuer.jwks(), Arc::clone(&gate));
    let server = KeyServer::serving(gated).await;
    let layer = layer(&desk, &server);
    let waiting: Vec<_> = (0..200)
        .map(|n| {
            let (desk, layer) = (Arc::clone(&desk), layer.clone());
            tokio::spawn(async move {
                if n % 2 == 0 {
                    assert_served(&ask_anew(&desk, &layer).await);
                } else {
                    let kid = format!("unknown-{n}");
                    ask_unknown(&desk, &layer, &kid).await.assert_refused(401);
                }
            })
        })
        .collect();
    server.wait_for(1).await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(waiting.iter().all(|task| !task.is_finished()));
    gate.add_permits(1);
    for task in waiting {
        task.await.unwrap();
    }
    assert_eq!(server.count(), 1);
}

#[tokio::test]
async fn a62_a_client_that_leaves_during_a_refresh_takes_nothing_with_it() {
    let desk = Desk::new();
    let gate = Arc::new(Semaphore::new(0));
    let gated = Endpoint::Gated(desk.issuer.jwks(), Arc::clone(&gate));
    let server = KeyServer::serving(gated).await;
    let layer = layer(&desk, &server);
    for _ in 0..3 {
        let leaving = ask_anew(&desk, &layer);
        let left = tokio::time::timeout(Duration::from_millis(50), leaving).await;
        assert!(left.is_err(), "it waited");
    }
    server.wait_for(1).await;
    gate.add_permits(1);
    assert_served(&ask_anew(&desk, &layer).await);
    assert_eq!(server.count(), 1);
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
        assert_served(&ask(&layer, &cached).await);
        assert_served(&ask_anew(&desk, &layer).await);
        server.wait_for(before + 1).await;
    }
    desk.clock.advance(second);
    assert_unavailable(&ask(&layer, &cached).await);
    assert_unavailable(&ask_anew(&desk, &layer).await);

    server.now(Endpoint::Healthy(desk.issuer.jwks()));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &cached).await);
    assert_served(&ask_anew(&desk, &layer).await);
}

#[tokio::test]
async fn a51_a_rotated_key_is_taken_up_and_a_dropped_one_is_gone() {
    let desk = Desk::new();
    let old_keys = keys_in(&desk.issuer.jwks());
    let server = KeyServer::serving(Endpoint::Healthy(set_of(&old_keys))).await;
    let layer = layer(&desk, &server);
    let (old, old_and_new_here) = (token(&desk).sign(), token(&desk).sign());
    assert_served(&ask(&layer, &old).await);

    desk.issuer.rotate();
    let new_keys = keys_in(&desk.issuer.jwks());
    let both = [new_keys.clone(), old_keys].concat();
    server.now(Endpoint::Healthy(set_of(&both)));
    let new = token(&desk).sign();
    ask(&layer, &new).await.assert_refused(401);
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &new).await);
    assert_served(&ask(&layer, &old).await);
    assert_eq!(server.count(), 2);

    server.now(Endpoint::Healthy(set_of(&new_keys)));
    desk.clock.advance(COOL_DOWN);
    ask_unknown(&desk, &layer, "unknown")
        .await
        .assert_refused(401);
    ask(&layer, &old).await.assert_refused(401);
    ask(&layer, &old_and_new_here).await.assert_refused(401);
    assert_served(&ask(&layer, &new).await);
    assert_eq!(server.count(), 3);
}

#[tokio::test]
async fn a20_no_url_and_no_key_of_a_token_is_looked_at() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let attacker = TestIssuer::offline(ISSUER).with_clock(desk.clock.clone());
    let canary = KeyServer::serving(Endpoint::Healthy(attacker.jwks())).await;
    let layer = layer(&desk, &server);
    for (member, value) in [
        ("jku", json!(canary.keys_url())),
        ("x5u", json!(canary.keys_url())),
        ("jwk", keys_in(&attacker.jwks())[0].clone()),
    ] {
        let token = attacker.token("carol").audience(AUDIENCE);
        let token = token.header(member, value).sign();
        ask(&layer, &token).await.assert_refused(401);
    }
    assert_eq!(canary.count(), 0);
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

#[test]
fn a60_urls_that_keys_may_not_be_fetched_from_are_refused_when_the_layer_is_built() {
    let jwks = |url: &str| Issuer::jwks(ISSUER, url).audiences([AUDIENCE]);
    let oidc = |url: &str| Issuer::oidc(url).audiences([AUDIENCE]);
    let cognito = |url: &str| {
        let pool = Issuer::cognito("eu-west-1", "eu-west-1_Ab12Cd34E");
        pool.client_ids(["app"]).jwks_url(url)
    };
    for issuer in [
        jwks("http://127.0.0.1:9/keys"),
        oidc("http://127.0.0.1:9"),
        cognito("http://localhost:9/keys"),
        jwks("http://issuer.example.com/keys").insecure_loopback_http(),
        oidc("http://issuer.example.com").insecure_loopback_http(),
        jwks("http://127.0.0.1.example.com/keys").insecure_loopback_http(),
        jwks("https://user:secret@issuer.example.com/keys"),
        jwks("http://user:secret@127.0.0.1:9/keys").insecure_loopback_http(),
        cognito("https://user@issuer.example.com/keys"),
        jwks("file:///etc/passwd").insecure_loopback_http(),
        jwks("issuer.example.com/keys"),
    ] {
        let built = ImpersonationLayer::builder().issuer(issuer.clone()).build();
        let Err(ConfigError::Token(AuthenticatorError::Issuer(error))) = built else {
            panic!("{issuer:?}: {built:?}");
        };
        assert_eq!(error.kind(), IssuerErrorKind::Url);
        assert!(!format!("{error} {error:?} {issuer:?}").contains("secret"));
    }
    let fine = [
        jwks("https://issuer.example.com/keys"),
        jwks("http://127.0.0.1:9/keys").insecure_loopback_http(),
        oidc("http://[::1]:9").insecure_loopback_http(),
    ];
    for issuer in fine {
        assert!(ImpersonationLayer::builder().issuer(issuer).build().is_ok());
    }
}
