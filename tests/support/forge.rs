//! Tokens made by hand, byte by byte and soundly signed, and a trial of them before a layer that counts
//! how often it asks for keys.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::Uri;
use serde_json::{Value, json};
use tower_impersonate::answer::Answer;
use tower_impersonate::middleware::Builder;
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::time::Clock;
use tower_impersonate::token::{FetchLimits, Fetched};
use tower_impersonate::{ImpersonationLayer, Issuer, policy, resolve};

use crate::support::{AUDIENCE, Desk, ISSUER, Seen, get};

pub const KID: &str = "Forge-Key-1";

pub const MALFORMED: &str = "token is not three base64url parts";
pub const HEADER: &str = "token header is not acceptable";
pub const ALGORITHM: &str = "algorithm is not allowed";
pub const TYPE: &str = "token type is not allowed";
pub const KEY_ID: &str = "key id is absent or malformed";
pub const PAYLOAD: &str = "payload is not one object without duplicates and within bounds";
pub const UNKNOWN_ISSUER: &str = "issuer is not configured";
pub const UNKNOWN_KEY: &str = "issuer has no such key";
pub const SIGNATURE: &str = "signature does not fit";
pub const AUDIENCE_OF_OTHERS: &str = "audience is missing or another one";

/// A key of its own, and the desk's issuer publishes it.
pub struct Forge {
    pub desk: Desk,
    key: Ed25519KeyPair,
}

impl Forge {
    pub fn new() -> Self {
        Self {
            desk: Desk::new(),
            key: Ed25519KeyPair::generate().unwrap(),
        }
    }

    /// The key as it is published.
    pub fn jwk(&self) -> Value {
        json!({
            "kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": "EdDSA", "kid": KID,
            "x": encode(self.key.public_key()),
        })
    }

    /// Carol's claims, which are accepted.
    pub fn claims(&self) -> Value {
        let now = self.desk.clock.now().unix_seconds();
        json!({
            "iss": ISSUER, "sub": "carol", "aud": AUDIENCE, "iat": now, "exp": now + 300,
            "groups": ["support"],
        })
    }

    /// A token that is accepted.
    pub fn token(&self) -> String {
        self.sign(header().to_string(), self.claims().to_string())
    }

    /// Signs these bytes, whatever they are.
    pub fn sign(&self, header: impl AsRef<[u8]>, payload: impl AsRef<[u8]>) -> String {
        self.seal(&encode(header), &encode(payload))
    }

    /// Signs two parts as they stand.
    pub fn seal(&self, header: &str, payload: &str) -> String {
        let input = format!("{header}.{payload}");
        let signature = self.key.sign(input.as_bytes());
        format!("{input}.{}", encode(signature))
    }

    /// Carol's claims under these bytes as the header.
    pub fn headed(&self, header: impl AsRef<[u8]>) -> String {
        self.sign(header, self.claims().to_string())
    }

    /// These bytes as the payload, under a good header.
    pub fn saying(&self, payload: impl AsRef<[u8]>) -> String {
        self.sign(header().to_string(), payload)
    }

    pub fn header_with(&self, name: &str, value: Value) -> String {
        self.headed(with(header(), name, value).to_string())
    }

    pub fn header_without(&self, name: &str) -> String {
        self.headed(without(header(), name).to_string())
    }

    /// A good header with more text before its end.
    pub fn header_and(&self, text: &str) -> String {
        self.headed(and(&header(), text))
    }

    pub fn claim(&self, name: &str, value: Value) -> String {
        self.saying(with(self.claims(), name, value).to_string())
    }

    pub fn without_claim(&self, name: &str) -> String {
        self.saying(without(self.claims(), name).to_string())
    }

    /// Good claims with more text before their end.
    pub fn claims_and(&self, text: &str) -> String {
        self.saying(and(&self.claims(), text))
    }

    /// The usual trial: the desk's issuer publishes the forge's key and no other.
    pub fn trial(&self) -> Trial<'_> {
        Trial::new(&self.desk, issuer(), &[self.jwk()])
    }
}

/// A header that is accepted.
pub fn header() -> Value {
    json!({ "alg": "EdDSA", "kid": KID, "typ": "JWT" })
}

/// The desk's issuer as the usual trial has it.
pub fn issuer() -> Issuer {
    remote().audiences([AUDIENCE]).groups_claim("groups")
}

/// The desk's issuer, whose keys are fetched.
pub fn remote() -> Issuer {
    Issuer::jwks(ISSUER, KEYS_URL)
}

pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

