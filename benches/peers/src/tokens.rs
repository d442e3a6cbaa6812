//! One token that all can read, and its keys.

use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::token::Algorithm;

use crate::BoxError;

pub const AUDIENCE: &str = "app";
pub const SUBJECT: &str = "90f7b2d4-8041-70e3-5a55-6f1c0f2f3c11";
pub const TARGET: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

/// As many members as a handler reads. Whoever parses it has done what the work needs.
#[derive(Debug, Clone, Deserialize)]
pub struct Claims {
    pub iss: String,
    pub sub: String,
    pub client_id: String,
    pub scope: String,
    #[serde(rename = "cognito:groups")]
    pub groups: Vec<String>,
}

/// An issuer, and the one algorithm that is measured.
#[derive(Debug, Clone)]
pub struct Keys {
    pub issuer: TestIssuer,
    pub algorithm: Algorithm,
}

impl Keys {
    /// A token of the size and the members that Cognito gives an access token, and the few more that
    /// peers insist on: `aud`, `typ` in header and payload, `azp`. It lives for an hour.
    pub fn token(&self) -> TokenBuilder {
        self.issuer
            .token(SUBJECT)
            .cognito_access()
            .at_jwt()
            .algorithm(self.algorithm)
            .expires_in(Duration::from_secs(3600))
            .audience(AUDIENCE)
            .client_id("55pb79dl8gm0i1ho9hdre91r3k")
            .username(SUBJECT)
            .groups(["support"])
            .scope("openid profile desk/read desk/write")
            .claim("jti", "0d1f6c1a-7b11-4f0e-9f5e-5a1f0a6e6a3f")
            .claim("origin_jti", "5a1f0a6e-6a3f-4f0e-9f5e-0d1f6c1a7b11")
            .claim("event_id", "c2a1f0a6-6a3f-4f0e-9f5e-0d1f6c1a7b11")
            .claim("typ", "Bearer")
            .claim("azp", "55pb79dl8gm0i1ho9hdre91r3k")
            .claim("version", 2)
            .without("preferred_username")
            .without("groups")
    }

    /// The public key alone.
    ///
    /// # Errors
    ///
    /// When the issuer publishes none for the algorithm.
    pub fn key(&self) -> Result<Value, BoxError> {
        let mut set: Value = serde_json::from_str(&self.issuer.jwks())?;
        let kid = self.issuer.kid(self.algorithm);
        let keys = set["keys"].as_array_mut().ok_or("no keys")?;
        keys.retain(|key| key["kid"] == kid.as_str());
        keys.pop().ok_or_else(|| "no such key".into())
    }

    /// A key set with that key alone.
    ///
    /// # Errors
    ///
    /// As [`key`](Self::key).
    pub fn set(&self) -> Result<Value, BoxError> {
        Ok(json!({ "keys": [self.key()?] }))
    }
}

/// The same token with another signature of the same length.
#[must_use]
pub fn changed(token: &str) -> String {
    let (signed, signature) = token.rsplit_once('.').unwrap_or((token, ""));
    let signature: String = signature.chars().rev().collect();
    let first = if signature.starts_with('A') { 'B' } else { 'A' };
    // The last letter of base64 may hold bits that must be zero.
    let middle = signature.get(1..signature.len() - 1).unwrap_or_default();
    format!("{signed}.{first}{middle}A")
}
