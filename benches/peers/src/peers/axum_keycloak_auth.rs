//! `axum-keycloak-auth`: a layer with `jsonwebtoken` 9 (ring). It takes its keys from Keycloak's paths
//! alone, so a server on this machine answers there, with one key: it tries all that there are, in turn.

use std::convert::Infallible;
use std::hint::black_box;
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use axum::routing::get;
use axum::{Extension, Json, Router};
use axum_keycloak_auth::Url;
use axum_keycloak_auth::decode::KeycloakToken;
use axum_keycloak_auth::instance::{KeycloakAuthInstance, KeycloakConfig};
use axum_keycloak_auth::layer::KeycloakAuthLayer;
use http::Request;
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;
use tower::{Layer, Service};

use crate::BoxError;
use crate::tokens::{AUDIENCE, Keys};

const REALM: &str = "bench";
const DISCOVERY: Duration = Duration::from_secs(10);

/// What it has no members for; an own type in place of its own, which wants a profile.
#[derive(Debug, Clone, Deserialize)]
struct Extra {
    scope: String,
    #[serde(rename = "cognito:groups")]
    groups: Vec<String>,
}

/// The layer around a router, once it has its keys.
///
/// # Errors
///
/// When it has none after ten seconds.
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
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let server = format!("http://{}", listener.local_addr()?);
    tokio::spawn(axum::serve(listener, keycloak(keys, &server)?).into_future());
    let config = KeycloakConfig::builder()
        .server(Url::parse(&server)?)
        .realm(REALM.into())
        .build();
    let instance = KeycloakAuthInstance::new(config);
    let found = async {
        while !instance.is_operational().await {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DISCOVERY, found).await?;
    let layer = KeycloakAuthLayer::<String, Extra>::builder()
        .instance(instance)
        .expected_audiences(vec![AUDIENCE.into()])
        .build();
    Ok(layer.layer(Router::new().route("/", get(greet))))
}

fn keycloak(keys: &Keys, server: &str) -> Result<Router, BoxError> {
    let realm = format!("{server}/realms/{REALM}");
    let found = json!({
        "issuer": realm,
        "authorization_endpoint": format!("{realm}/auth"),
        "jwks_uri": format!("{realm}/certs"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256"],
    });
    let set = keys.set()?;
    Ok(Router::new()
        .route(
            &format!("/realms/{REALM}/.well-known/openid-configuration"),
            get(async || Json(found)),
        )
        .route(&format!("/realms/{REALM}/certs"), get(async || Json(set))))
}

async fn greet(Extension(token): Extension<KeycloakToken<String, Extra>>) -> &'static str {
    black_box((&token.subject, &token.extra.scope, &token.extra.groups));
    "hello"
}
