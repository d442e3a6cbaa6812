//! The same tokens on every machine: signed once, kept in `tokens.json`, judged by a clock that stands still.
//!
//! New keys would mean other signatures, and other signatures take other ways through big numbers: figures
//! would differ for no reason. The key that signed is gone; nobody trusts its issuer.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tower_impersonate::Issuer;
use tower_impersonate::testing::{ManualClock, TestIssuer, TokenBuilder};
use tower_impersonate::time::{Clock, Timestamp};
use tower_impersonate::token::StaticKeys;

use crate::BoxError;

pub const ISSUER: &str = "https://issuer.example.com";
pub const ACTOR: &str = "90f7b2d4-8041-70e3-5a55-6f1c0f2f3c11";
pub const TARGET: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
/// How many tokens each cold subject sends while it is counted, and as many again to warm up.
pub const FRESH: usize = 16;

const AUDIENCE: &str = "app";
const PATH: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tokens.json");

/// What is in the file.
#[derive(Debug, Serialize, Deserialize)]
pub struct Tokens {
    /// A key set, in the form of RFC 7517.
    pub keys: String,
    /// A caller's own token, of the size that Cognito gives it.
    pub plain: String,
    /// One that names a target in a claim.
    pub claim: String,
    /// More like the first, each different: 2 × [`FRESH`].
    pub fresh: Vec<String>,
}

impl Tokens {
    /// Those of the file.
    ///
    /// # Errors
    ///
    /// When it cannot be read or says something else.
    pub fn stored() -> Result<Self, BoxError> {
        Ok(serde_json::from_str(&std::fs::read_to_string(PATH)?)?)
    }

    /// Signs new ones by a new key, and keeps them in the file.
    ///
    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn sign_anew() -> Result<(), BoxError> {
        let issuer = TestIssuer::offline(ISSUER).with_clock(ManualClock::at(StandingClock.now()));
        let named = json!({ "sub": TARGET });
        let tokens = Self {
            keys: issuer.jwks(),
            plain: token(&issuer, 0).sign(),
            claim: token(&issuer, 1).claim("impersonating", named).sign(),
            fresh: (2..2 + 2 * FRESH)
                .map(|number| token(&issuer, number).sign())
                .collect(),
        };
        std::fs::write(PATH, serde_json::to_string_pretty(&tokens)? + "\n")?;
        Ok(())
    }

    /// The configuration that accepts them.
    pub fn issuer(&self) -> Issuer {
        Issuer::static_keys(ISSUER, StaticKeys::jwks(self.keys.clone()))
            .audiences([AUDIENCE])
            .groups_claim("cognito:groups")
            .trust_claim("impersonating")
    }
}

fn token(issuer: &TestIssuer, number: usize) -> TokenBuilder {
    issuer
        .token(ACTOR)
        .cognito_access()
        .audience(AUDIENCE)
        .client_id("55pb79dl8gm0i1ho9hdre91r3k")
        .username(ACTOR)
        .groups(["support", "customers"])
        .expires_in(Duration::from_secs(3600))
        .scope("openid profile desk/read desk/write")
        .claim("origin_jti", "5a1f0a6e-6a3f-4f0e-9f5e-0d1f6c1a7b11")
        .claim("event_id", "0d1f6c1a-7b11-4f0e-9f5e-5a1f0a6e6a3f")
        .claim("jti", format!("{number:036}"))
}

/// Always the moment at which the tokens were signed, 2023-11-14T22:13:20Z. It leaves out what the system's clock
/// takes, which valgrind cannot count.
#[derive(Debug, Clone, Copy)]
pub struct StandingClock;

impl Clock for StandingClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(1_700_000_000)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_secs(1_000)
    }
}
