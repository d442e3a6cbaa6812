use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Uri;
use serde_json::json;

use super::*;
use crate::answer::Answer;
use crate::token::authenticator::Authenticator;
use crate::token::claims::Claims;
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::fetch::{FetchError, FetchKeys, FetchLimits, Fetched};
use crate::token::fixture::{self, ISS, Signer, StoppedClock, at_once, claims, kind, now, set};
use crate::token::issuer::Issuer;
use crate::token::verified::Verified;

/// An endpoint that answers as the test says, and counts.
#[derive(Clone)]
struct Endpoint(Arc<State>);

struct State {
    requests: AtomicUsize,
    behaviour: Mutex<Behaviour>,
}

#[derive(Clone)]
enum Behaviour {
    Keys(String, Option<Duration>),
    Status(u16),
    Silence,
    Panic,
}

impl Endpoint {
    fn new(keys: impl Into<String>) -> Self {
        let behaviour = Mutex::new(Behaviour::Keys(keys.into(), None));
        let requests = AtomicUsize::new(0);
        Self(Arc::new(State {
            requests,
            behaviour,
        }))
    }

    fn now(&self, behaviour: Behaviour) {
        *self.0.behaviour.lock().expect("not poisoned") = behaviour;
    }

    fn serves(&self, signers: &[&Signer]) {
        self.now(Behaviour::Keys(set(signers), None));
    }

    fn requests(&self) -> usize {
        self.0.requests.load(Ordering::SeqCst)
    }

    fn fetcher(&self) -> Arc<dyn FetchKeys> {
        let state = Arc::clone(&self.0);
        Arc::new(
            move |_: &Uri, _: &FetchLimits| -> Answer<Result<Fetched, FetchError>> {
                state.requests.fetch_add(1, Ordering::SeqCst);
                let behaviour = state.behaviour.lock().expect("not poisoned").clone();
                match behaviour {
                    Behaviour::Keys(keys, max_age) => {
                        let mut fetched = Fetched::new(keys);
                        fetched.max_age = max_age;
                        Answer::later(async move {
                            tokio::task::yield_now().await;
                            Ok(fetched)
                        })
                    }
                    Behaviour::Status(status) => Answer::now(Err(FetchError::status(status))),
                    Behaviour::Silence => Answer::later(pending()),
                    Behaviour::Panic => panic!("a fetcher with a bug"),
                }
            },
        )
    }

    fn authenticator(&self, clock: &StoppedClock) -> Authenticator {
        Authenticator::builder()
            .issuer(Issuer::jwks(ISS, "https://issuer.example.com/keys").audiences(["api"]))
            .clock(Arc::new(clock.clone()))
            .fetch(self.fetcher())
            .build()
            .expect("a good configuration")
    }
}

async fn ask(authenticator: &Authenticator, token: &str) -> Result<Verified<Claims>, TokenError> {
    authenticator.authenticate(token, now()).await
}

/// Lets what runs in the background run.
async fn settle() {
    for _ in 0..20 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a52_one_fetch_for_all_who_wait() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let authenticator = endpoint.authenticator(&StoppedClock::new());
    let token = signer.token(&claims());
    let waiting: Vec<_> = (0..50)
        .map(|_| authenticator.authenticate(&token, now()))
        .collect();
    for answer in waiting {
        assert!(answer.await.is_ok());
    }
    assert_eq!(endpoint.requests(), 1);
    assert!(
        at_once(&authenticator, &token, now()).is_ok(),
        "no waiting any more"
    );
}

#[tokio::test]
async fn a62_a_client_that_leaves_takes_nothing_with_it() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let authenticator = endpoint.authenticator(&StoppedClock::new());
    let token = signer.token(&claims());
    drop(authenticator.authenticate(&token, now()));
    settle().await;
    assert!(at_once(&authenticator, &token, now()).is_ok());
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn a62_a_panicking_fetcher_leaves_the_source_usable() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new("");
    endpoint.now(Behaviour::Panic);
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    let token = signer.token(&claims());
    assert_eq!(
        kind(ask(&authenticator, &token).await),
        Some(TokenErrorKind::KeysUnavailable)
    );
    endpoint.serves(&[&signer]);
    clock.advance(10);
    assert!(ask(&authenticator, &token).await.is_ok());
}

