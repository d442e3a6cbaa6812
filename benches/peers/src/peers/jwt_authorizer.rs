//! `jwt-authorizer`: a layer with `jsonwebtoken` 9 (ring), for axum 0.7 only.

use std::convert::Infallible;
use std::hint::black_box;

use axum07::Router;
use axum07::body::Body;
use axum07::response::Response;
use axum07::routing::get;
use http::Request;
use jwt_authorizer::{IntoLayer, JwtAuthorizer, JwtClaims, Validation};
use tower::{Layer, Service};

use crate::BoxError;
use crate::tokens::{AUDIENCE, Claims, Keys};

/// The layer around a router of axum 0.7.
///
/// # Errors
///
/// When the key cannot be read.
pub async fn service(
    keys: &Keys,
) -> Result<
    impl Service<Request<Body>, Response = Response, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
    + use<>,
    BoxError,
> {
    let validation = Validation::new()
        .iss(&[keys.issuer.name()])
        .aud(&[AUDIENCE]);
    let authorizer = JwtAuthorizer::<Claims>::from_jwks_text(&keys.set()?.to_string())
        .validation(validation)
        .build()
        .await?;
    let layer = authorizer.into_layer();
    Ok(layer.layer(Router::new().route("/", get(greet))))
}

async fn greet(JwtClaims(claims): JwtClaims<Claims>) -> &'static str {
    black_box(&claims.sub);
    "hello"
}
