//! Many at once who need keys, and some who leave: one fetch for all, and those whose key is known go
//! on. How long that takes is measured by `benches/flood.rs`.

#![cfg(feature = "jwks")]

#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Uri;
use key_server::{Endpoint, KeyServer};
use keys::*;
use support::{AUDIENCE, Desk, ISSUER};
use tokio::sync::Semaphore;
use tower_impersonate::answer::Answer;
use tower_impersonate::token::{Algorithm, FetchError, FetchLimits, Fetched};
use tower_impersonate::{ImpersonationLayer, Issuer};

/// So many may wait for a refresh.
const WAITERS: usize = 1024;
const FLOOD: usize = 10_000;

/// A layer whose keys are known, with a token that it knows, and an endpoint that answers no more
/// until the gate is opened.
async fn slow(desk: &Desk) -> (KeyServer, ImpersonationLayer, String, Arc<Semaphore>) {
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let layer = layer(desk, &server);
    let cached = token(desk).sign();
    assert_served(&ask(&layer, &cached).await);
    let gate = close(desk, &server);
    desk.clock.advance(COOL_DOWN);
    (server, layer, cached, gate)
}

fn close(desk: &Desk, server: &KeyServer) -> Arc<Semaphore> {
    let gate = Arc::new(Semaphore::new(0));
    let gated = Endpoint::Gated(desk.issuer.jwks(), Arc::clone(&gate));
    server.now(gated);
    gate
}

/// A token of a key that nobody has; quick to sign.
fn unknown(desk: &Desk, n: usize) -> String {
    let token = token(desk).header("kid", format!("unknown-{n}"));
    token.algorithm(Algorithm::EdDSA).sign()
}

#[tokio::test]
async fn a52_a_flood_of_unknown_kids_is_one_refresh_per_cool_down() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let layer = layer(&desk, &server);
    let cached = token(&desk).sign();
    assert_served(&ask(&layer, &cached).await);
    for round in 1..=3 {
        for n in 0..100 {
            assert_unknown(&ask(&layer, &unknown(&desk, n)).await);
            assert_known_flow(&desk, &layer, &cached).await;
        }
        assert_eq!(server.count(), round);
        desk.clock.advance(COOL_DOWN);
    }
}

#[tokio::test]
async fn a52_who_needs_keys_at_once_waits_for_one_refresh() {
    let desk = Desk::new();
    let server = KeyServer::start().await;
    let gate = close(&desk, &server);
    let layer = layer(&desk, &server);
    let tokens: Vec<_> = (0..200)
        .map(|n| match n % 2 {
            0 => token(&desk).sign(),
            _ => unknown(&desk, n),
        })
        .collect();
    let mut waiting: Vec<_> = tokens
        .iter()
        .map(|token| Box::pin(ask(&layer, token)))
        .collect();
    for request in &mut waiting {
        assert!(so_far(request).is_none(), "it waits");
    }
    server.wait_for(1).await;
    gate.add_permits(1);
    for (n, request) in waiting.into_iter().enumerate() {
        match n % 2 {
            0 => assert_served(&request.await),
            _ => assert_unknown(&request.await),
        }
    }
    assert_eq!(server.count(), 1);
}

/// Ten thousand of them, within one cool-down: as many as may wait do, the others are told at once,
/// and nobody asks the endpoint a second time.
#[tokio::test]
async fn a53_a_flood_at_a_slow_endpoint_is_one_fetch_and_a_bounded_queue() {
    let desk = Desk::new();
    let (server, layer, cached, gate) = slow(&desk).await;
    let mut waiting = Vec::new();
    for n in 0..FLOOD {
        let (asked, token) = (layer.clone(), unknown(&desk, n));
        let mut request = Box::pin(async move { ask(&asked, &token).await });
        match so_far(&mut request) {
            None => waiting.push(request),
            Some(seen) => assert_unavailable(&seen),
        }
        assert_eq!(waiting.len(), WAITERS.min(n + 1));
        if n % 100 == 0 {
            assert_known_flow(&desk, &layer, &cached).await;
        }
    }
    server.wait_for(2).await;
    gate.add_permits(1);
    for request in waiting {
        assert_unknown(&request.await);
    }
    // A good set has just come: who asks now is told that there is no such key.
    for n in 0..100 {
        assert_unknown(&ask(&layer, &unknown(&desk, n)).await);
    }
    assert_known_flow(&desk, &layer, &cached).await;
    assert_eq!(server.count(), 2);
}

