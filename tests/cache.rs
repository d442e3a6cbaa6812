//! How long a verified token stays known: as long as its times and its key allow, whatever the clocks
//! and the endpoint of keys do; seen by requests through the whole layer.
//!
//! Not here: A-64, a token that is revoked by way of its grant; see `attacks_store`.

#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/known.rs"]
mod known;
#[path = "support/published.rs"]
mod published;
mod support;

use std::convert::Infallible;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use keys::*;
use known::{COST_OF_VERIFYING, cost, is_known, plain, quick};
use published::Published;
use serde_json::json;
use support::{Desk, get};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::time::{Clock, Timestamp};
use tower_impersonate::token::{Algorithm, CacheLimits};
use tower_impersonate::{Identity, Principal};

const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(60 * 60);

#[test]
fn what_a_request_costs_tells_whether_its_token_is_known() {
    let desk = Desk::new();
    let layer = plain(&desk);
    let without = desk.bare().issuer(desk.accepted());
    let without = without.token_cache(CacheLimits::new(0, 0)).build().unwrap();
    for _ in 0..10 {
        let token = quick(&desk).sign();
        assert!(cost(&layer, &token) > COST_OF_VERIFYING);
        assert_eq!(cost(&layer, &token), COST_OF_VERIFYING - 3);
        assert!(cost(&without, &token) >= COST_OF_VERIFYING);
        assert!(cost(&without, &token) >= COST_OF_VERIFYING);
    }
}

#[tokio::test]
async fn a63_a_known_token_expires() {
    let desk = Desk::new();
    let layer = plain(&desk);
    let token = token(&desk).expires_in(5 * MINUTE).sign();
    assert_served(&ask(&layer, &token).await);
    // A minute of leeway; the first moment that is too late is the end of it.
    desk.clock.advance(6 * MINUTE - Duration::from_secs(1));
    assert!(is_known(&layer, &token));
    assert_served(&ask(&layer, &token).await);
    desk.clock.advance(Duration::from_secs(1));
    for _ in 0..2 {
        assert_invalid(&ask(&layer, &token).await, "token has expired");
    }
    desk.assert_silent();
}

#[tokio::test]
async fn a65_what_a_removed_key_signed_is_no_longer_known() {
    let desk = Desk::new();
    let old = keys_in(&desk.issuer.jwks());
    let published = Published::new(set_of(&old));
    let layer = published.builder(&desk).build().unwrap();
    let by = |algorithm| token(&desk).algorithm(algorithm).sign();
    let (removed, stays) = (by(Algorithm::RS256), by(Algorithm::ES256));
    for token in [&removed, &stays] {
        assert_served(&ask(&layer, token).await);
        assert!(is_known(&layer, token));
    }

    published.now(Some(set_of(&old[1..])));
    desk.clock.advance(COOL_DOWN);
    assert_unknown(&ask_unknown(&desk, &layer, "unknown").await);
    assert_unknown(&ask(&layer, &removed).await);
    assert!(is_known(&layer, &stays), "its key is the same");

    // Back again it is another key: the token is verified anew, and was not forgiven meanwhile.
    published.now(Some(set_of(&old)));
    assert_unknown(&ask(&layer, &removed).await);
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &removed).await);
    assert_eq!(published.fetches(), 3);
    desk.assert_silent();
}

#[tokio::test]
async fn a68_an_outage_is_no_judgement_of_a_token() {
    let desk = Desk::new();
    let published = Published::new(desk.issuer.jwks());
    published.now(None);
    let layer = published.builder(&desk).build().unwrap();
    let token = token(&desk).sign();
    for _ in 0..3 {
        let seen = ask(&layer, &token).await;
        assert_unavailable_for(&seen, "answered with status 500");
    }
    assert_eq!(published.fetches(), 1);
    published.now(Some(desk.issuer.jwks()));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &token).await);
    assert!(is_known(&layer, &token));

    // The same for one that is known: it is not taken for bad while the keys are gone, nor after.
    let lasting = quick(&desk).expires_in(2 * DAY).sign();
    assert_served(&ask(&layer, &lasting).await);
    published.now(None);
    desk.clock.advance(DAY);
    assert_unavailable(&ask(&layer, &lasting).await);
    published.now(Some(desk.issuer.jwks()));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &lasting).await);
    desk.assert_silent();
}

