//! What an actor, and what an app client, cannot widen: scopes, audiences, time, and whose path it is.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use desk_api::{Api, MINTER, OTHER_API, issued};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use support::{AUDIENCE, ISSUER, Seen};
use tower::ServiceExt;
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::GrantLimits;
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::manage::{Client, ManageBuilder};
use tower_impersonate::policy;
use tower_impersonate::terms::EndReason;

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

fn claims(token: &str) -> Value {
    let payload = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

async fn exchange(
    api: &Api,
    (id, secret): (&str, &str),
    token: &str,
    more: &[(&str, &str)],
) -> Seen {
    let mut form = vec![
        (
            "grant_type",
            "urn:ietf:params:oauth:grant-type:token-exchange",
        ),
        ("subject_token", token),
        ("subject_token_type", ACCESS_TOKEN),
    ];
    form.extend(more);
    api.form("/oauth2/token", id, secret, &form).await
}

async fn with(manage: impl FnOnce(ManageBuilder) -> ManageBuilder) -> Api {
    Api::with(|layer| layer, manage, GrantLimits::default()).await
}

/// A scope that the target never had cannot be made up, neither at the start nor by an exchange.
#[tokio::test]
async fn a139_scopes_are_of_a_closed_list() {
    let api = Api::start().await;
    for (scopes, status) in [
        (json!(["a", "b"]), 200),
        (json!(["payments:admin"]), 400),
        (json!(["a", "payments:admin"]), 400),
        (json!(["A"]), 400),
    ] {
        let order = json!({ "audience": AUDIENCE, "scopes": scopes });
        let seen = api.post("/Alice/impersonate", &api.carol(), order).await;
        assert_eq!(seen.status, status, "{scopes}: {seen:?}");
        if status == 400 {
            assert_eq!(seen.body["error"], "invalid_scope", "{scopes}");
        }
        api.grants
            .end_grants(&IdentityKey::new(ISSUER, "carol"), EndReason::Stopped)
            .await
            .unwrap();
    }
    // A full token says no scope, and is no way to any.
    let (full, _) = api.begin(&api.carol(), json!({})).await;
    let plain = ("plain", api.plain.expose());
    for (scope, error) in [("a", None), ("payments:admin", Some("invalid_scope"))] {
        let seen = exchange(
            &api,
            plain,
            &full,
            &[("audience", OTHER_API), ("scope", scope)],
        )
        .await;
        assert_eq!(seen.body["error"].as_str(), error, "{scope}: {seen:?}");
    }
}

/// What a service was sent is no key to the others: a client exchanges for what it calls, and the record says who.
#[tokio::test]
async fn a139_a_client_exchanges_for_nobody_but_those_it_calls() {
    let (caller, secret) = Client::generate("caller").unwrap();
    let (none, none_secret) = Client::generate("none").unwrap();
    let api = with(|manage| {
        manage
            .client(caller.exchanges_for([OTHER_API]))
            .client(none)
    })
    .await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    for (client, secret, audience, error) in [
        ("none", &none_secret, OTHER_API, Some("unauthorized_client")),
        ("caller", &secret, AUDIENCE, Some("invalid_target")),
        ("caller", &secret, OTHER_API, None),
    ] {
        let to = [("audience", audience)];
        let seen = exchange(&api, (client, secret.expose()), &minted, &to).await;
        assert_eq!(
            seen.body["error"].as_str(),
            error,
            "{client} {audience}: {seen:?}"
        );
        if error.is_some() {
            let denial = api.desk.denial();
            assert_eq!(denial["impersonation.deny.rule"], "exchange");
            assert_eq!(denial["impersonation.actor.sub"], client);
            api.desk.sink.clear();
        } else {
            let token = seen.body["access_token"].as_str().unwrap();
            assert_eq!(claims(token)["client_id"], "caller");
            assert_eq!(claims(token)["grant_id"], id);
            let event = &api.desk.events(EventName::Issued)[0];
            assert_eq!(event["impersonation.client.id"], "caller");
            assert_eq!(event["impersonation.actor.sub"], "carol");
        }
    }
}

/// An app client that acts is one everywhere, whoever exchanged its token.
#[tokio::test]
async fn an_app_client_s_exchanged_token_still_says_that_an_app_client_acts() {
    let api = Api::start().await;
    let form = [("grant_type", "client_credentials"), ("audience", AUDIENCE)];
    let own = api
        .form("/oauth2/token", "tickets", api.tickets.expose(), &form)
        .await;
    let own = own.body["access_token"].as_str().unwrap().to_owned();
    let (minted, _) = api.begin(&own, json!({})).await;
    let plain = ("plain", api.plain.expose());
    let seen = exchange(&api, plain, &minted, &[("audience", OTHER_API)]).await;
    let token = claims(seen.body["access_token"].as_str().unwrap());
    assert_eq!(
        (&token["act"]["sub"], &token["client_id"]),
        (&json!("tickets"), &json!("tickets"))
    );
}

/// The policy is told how long it will be: at a start that does not say, and at every extension.
#[tokio::test]
async fn a_limit_of_time_in_the_policy_is_no_matter_of_asking() {
    let seen: Arc<Mutex<Vec<Option<Duration>>>> = Arc::default();
    let sees = Arc::clone(&seen);
    let short = policy::custom(move |attempt: &policy::Attempt<'_>| {
        sees.lock().unwrap().push(attempt.ttl());
        match attempt.ttl() {
            Some(ttl) if ttl <= Duration::from_secs(600) => policy::Ruling::allow(),
            _ => policy::Ruling::deny("ten minutes"),
        }
    });
    let layer = |builder: tower_impersonate::middleware::Builder| {
        builder
            .replacing()
            .policy(desk_api::usual_policy().and(short))
    };
    let api = Api::with(layer, |manage| manage, GrantLimits::default()).await;
    let carol = api.carol();
    let start = |body| api.post("/Alice/impersonate", &carol, body);
    let unsaid = start(json!({ "audience": AUDIENCE })).await;
    assert_eq!(unsaid.status, 403, "{unsaid:?}");
    let begun = start(json!({ "audience": AUDIENCE, "ttl_seconds": 600 })).await;
    let (minted, id) = issued(&begun);
    assert_eq!(api.get("/me", &minted).await.status, 200);
    api.advance(60);
    let path = format!("/grants/{id}/extend");
    for body in [json!({}), json!({ "ttl_seconds": 600 })] {
        let longer = api.post(&path, &api.carol(), body).await;
        assert_eq!(longer.status, 403, "{longer:?}");
    }
    let within = api
        .post(&path, &api.carol(), json!({ "ttl_seconds": 540 }))
        .await;
    assert_eq!(within.status, 200, "{within:?}");
    assert!(seen.lock().unwrap().iter().all(Option::is_some));
    assert_eq!(
        api.get("/me", &minted).await.status,
        200,
        "nothing ended for it"
    );
}

