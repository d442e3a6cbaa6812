//! Requests whose keys have to be fetched, and what must come of them.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::convert::Infallible;
use std::error::Error;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::{ImpersonationLayer, Issuer};

use crate::key_server::KeyServer;
use crate::support::{AUDIENCE, Desk, ISSUER, Seen, get, send, tell};

pub const COOL_DOWN: Duration = Duration::from_secs(10);
pub const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Takes the tokens of the desk's issuer, with keys from `server`.
pub fn layer(desk: &Desk, server: &KeyServer) -> ImpersonationLayer {
    desk.bare().issuer(issuer(server)).build().unwrap()
}

pub fn issuer(server: &KeyServer) -> Issuer {
    Issuer::jwks(ISSUER, server.keys_url())
        .audiences([AUDIENCE])
        .insecure_loopback_http()
}

/// A token of another name each time, so that none is found in the cache.
pub fn token(desk: &Desk) -> TokenBuilder {
    desk.token("carol", &["support"])
}

/// Counts for itself whether its handler ran, because many ask at once here.
pub async fn ask(layer: &ImpersonationLayer, token: &str) -> Seen {
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
pub async fn ask_anew(desk: &Desk, layer: &ImpersonationLayer) -> Seen {
    ask(layer, &token(desk).sign()).await
}

/// A request with a key that nobody has.
pub async fn ask_unknown(desk: &Desk, layer: &ImpersonationLayer, kid: &str) -> Seen {
    ask(layer, &token(desk).header("kid", kid).sign()).await
}

#[track_caller]
pub fn assert_served(seen: &Seen) {
    seen.assert_ran_as("carol", None);
}

/// Whose key is known is served, be the token known or new, and the audit says nothing of it.
pub async fn assert_known_flow(desk: &Desk, layer: &ImpersonationLayer, cached: &str) {
    assert_served(&ask(layer, cached).await);
    assert_served(&ask_anew(desk, layer).await);
    desk.assert_silent();
}

/// The one answer to every bad token, for this cause.
#[track_caller]
pub fn assert_invalid(seen: &Seen, cause: &str) {
    let challenge = r#"Bearer realm="api", error="invalid_token""#;
    seen.assert_challenge(401, Some(challenge));
    assert_eq!(seen.kind(), RejectionKind::InvalidToken);
    assert_eq!(seen.cause(), cause);
    let body = json!({
        "type": "about:blank", "title": "the bearer token is not valid", "status": 401,
        "error": "invalid_token",
    });
    assert_eq!(seen.body, body);
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_eq!(seen.header("retry-after"), None);
}

#[track_caller]
pub fn assert_unknown(seen: &Seen) {
    assert_invalid(seen, "issuer has no such key");
}

/// It is not the token's fault, and the client is told when to come again.
#[track_caller]
pub fn assert_unavailable(seen: &Seen) {
    seen.assert_challenge(503, None);
    assert_eq!(seen.kind(), RejectionKind::KeysUnavailable);
    let after: u64 = seen.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&after), "{after}");
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    let body = json!({
        "type": "about:blank", "title": "the service is temporarily unavailable", "status": 503,
    });
    assert_eq!(seen.body, body);
}

/// The same, because of this.
#[track_caller]
pub fn assert_unavailable_for(seen: &Seen, reason: &str) {
    assert_unavailable(seen);
    let causes = causes(seen);
    assert!(causes.contains(reason), "{causes}, not {reason}");
}

/// The cause, and what caused that.
pub fn causes(seen: &Seen) -> String {
    let mut told = Vec::new();
    let mut next = seen.rejection.as_ref().and_then(Error::source);
    while let Some(error) = next {
        told.push(error.to_string());
        next = error.source();
    }
    told.join(": ")
}

/// The deadline of five seconds, and what a busy machine adds to it.
#[track_caller]
pub fn assert_deadline(began: Instant) {
    let waited = began.elapsed().as_secs_f64();
    assert!((4.5..7.0).contains(&waited), "{waited} s");
}

/// Runs a request as far as it goes without waiting; `None` when it waits.
pub fn so_far<T>(request: &mut Pin<Box<impl Future<Output = T>>>) -> Option<T> {
    let mut context = Context::from_waker(Waker::noop());
    match request.as_mut().poll(&mut context) {
        Poll::Ready(done) => Some(done),
        Poll::Pending => None,
    }
}

pub fn keys_in(set: &str) -> Vec<Value> {
    let set: Value = serde_json::from_str(set).unwrap();
    set["keys"].as_array().unwrap().clone()
}

pub fn set_of(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub const DISCOVERY: &str = "/.well-known/openid-configuration";

pub fn discovery(issuer: &str, jwks_uri: &str) -> String {
    json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string()
}

/// A layer that has to find the keys first, and who signs for it.
pub fn discovering(desk: &Desk, server: &KeyServer) -> (ImpersonationLayer, TestIssuer) {
    let issuer = TestIssuer::offline(server.url()).with_clock(desk.clock.clone());
    let accepted = Issuer::oidc(server.url()).audiences([AUDIENCE]);
    let accepted = accepted.insecure_loopback_http();
    (desk.bare().issuer(accepted).build().unwrap(), issuer)
}

pub fn by(issuer: &TestIssuer) -> String {
    issuer.token("carol").audience(AUDIENCE).sign()
}
