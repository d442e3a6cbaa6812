//! What the shop adds once support staff act as its customers: routes for the customers alone.

use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Value, json};
use tower_impersonate::Principal;
use tower_impersonate::extract::NotImpersonated;
use tower_impersonate::guard::deny_while_impersonating;

pub(crate) fn router() -> Router {
    // A group of routes by a layer, and one handler by what it takes.
    let group = Router::new()
        .route("/email", post(change_email))
        .route_layer(deny_while_impersonating());
    Router::new()
        .route("/password", post(change_password))
        .merge(group)
}

async fn change_password(own: NotImpersonated) -> Json<Value> {
    Json(json!({ "changed": "password", "of": own.principal().subject() }))
}

async fn change_email(principal: Principal) -> Json<Value> {
    Json(json!({ "changed": "email", "of": principal.subject() }))
}
