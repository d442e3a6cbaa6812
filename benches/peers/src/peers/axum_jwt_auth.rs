//! `axum-jwt-auth`: an extractor, here with a local key. It brings `jsonwebtoken` 10 with the pure Rust
//! backend, which is many times slower; this package puts aws-lc-rs in its place.

use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::routing::get;
use axum_jwt_auth::{Decoder, LocalDecoder};
use jsonwebtoken10::crypto::{CryptoProvider, aws_lc};
use jsonwebtoken10::jwk::Jwk;
use jsonwebtoken10::{Algorithm, DecodingKey, Validation};

use crate::BoxError;
use crate::tokens::{AUDIENCE, Claims, Keys};

/// A router whose handler takes the claims.
///
/// # Errors
///
/// When the key cannot be read.
pub fn service(keys: &Keys) -> Result<Router, BoxError> {
    // The second time it is there already.
    CryptoProvider::install_default(&aws_lc::DEFAULT_PROVIDER).ok();
    let key: Jwk = serde_json::from_value(keys.key()?)?;
    let algorithm: Algorithm = keys.algorithm.name().parse()?;
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[keys.issuer.name()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let decoder = LocalDecoder::builder()
        .keys(vec![DecodingKey::from_jwk(&key)?])
        .validation(validation)
        .build()?;
    let decoder: Decoder<Claims> = Arc::new(decoder);
    Ok(Router::new().route("/", get(greet)).with_state(decoder))
}

async fn greet(user: axum_jwt_auth::Claims<Claims>) -> &'static str {
    black_box(&user.claims.sub);
    "hello"
}
