//! `tower-oauth2-resource-server`: a layer with `jsonwebtoken` 11, here by aws-lc-rs and a key set of one.

use std::convert::Infallible;
use std::hint::black_box;

use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Router};
use http::Request;
use tower::{Layer, Service};
use tower_oauth2_resource_server::server::OAuth2ResourceServer;
use tower_oauth2_resource_server::tenant::TenantConfiguration;
use tower_oauth2_resource_server::validation::ClaimsValidationSpec;

use crate::BoxError;
use crate::tokens::{AUDIENCE, Claims, Keys};

/// The layer around a router.
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
    let issuer = keys.issuer.name();
    let claims = ClaimsValidationSpec::new().exp(true).iss(issuer);
    let tenant = TenantConfiguration::static_builder(keys.set()?.to_string())
        .identifier(issuer)
        .claims_validation(claims.aud(&vec![AUDIENCE.to_owned()]))
        .build()?;
    let server = OAuth2ResourceServer::<Claims>::builder()
        .add_tenant(tenant)
        .build()
        .await?;
    let layer = server.into_layer::<Body>();
    Ok(layer.layer(Router::new().route("/", get(greet))))
}

async fn greet(Extension(claims): Extension<Claims>) -> &'static str {
    black_box(&claims.sub);
    "hello"
}