pub fn decode(part: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(part).unwrap()
}

/// The keys of a set, as they are published.
pub fn keys_in(set: &str) -> Vec<Value> {
    let set: Value = serde_json::from_str(set).unwrap();
    set["keys"].as_array().unwrap().clone()
}

pub fn with(mut object: Value, name: &str, value: Value) -> Value {
    object[name] = value;
    object
}

pub fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

fn and(object: &Value, text: &str) -> String {
    let object = object.to_string();
    format!("{},{text}}}", object.strip_suffix('}').unwrap())
}

/// A layer that demands a credential and one that does not. Each fetches its keys when it needs them.
pub struct Trial<'d> {
    desk: &'d Desk,
    layers: [ImpersonationLayer; 2],
    fetches: Arc<AtomicUsize>,
}

impl<'d> Trial<'d> {
    pub fn new(desk: &'d Desk, issuer: Issuer, keys: &[Value]) -> Self {
        Self::of(desk, keys, move |builder| builder.issuer(issuer.clone()))
    }

    /// With the issuers that `configure` adds; every one of them publishes these keys.
    pub fn of(desk: &'d Desk, keys: &[Value], configure: impl Fn(Builder) -> Builder) -> Self {
        let fetches = Arc::new(AtomicUsize::new(0));
        let set = json!({ "keys": keys }).to_string();
        let build = |change: fn(Builder) -> Builder| {
            let (set, fetches) = (set.clone(), Arc::clone(&fetches));
            let fetch = move |url: &Uri, _: &FetchLimits| {
                assert_eq!(url, KEYS_URL, "no URL but the configured one");
                fetches.fetch_add(1, Ordering::SeqCst);
                Answer::now(Ok(Fetched::new(set.clone())))
            };
            let builder = desk
                .bare()
                .fetch_keys(fetch)
                .resolve(resolve::header("impersonate-user"))
                .policy(policy::in_group("support").except(policy::target_in_group("admins")));
            change(configure(builder)).build().unwrap()
        };
        let layers = [build(|builder| builder), build(|b| b.anonymous(|| ()))];
        Self {
            desk,
            layers,
            fetches,
        }
    }

    /// How often keys were asked for; the two layers have nothing in common.
    pub fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }

    /// In both modes the token is refused as every bad one is, and for this cause.
    pub async fn refuses(&self, token: &str, cause: &str, case: &str) {
        for layer in &self.layers {
            let seen = self.desk.send(layer, get(token, &[])).await;
            assert_bad_token(&seen, case);
            assert_eq!(seen.cause(), cause, "{case}");
            self.desk.assert_silent();
        }
    }

    /// In both modes the request is Carol's.
    pub async fn accepts(&self, token: &str, case: &str) {
        self.accepts_of("carol", token, case).await;
    }

    pub async fn accepts_of(&self, sub: &str, token: &str, case: &str) {
        for layer in &self.layers {
            let seen = self.desk.send(layer, get(token, &[])).await;
            assert!(seen.ran && seen.body["sub"] == sub, "{case}: {seen:?}");
        }
        self.desk.assert_silent();
    }

    /// Nothing was fetched for what was refused, and a good token makes each layer fetch once.
    pub async fn fetched_nothing(&self, good: &str) {
        assert_eq!(self.fetches(), 0);
        self.accepts(good, "the good one").await;
        assert_eq!(self.fetches(), 2);
    }
}

/// All that a client can tell of any bad token.
#[track_caller]
pub fn assert_bad_token(seen: &Seen, case: &str) {
    let (status, mut headers, body) = seen.answer();
    headers.sort();
    let expected = [
        ("cache-control", "no-store"),
        ("content-type", "application/problem+json"),
        (
            "vary",
            "authorization, impersonate-user, impersonate-group, impersonate-issuer, impersonate-reason",
        ),
        (
            "www-authenticate",
            r#"Bearer realm="api", error="invalid_token""#,
        ),
    ];
    let problem = json!({
        "type": "about:blank", "title": "the bearer token is not valid", "status": 401,
        "error": "invalid_token",
    });
    assert_eq!((status, seen.ran), (401, false), "{case}: {seen:?}");
    let headers: Vec<_> = headers.iter().map(|(n, v)| (&**n, &**v)).collect();
    assert_eq!(headers, expected, "{case}");
    assert_eq!(body, problem, "{case}");
    if seen.rejection.is_some() {
        assert_eq!(seen.kind(), RejectionKind::InvalidToken, "{case}");
    }
}

pub const KEYS_URL: &str = "https://keys.example.com/set";
