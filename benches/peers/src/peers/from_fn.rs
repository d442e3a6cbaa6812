//! What many write by themselves: `axum::middleware::from_fn` and `jsonwebtoken`, by aws-lc-rs.

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::StatusCode;
use http::header::AUTHORIZATION;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header};

use crate::BoxError;
use crate::tokens::{AUDIENCE, Claims, Keys};

struct Known {
    keys: HashMap<String, DecodingKey>,
    validation: Validation,
}

/// A router below it.
///
/// # Errors
///
/// When the key cannot be read.
pub fn service(keys: &Keys) -> Result<Router, BoxError> {
    let key: Jwk = serde_json::from_value(keys.key()?)?;
    let kid = keys.issuer.kid(keys.algorithm);
    let algorithm: Algorithm = keys.algorithm.name().parse()?;
    let mut validation = Validation::new(algorithm);
    validation.set_audience(&[AUDIENCE]);
    validation.set_issuer(&[keys.issuer.name()]);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    let known = Known {
        keys: HashMap::from([(kid, DecodingKey::from_jwk(&key)?)]),
        validation,
    };
    let check = from_fn_with_state(Arc::new(known), check);
    Ok(Router::new().route("/", get(greet)).layer(check))
}

async fn check(
    State(known): State<Arc<Known>>,
    mut request: Request,
    next: Next,
) -> Result<Response, StatusCode> {
    let claims = claims(&known, &request).ok_or(StatusCode::UNAUTHORIZED)?;
    request.extensions_mut().insert(claims);
    Ok(next.run(request).await)
}

fn claims(known: &Known, request: &Request) -> Option<Claims> {
    let value = request.headers().get(AUTHORIZATION)?.to_str().ok()?;
    let token = value.strip_prefix("Bearer ")?;
    let kid = decode_header(token).ok()?.kid?;
    let read = decode::<Claims>(token, known.keys.get(&kid)?, &known.validation);
    Some(read.ok()?.claims)
}

async fn greet(Extension(claims): Extension<Claims>) -> &'static str {
    black_box(&claims.sub);
    "hello"
}