/// Whoever mounts the routes under a parameter of their own does not get its value for a person's or a grant's.
#[tokio::test]
async fn the_routes_take_their_own_parameters_wherever_they_stand() {
    let api = Api::start().await;
    let app = Router::new().nest("/t/{tenant}", api.manage.routes());
    let call = |method: Method, path: String, body: Value| {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("authorization", format!("Bearer {}", api.carol()))
            .header("content-type", "application/json")
            .body(Full::new(Bytes::from(body.to_string())))
            .unwrap();
        support::send(
            app.clone()
                .map_request(|request: Request<Full<Bytes>>| request.map(axum::body::Body::new)),
            request,
        )
    };
    let begun = call(
        Method::POST,
        "/t/bob/Alice/impersonate".into(),
        json!({ "audience": AUDIENCE }),
    )
    .await;
    let (minted, id) = issued(&begun);
    assert_eq!(claims(&minted)["sub"], "alice");
    let ended = call(Method::DELETE, format!("/t/bob/grants/{id}"), json!({})).await;
    assert_eq!(ended.status, 204);
    assert_eq!(api.get("/me", &minted).await.status, 401, "it ended");
}

/// A token may be over while its grant lives: the grant's id is in it, and in the audit.
#[tokio::test]
async fn v1_a_grant_is_revoked_by_its_id() {
    let api = Api::start().await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let revoke = |client: &'static str, secret: String| {
        let (api, id) = (&api, id.clone());
        async move {
            api.form("/oauth2/revoke", client, &secret, &[("token", &id)])
                .await
        }
    };
    let plain = revoke("plain", api.plain.expose().to_owned()).await;
    assert_eq!(plain.body["error"], "unauthorized_client");
    assert_eq!(api.get("/me", &minted).await.status, 200);
    let auditor = revoke("auditor", api.auditor.expose().to_owned()).await;
    assert_eq!(auditor.status, 200, "{auditor:?}");
    assert_eq!(api.get("/me", &minted).await.status, 401);
    let event = &api.desk.events(EventName::Revoked)[0];
    assert_eq!(
        (
            &event["impersonation.end.by.sub"],
            &event["impersonation.end.by.iss"]
        ),
        (&json!("auditor"), &json!(MINTER))
    );
}

/// The app client of somebody else's issuer is none of ours, though it has the same name.
#[tokio::test]
async fn v1_a_client_of_the_same_name_elsewhere_gives_no_right_here() {
    let (namesake, secret) = Client::generate("test-client").unwrap();
    let api = with(|manage| manage.client(namesake)).await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    assert_eq!(
        claims(&minted)["client_id"],
        "test-client",
        "carol's token is of such a one"
    );
    let seen = api
        .form(
            "/oauth2/revoke",
            "test-client",
            secret.expose(),
            &[("token", &minted)],
        )
        .await;
    assert_eq!(seen.body["error"], "unauthorized_client");
    assert_eq!(api.get("/me", &minted).await.status, 200);
}

/// By how soon it is told to wait, nobody learns whether a name is a client's.
#[tokio::test]
async fn a136_wrong_secrets_count_alike_for_names_that_nobody_has() {
    let api = Api::start().await;
    let form = [("grant_type", "client_credentials")];
    let mut counts = Vec::new();
    for name in ["plain", "nobody", "somebody-else"] {
        let mut refused = 0;
        while api.form("/oauth2/token", name, "wrong", &form).await.status == 401 {
            refused += 1;
            assert!(refused < 100, "{name}");
        }
        counts.push(refused);
    }
    assert_eq!(counts, [counts[0]; 3]);
}
