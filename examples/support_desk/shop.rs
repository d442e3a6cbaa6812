//! The shop as it was before: handlers that take a `CurrentUser` and know nothing of impersonation.

use axum::routing::get;
use axum::{Extension, Json, Router};
use serde_json::{Value, json};
use tracing::{info, instrument};

#[derive(Clone)]
pub(crate) struct CurrentUser {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) groups: Vec<String>,
}

pub(crate) fn router() -> Router {
    Router::new()
        .route("/me", get(me))
        .route("/orders", get(orders).post(order))
}

async fn me(Extension(user): Extension<CurrentUser>) -> Json<Value> {
    Json(json!({ "id": user.id, "name": user.name, "groups": user.groups }))
}

async fn orders(Extension(user): Extension<CurrentUser>) -> Json<Value> {
    Json(json!({ "customer": user.name, "orders": find_orders(&user.id).await }))
}

async fn order(Extension(user): Extension<CurrentUser>) -> Json<Value> {
    Json(json!({ "customer": user.name, "ordered": "a lamp" }))
}

#[instrument]
async fn find_orders(customer: &str) -> Vec<Value> {
    info!("looking for orders");
    match customer {
        "alice-sub" => vec![
            json!({ "id": 1, "item": "a red bicycle" }),
            json!({ "id": 2, "item": "a bell" }),
        ],
        "bob-sub" => vec![json!({ "id": 3, "item": "a blue kite" })],
        _ => Vec::new(),
    }
}