#[tokio::test]
async fn a69_a_token_that_is_too_early_is_not_remembered_as_bad() {
    let desk = Desk::new();
    let layer = plain(&desk);
    let later = desk.clock.now().saturating_add(10 * MINUTE);
    let early = token(&desk).expires_in(HOUR);
    let early = early.claim("nbf", later.unix_seconds()).sign();
    for _ in 0..3 {
        assert_invalid(&ask(&layer, &early).await, "token is not valid yet");
    }
    // A minute of leeway.
    desk.clock.advance(9 * MINUTE - Duration::from_secs(1));
    assert_invalid(&ask(&layer, &early).await, "token is not valid yet");
    desk.clock.advance(Duration::from_secs(1));
    assert_served(&ask(&layer, &early).await);
    assert!(is_known(&layer, &early));
}

/// The wall clock judges the token, the monotonic one the keys: no jump of the one moves the other.
#[tokio::test]
async fn a70_a_clock_that_jumps_makes_no_token_older_than_it_may_get() {
    let desk = Desk::new();
    let published = Published::new(desk.issuer.jwks());
    let layer = published.builder(&desk).build().unwrap();
    let now = desk.clock.now();
    let token = token(&desk).expires_in(5 * MINUTE).sign();
    let lasting = quick(&desk).expires_in(2 * DAY).sign();
    assert_served(&ask(&layer, &token).await);
    assert_served(&ask(&layer, &lasting).await);

    // An hour back: it is from the future, and stays what it was when the clock is right again.
    desk.clock
        .set_wall(Timestamp::from_unix_seconds(now.unix_seconds() - 3600));
    assert_invalid(&ask(&layer, &token).await, "token is not valid yet");
    desk.clock.set_wall(now);
    assert_served(&ask(&layer, &token).await);
    // An hour ahead: too old; and its time is not longer for that when the clock is right again.
    desk.clock.set_wall(now.saturating_add(HOUR));
    assert_invalid(&ask(&layer, &token).await, "token has expired");
    desk.clock.set_wall(now);
    assert_served(&ask(&layer, &token).await);
    desk.clock.set_wall(now.saturating_add(6 * MINUTE));
    assert_invalid(&ask(&layer, &token).await, "token has expired");

    // Neither jump made the keys any older.
    desk.clock.set_wall(now.saturating_add(DAY + HOUR));
    assert_served(&ask(&layer, &lasting).await);
    assert_eq!(published.fetches(), 1);
    // And a wall clock that stands still does not keep them young.
    published.now(None);
    desk.clock.advance(DAY);
    desk.clock.set_wall(now);
    assert_unavailable(&ask(&layer, &lasting).await);
    assert_eq!(published.fetches(), 2);
    desk.assert_silent();
}

/// A handler may do with its principal what it likes: the next request gets what the token says.
#[tokio::test]
async fn a72_what_a_handler_makes_of_its_principal_stays_with_it() {
    let desk = Desk::new();
    let layer = plain(&desk);
    let token = token(&desk).claim("email", "carol@example.com").sign();
    let tampering = layer.layer(service_fn(|mut request: Request<Full<Bytes>>| {
        let mut changed = None;
        if let Some(principal) = request.extensions_mut().get_mut::<Principal>() {
            let identity = principal.identity().clone();
            let identity = identity.with_groups(["admins"]).with_username("Root");
            changed = Some(identity.with_attribute("email", "root@example.com"));
        }
        request.extensions_mut().remove::<Principal>();
        request.extensions_mut().insert::<Option<Identity>>(changed);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    for _ in 0..3 {
        let response = tampering.clone().oneshot(get(&token, &[])).await.unwrap();
        assert_eq!(response.status(), 200);
        let seen = ask(&layer, &token).await;
        assert_served(&seen);
        assert_eq!(seen.groups(), json!(["support"]));
        assert_eq!(seen.body["username"], "carol");
        assert_eq!(seen.body["email"], "carol@example.com");
        assert!(is_known(&layer, &token));
    }
}