/// The same when the endpoint does not mend: the next attempt is not before the cool-down is over.
#[tokio::test]
async fn a53_a_flood_at_an_endpoint_that_fails_is_one_fetch_per_cool_down() {
    let desk = Desk::new();
    let (server, layer, cached, _) = slow(&desk).await;
    server.now(Endpoint::Failing(503, String::new()));
    for round in 2..=4 {
        for n in 0..FLOOD / 10 {
            let seen = ask(&layer, &unknown(&desk, n)).await;
            assert_unavailable_for(&seen, "answered with status 503");
            if n % 100 == 0 {
                assert_known_flow(&desk, &layer, &cached).await;
            }
        }
        assert_eq!(server.count(), round);
        desk.clock.advance(COOL_DOWN);
    }
}

/// A place in the queue is free again when the one who waited there has left.
#[tokio::test]
async fn a53_who_leaves_the_queue_makes_room() {
    let desk = Desk::new();
    let (server, layer, cached, gate) = slow(&desk).await;
    let tokens: Vec<_> = (0..=WAITERS).map(|n| unknown(&desk, n)).collect();
    let mut waiting: Vec<_> = tokens
        .iter()
        .map(|token| Box::pin(ask(&layer, token)))
        .collect();
    let states: Vec<_> = waiting.iter_mut().map(so_far).collect();
    assert!(states[..WAITERS].iter().all(Option::is_none));
    assert_unavailable(states[WAITERS].as_ref().expect("no room"));

    waiting.truncate(WAITERS / 2);
    let mut late: Vec<_> = (tokens[WAITERS / 2..WAITERS].iter())
        .map(|token| Box::pin(ask(&layer, token)))
        .collect();
    assert!(late.iter_mut().all(|request| so_far(request).is_none()));
    assert_known_flow(&desk, &layer, &cached).await;
    server.wait_for(2).await;
    gate.add_permits(1);
    for request in waiting.into_iter().chain(late) {
        assert_unknown(&request.await);
    }
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a62_clients_that_leave_during_a_refresh_take_nothing_with_them() {
    let desk = Desk::new();
    let server = KeyServer::start().await;
    let gate = close(&desk, &server);
    let layer = layer(&desk, &server);
    for _ in 0..3 {
        let token = token(&desk).sign();
        let mut leaving = Box::pin(ask(&layer, &token));
        assert!(so_far(&mut leaving).is_none(), "it waits");
    }
    // The one for whom the fetch was begun has left, and it goes on.
    server.wait_for(1).await;
    gate.add_permits(1);
    let cached = token(&desk).sign();
    assert_served(&ask(&layer, &cached).await);
    assert_eq!(server.count(), 1);

    let gate = close(&desk, &server);
    desk.clock.advance(COOL_DOWN);
    for n in 0..100 {
        let token = unknown(&desk, n);
        let mut leaving = Box::pin(ask(&layer, &token));
        assert!(so_far(&mut leaving).is_none(), "it waits");
        drop(leaving);
        assert_known_flow(&desk, &layer, &cached).await;
    }
    server.wait_for(2).await;
    gate.add_permits(1);
    assert_unknown(&ask(&layer, &unknown(&desk, 0)).await);
    assert_known_flow(&desk, &layer, &cached).await;
    assert_eq!(server.count(), 2);
}

#[tokio::test]
async fn a62_a_fetch_that_panics_is_a_fetch_that_failed() {
    let desk = Desk::new();
    let fetches = Arc::new(AtomicUsize::new(0));
    let (count, keys) = (Arc::clone(&fetches), desk.issuer.jwks());
    let fetch = move |_: &Uri, _: &FetchLimits| -> Answer<Result<Fetched, FetchError>> {
        match count.fetch_add(1, Ordering::SeqCst) {
            0 | 2 => panic!("a fetcher with a fault"),
            3 => Answer::later(async { panic!("a fetcher with a fault, later") }),
            _ => Answer::now(Ok(Fetched::new(keys.clone()))),
        }
    };
    let issuer = Issuer::jwks(ISSUER, "https://issuer.example.com/keys").audiences([AUDIENCE]);
    let builder = desk.bare().issuer(issuer).fetch_keys(fetch);
    let layer = builder.build().unwrap();
    let died = "the fetch of keys ended without a result";

    let cached = token(&desk).sign();
    assert_unavailable_for(&ask(&layer, &cached).await, died);
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &cached).await);
    for fetched in [3, 4] {
        desk.clock.advance(COOL_DOWN);
        assert_unavailable_for(&ask(&layer, &unknown(&desk, 0)).await, died);
        assert_unavailable_for(&ask(&layer, &unknown(&desk, 1)).await, died);
        assert_known_flow(&desk, &layer, &cached).await;
        assert_eq!(fetches.load(Ordering::SeqCst), fetched);
    }
    desk.clock.advance(COOL_DOWN);
    assert_unknown(&ask(&layer, &unknown(&desk, 0)).await);
    assert_known_flow(&desk, &layer, &cached).await;
}