#[tokio::test]
async fn a31_an_unknown_issuer_costs_no_fetch() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let authenticator = endpoint.authenticator(&StoppedClock::new());
    for token in [
        signer.token(&fixture::claims_with(
            &json!({ "iss": "https://evil.example" }),
        )),
        signer.sign(&json!({ "alg": "none", "kid": "k" }), &claims()),
        signer.sign(
            &json!({ "alg": "EdDSA", "kid": "k", "crit": [] }),
            &claims(),
        ),
        signer.sign(&json!({ "alg": "EdDSA" }), &claims()),
        "a.b".to_owned(),
    ] {
        assert!(at_once(&authenticator, &token, now()).is_err());
    }
    settle().await;
    assert_eq!(endpoint.requests(), 0);
}

#[tokio::test]
async fn a51_a65_rotation() {
    let (old, new) = (Signer::new("old"), Signer::new("new"));
    let endpoint = Endpoint::new(old.set());
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    let (old_token, new_token) = (old.token(&claims()), new.token(&claims()));
    assert!(ask(&authenticator, &old_token).await.is_ok());
    endpoint.serves(&[&new]);
    let early = kind(ask(&authenticator, &new_token).await);
    assert_eq!(
        early,
        Some(TokenErrorKind::UnknownKey),
        "a good refresh was just now"
    );
    clock.advance(10);
    assert!(ask(&authenticator, &new_token).await.is_ok());
    assert_eq!(endpoint.requests(), 2);
    let cached = kind(ask(&authenticator, &old_token).await);
    assert_eq!(
        cached,
        Some(TokenErrorKind::UnknownKey),
        "its key has left the set"
    );
}

#[tokio::test]
async fn a59_a_key_that_changes_under_its_kid() {
    let (old, new) = (Signer::new("k"), Signer::new("k"));
    let endpoint = Endpoint::new(old.set());
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    let token = old.token(&claims());
    assert!(ask(&authenticator, &token).await.is_ok());
    endpoint.serves(&[&new]);
    clock.advance(901);
    assert!(
        at_once(&authenticator, &token, now()).is_ok(),
        "renewed in the background"
    );
    settle().await;
    assert_eq!(
        kind(ask(&authenticator, &token).await),
        Some(TokenErrorKind::Signature)
    );
}

#[tokio::test]
async fn a52_unknown_kids_in_the_cool_down() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    assert!(ask(&authenticator, &signer.token(&claims())).await.is_ok());
    let flood = |n: usize| {
        signer.sign(
            &json!({ "alg": "EdDSA", "kid": format!("x{n}") }),
            &claims(),
        )
    };
    for n in 0..100 {
        let refused = kind(at_once(&authenticator, &flood(n), now()));
        assert_eq!(refused, Some(TokenErrorKind::UnknownKey));
    }
    assert_eq!(endpoint.requests(), 1);
    clock.advance(10);
    endpoint.now(Behaviour::Status(500));
    assert_eq!(
        kind(ask(&authenticator, &flood(0)).await),
        Some(TokenErrorKind::KeysUnavailable)
    );
    clock.advance(4);
    let error = at_once(&authenticator, &flood(1), now()).expect_err("no such key");
    assert_eq!(error.kind(), TokenErrorKind::KeysUnavailable);
    assert_eq!(error.retry_after(), Some(Duration::from_secs(6)));
    let sources = std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
        error.source()
    });
    assert_eq!(
        sources.last().map(ToString::to_string).as_deref(),
        Some("answered with status 500")
    );
    let known = signer.token(&fixture::claims_with(&json!({ "jti": "another" })));
    assert!(
        at_once(&authenticator, &known, now()).is_ok(),
        "known kids keep flowing"
    );
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn a49_a68_an_outage_is_never_an_invalid_token() {
    let signer = Signer::new("k");
    let clock = StoppedClock::new();
    let token = signer.token(&claims());
    for broken in [
        Behaviour::Status(500),
        Behaviour::Status(404),
        Behaviour::Panic,
        Behaviour::Keys("<html>".into(), None),
        Behaviour::Keys("{\"keys\":[]}".into(), None),
        Behaviour::Keys(signer.set() + &" ".repeat(256 * 1024), None),
    ] {
        let endpoint = Endpoint::new("");
        endpoint.now(broken);
        let authenticator = endpoint.authenticator(&clock);
        assert_eq!(
            kind(ask(&authenticator, &token).await),
            Some(TokenErrorKind::KeysUnavailable)
        );
        endpoint.serves(&[&signer]);
        clock.advance(10);
        assert!(ask(&authenticator, &token).await.is_ok());
    }
}

