//! `huskarl-axum`: a layer with a validator by RFC 9068 and cryptography in pure Rust, which is its
//! only one outside of a browser. Its verifier is made of the one key, parsed once.

use std::convert::Infallible;
use std::hint::black_box;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use http::Request;
use huskarl_axum::extractors::ValidatedToken;
use huskarl_axum::layers::ValidatorLayer;
use huskarl_axum::resource_server::DefaultJwsVerifierPlatform;
use huskarl_axum::resource_server::core::EndpointUrl;
use huskarl_axum::resource_server::core::crypto::verifier::JwsVerifierPlatform;
use huskarl_axum::resource_server::core::jwk::PublicJwk;
use huskarl_axum::resource_server::core::platform::MaybeSendBoxFuture;
use huskarl_axum::resource_server::validator::rfc9068::{
    Rfc9068AccessTokenClaims, Rfc9068Validator,
};
use serde::Deserialize;
use tower::{Layer, Service};

use crate::BoxError;
use crate::tokens::{AUDIENCE, Keys};

/// What its own claims have no members for.
#[derive(Debug, Clone, Deserialize)]
struct Extra {
    #[serde(rename = "cognito:groups")]
    groups: Vec<String>,
}

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
    let key: PublicJwk = serde_json::from_value(keys.key()?)?;
    let platform: Arc<dyn JwsVerifierPlatform> = DefaultJwsVerifierPlatform::default().into();
    let verifier = platform.create_verifier_from_jwk(key).await?;
    let factory = move |_: Option<&EndpointUrl>,
                        _: Arc<dyn JwsVerifierPlatform>|
          -> MaybeSendBoxFuture<'static, Result<_, _>> {
        let verifier = Arc::clone(&verifier);
        Box::pin(async { Ok(verifier) })
    };
    let validator = Rfc9068Validator::builder()
        .with_claims::<Extra>()
        .issuer(keys.issuer.name())
        .audience(AUDIENCE)
        .jws_verifier_factory(factory)
        .build()
        .await?;
    let layer = ValidatorLayer::builder().validator(validator).build();
    let layer = layer.authenticated();
    Ok(layer.layer(Router::new().route("/", get(greet))))
}

async fn greet(token: ValidatedToken<Rfc9068AccessTokenClaims<Extra>>) -> &'static str {
    black_box((&token.sub, &token.claims.extra_claims.groups));
    "hello"
}
