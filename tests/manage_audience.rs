//! A token is for one service: the one that mints takes none that it made for another at its own routes.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use desk_api::{Api, OTHER_API, issued};
use http::Method;
use serde_json::{Value, json};
use support::AUDIENCE;

const ROUTES: [(Method, &str); 6] = [
    (Method::GET, "/me"),
    (Method::POST, "/write"),
    (Method::POST, "/users/bob/impersonate"),
    (Method::GET, "/grants"),
    (Method::GET, "/grants/ID"),
    (Method::POST, "/grants/ID/extend"),
];

async fn token_for(api: &Api, audience: &str) -> (String, String) {
    let order = json!({ "audience": audience });
    issued(&api.post("/Alice/impersonate", &api.carol(), order).await)
}

/// What every route answers to that token: its status and the claimed fault.
async fn everywhere(api: &Api, token: &str, id: &str) -> Vec<(u16, bool)> {
    let mut seen = Vec::new();
    for (method, path) in ROUTES {
        let path = path.replace("ID", id);
        let answer = api.call(method, &path, token, json!({})).await;
        let challenge = answer.header("www-authenticate").unwrap_or_default();
        seen.push((answer.status.as_u16(), challenge.contains("invalid_token")));
    }
    seen
}

#[tokio::test]
async fn a_token_for_another_service_is_none_for_this_one() {
    let api = Api::start().await;
    let (foreign, id) = token_for(&api, OTHER_API).await;
    let refused = everywhere(&api, &foreign, &id).await;
    assert_eq!(refused, [(401, true); ROUTES.len()]);
    // The very same grant, and a token that is for this service.
    let (own, same) = token_for(&api, AUDIENCE).await;
    assert_eq!(same, id);
    let me = api.get("/me", &own).await;
    assert_eq!(
        (me.status.as_u16(), &me.body["sub"]),
        (200, &json!("alice"))
    );
}

#[tokio::test]
async fn an_app_client_s_token_for_another_service_starts_and_reads_nothing_here() {
    let api = Api::start().await;
    for (audience, status) in [(OTHER_API, 401), (AUDIENCE, 200)] {
        let form = [("grant_type", "client_credentials"), ("audience", audience)];
        let seen = api
            .form("/oauth2/token", "plain", api.plain.expose(), &form)
            .await;
        let token = seen.body["access_token"].as_str().unwrap().to_owned();
        let list = api.get("/grants", &token).await;
        assert_eq!(list.status, status, "{audience}: {list:?}");
    }
}

#[tokio::test]
async fn whoever_holds_it_may_still_end_its_grant_and_the_other_service_ask_about_it() {
    let api = Api::start().await;
    let (foreign, id) = token_for(&api, OTHER_API).await;
    assert_eq!(api.introspect(&foreign).await.body["active"], true);
    let stopped = api.post("/grants/stop", &foreign, Value::Null).await;
    assert_eq!(stopped.status, 204, "{stopped:?}");
    assert_eq!(api.introspect(&foreign).await.body["active"], false);
    let read = api.get(&format!("/grants/{id}"), &api.carol()).await;
    assert_eq!(read.body["end"]["reason"], "stopped");
}
