//! What the unit tests of this folder share: a signer, a clock and tokens.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::time::{Clock, Timestamp};
use crate::token::authenticator::Authenticator;
use crate::token::claims::Claims;
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::verified::Verified;

pub(crate) const ISS: &str = "https://issuer.example.com";
pub(crate) const NOW: i64 = 1_700_000_000;

pub(crate) struct Signer {
    key: Ed25519KeyPair,
    kid: &'static str,
}

impl Signer {
    pub(crate) fn new(kid: &'static str) -> Self {
        let key = Ed25519KeyPair::generate().expect("a key");
        Self { key, kid }
    }

    pub(crate) fn jwk(&self) -> Value {
        let x = URL_SAFE_NO_PAD.encode(self.key.public_key());
        json!({ "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": self.kid, "x": x })
    }

    pub(crate) fn set(&self) -> String {
        set(&[self])
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.sign(&json!({ "alg": "EdDSA", "kid": self.kid }), claims)
    }

    pub(crate) fn sign(&self, header: &Value, claims: &Value) -> String {
        self.sign_text(&header.to_string(), &claims.to_string())
    }

    pub(crate) fn sign_text(&self, header: &str, claims: &str) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(claims)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.key.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }
}

pub(crate) fn set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Acceptable to an issuer `ISS` with the audience `api`.
pub(crate) fn claims() -> Value {
    json!({ "iss": ISS, "sub": "alice", "aud": "api", "iat": NOW, "exp": NOW + 300 })
}

/// The same with some claims replaced; `null` takes one away.
pub(crate) fn claims_with(changes: &Value) -> Value {
    let mut claims = claims();
    let members = claims.as_object_mut().expect("an object");
    for (name, value) in changes.as_object().expect("an object") {
        members.insert(name.clone(), value.clone());
        if value.is_null() {
            members.remove(name);
        }
    }
    claims
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_unix_seconds(NOW)
}

/// What is known at once.
pub(crate) fn at_once(
    authenticator: &Authenticator,
    token: &str,
    now: Timestamp,
) -> Result<Verified<Claims>, TokenError> {
    authenticator
        .authenticate(token, now)
        .try_now()
        .unwrap_or_else(|_| panic!("the answer has to be waited for"))
}

pub(crate) fn kind(result: Result<Verified<Claims>, TokenError>) -> Option<TokenErrorKind> {
    result.err().map(|error| error.kind())
}

#[derive(Debug, Clone)]
pub(crate) struct StoppedClock(Arc<Mutex<Duration>>);

impl StoppedClock {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(Duration::from_secs(1000))))
    }

    pub(crate) fn advance(&self, seconds: u64) {
        *self.0.lock().expect("not poisoned") += Duration::from_secs(seconds);
    }
}

impl Clock for StoppedClock {
    fn now(&self) -> Timestamp {
        now()
    }

    fn monotonic(&self) -> Duration {
        *self.0.lock().expect("not poisoned")
    }
}