#[tokio::test]
async fn old_keys_serve_while_they_are_renewed_and_end_after_a_day() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    let token = signer.token(&claims());
    assert!(ask(&authenticator, &token).await.is_ok());
    clock.advance(899);
    assert!(at_once(&authenticator, &token, now()).is_ok());
    settle().await;
    assert_eq!(endpoint.requests(), 1, "not due");
    endpoint.now(Behaviour::Status(503));
    clock.advance(1);
    for _ in 0..3 {
        assert!(
            at_once(&authenticator, &token, now()).is_ok(),
            "a cached token asks for the renewal, too"
        );
        settle().await;
    }
    assert_eq!(endpoint.requests(), 2, "once in ten seconds");
    clock.advance(24 * 60 * 60 - 901);
    assert!(
        at_once(&authenticator, &token, now()).is_ok(),
        "one second before the end"
    );
    settle().await;
    clock.advance(1);
    assert_eq!(
        kind(ask(&authenticator, &token).await),
        Some(TokenErrorKind::KeysUnavailable)
    );
    endpoint.serves(&[&signer]);
    clock.advance(10);
    assert!(ask(&authenticator, &token).await.is_ok());
}

#[tokio::test]
async fn a50_max_age_is_clamped() {
    for (max_age, due) in [(0, 60), (120, 120), (10 * 365 * 86_400, 12 * 60 * 60)] {
        let signer = Signer::new("k");
        let endpoint = Endpoint::new("");
        endpoint.now(Behaviour::Keys(
            signer.set(),
            Some(Duration::from_secs(max_age)),
        ));
        let clock = StoppedClock::new();
        let authenticator = endpoint.authenticator(&clock);
        let token = signer.token(&claims());
        assert!(ask(&authenticator, &token).await.is_ok());
        for (step, requests) in [(due - 1, 1), (1, 2)] {
            clock.advance(step);
            assert!(at_once(&authenticator, &token, now()).is_ok());
            settle().await;
            assert_eq!(endpoint.requests(), requests, "{max_age}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a46_a53_a_silent_endpoint() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new("");
    endpoint.now(Behaviour::Silence);
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    let token = signer.token(&claims());
    let waiting: Vec<_> = (0..remote::MAX_WAITERS)
        .map(|_| authenticator.authenticate(&token, now()))
        .collect();
    let one_too_many = kind(at_once(&authenticator, &token, now()));
    assert_eq!(one_too_many, Some(TokenErrorKind::KeysUnavailable));
    let started = tokio::time::Instant::now();
    for answer in waiting {
        assert_eq!(kind(answer.await), Some(TokenErrorKind::KeysUnavailable));
    }
    assert_eq!(started.elapsed().as_secs(), 5);
    assert_eq!(endpoint.requests(), 1);
}

#[tokio::test]
async fn discovery_must_be_of_the_issuer() {
    let signer = Signer::new("k");
    let jwks = signer.set();
    for (issuer, jwks_uri, good) in [
        (ISS, "https://keys.example/jwks", true),
        (
            "https://issuer.example.com/",
            "https://keys.example/jwks",
            false,
        ),
        (ISS, "http://keys.example/jwks", false),
        (ISS, "http://127.0.0.1/jwks", false),
        (ISS, "file:///jwks", false),
    ] {
        let document = json!({ "issuer": issuer, "jwks_uri": jwks_uri }).to_string();
        let jwks = jwks.clone();
        let fetch = move |url: &Uri, _: &FetchLimits| {
            let found = match url.to_string().as_str() {
                "https://issuer.example.com/.well-known/openid-configuration" => {
                    Ok(document.clone())
                }
                "https://keys.example/jwks" => Ok(jwks.clone()),
                _ => Err(FetchError::status(404)),
            };
            Answer::now(found.map(Fetched::new))
        };
        let authenticator = Authenticator::builder()
            .issuer(Issuer::oidc(ISS).audiences(["api"]))
            .fetch(Arc::new(fetch))
            .build()
            .expect("a good configuration");
        let accepted = ask(&authenticator, &signer.token(&claims())).await.is_ok();
        assert_eq!(accepted, good, "{issuer} {jwks_uri}");
        assert_eq!(authenticator.connect().await.is_ok(), good);
    }
}

#[tokio::test]
async fn connecting() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let authenticator = endpoint.authenticator(&StoppedClock::new());
    assert!(authenticator.connect().await.is_ok());
    assert!(at_once(&authenticator, &signer.token(&claims()), now()).is_ok());
    endpoint.now(Behaviour::Status(404));
    let error = authenticator
        .connect()
        .await
        .expect_err("in spite of the cool-down");
    assert_eq!(error.issuer(), ISS);
    assert_eq!(endpoint.requests(), 2);
}

#[tokio::test]
async fn one_form_of_a_cognito_issuer_is_enough_to_connect() {
    let served = |host: &'static str| {
        let keys = json!({ "keys": [] }).to_string();
        let fetch = move |url: &Uri, _: &FetchLimits| {
            let found = url.host().is_some_and(|found| found.starts_with(host));
            let body = format!("{{\"keys\":[{RSA}]}}");
            Answer::now(if found {
                Ok(Fetched::new(body))
            } else {
                Ok(Fetched::new(keys.clone()))
            })
        };
        Authenticator::builder()
            .issuer(Issuer::cognito("eu-west-1", "eu-west-1_A").client_ids(["app"]))
            .fetch(Arc::new(fetch))
            .build()
            .expect("a good configuration")
    };
    assert!(served("cognito-idp.").connect().await.is_ok());
    assert!(served("issuer-cognito-idp.").connect().await.is_ok());
    assert!(served("elsewhere").connect().await.is_err());
}

#[test]
fn outside_of_a_runtime_keys_are_unavailable() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let authenticator = endpoint.authenticator(&StoppedClock::new());
    let refused = kind(at_once(&authenticator, &signer.token(&claims()), now()));
    assert_eq!(refused, Some(TokenErrorKind::KeysUnavailable));
}

#[test]
fn a_runtime_that_ends_leaves_the_source_usable() {
    let signer = Signer::new("k");
    let endpoint = Endpoint::new(signer.set());
    let clock = StoppedClock::new();
    let authenticator = endpoint.authenticator(&clock);
    let token = signer.token(&claims());
    let runtime = || {
        tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime")
    };
    let first = runtime();
    let waiting = {
        let _entered = first.enter();
        authenticator.authenticate(&token, now())
    };
    drop(first);
    let second = runtime();
    assert_eq!(
        kind(second.block_on(waiting)),
        Some(TokenErrorKind::KeysUnavailable)
    );
    clock.advance(10);
    assert!(second.block_on(ask(&authenticator, &token)).is_ok());
}

/// RFC 7515, appendix A.2.
const RSA: &str = r#"{"kty":"RSA","kid":"r","e":"AQAB","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ"}"#;
