//! A second service in the same process that asks the first one whether a grant is alive.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use axum::Router;
use axum::routing::{any, get};
use bytes::Bytes;
use desk_api::{Api, OTHER_API};
use http::{Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use support::{ISSUER, Seen};
use tokio::net::TcpListener;
use tower::{Layer, service_fn};
use tower_impersonate::audit::EventName;
use tower_impersonate::testing::RecordingSink;
use tower_impersonate::{ImpersonationLayer, grant, policy, resolve};

/// The other service: it knows the minter's keys, and asks at this URL.
fn other(api: &Api, url: &str, sink: &RecordingSink, keep: Duration) -> ImpersonationLayer {
    let asking = grant::introspect(url, "auditor", api.auditor.expose()).keep(keep);
    ImpersonationLayer::builder()
        .clock(api.desk.clock.clone())
        .issuer(api.minter.issuer().audiences([OTHER_API]))
        .resolve(resolve::act())
        .policy(policy::vouched_by(desk_api::MINTER))
        .audit(sink.clone())
        .grants(asking)
        .build()
        .unwrap()
}

async fn ask(layer: &ImpersonationLayer, token: &str) -> Seen {
    let service = layer.layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let told = support::tell(&request);
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(told))))
    }));
    support::send(service, support::get(token, &[])).await
}

/// What the service that keeps the grant says of one that is alive, of these people.
fn alive(id: &str, [actor_iss, target_iss]: [&str; 2], [actor, target]: [&str; 2]) -> String {
    json!({
        "active": true, "grant_id": id, "mode": "full",
        "act": { "sub": actor, "iss": actor_iss },
        "sub_id": { "format": "iss_sub", "sub": target, "iss": target_iss },
    })
    .to_string()
}

async fn for_other(api: &Api) -> (String, String) {
    let order = json!({ "audience": OTHER_API, "reason": "why", "ticket": "T-9" });
    let seen = api.post("/Alice/impersonate", &api.carol(), order).await;
    desk_api::issued(&seen)
}

#[tokio::test]
async fn the_other_service_sees_a_revocation() {
    let api = Api::start().await;
    let sink = RecordingSink::new();
    let url = format!("{}/oauth2/introspect", api.url);
    let layer = other(&api, &url, &sink, Duration::from_secs(2));
    let (minted, id) = for_other(&api).await;
    let seen = ask(&layer, &minted).await;
    seen.assert_ran_as("alice", Some("carol"));
    let request = &sink.named(EventName::Request)[0];
    assert_eq!(request["impersonation.grant.id"], json!(id));
    assert_eq!(request["impersonation.reason"], "why");
    assert_eq!(request["impersonation.ticket"], "T-9");

    let stopped = Instant::now();
    let path = format!("/grants/{id}");
    let ended = api
        .call(http::Method::DELETE, &path, &api.carol(), Value::Null)
        .await;
    assert_eq!(ended.status, 204);
    let mut rounds = 0;
    while ask(&layer, &minted).await.status == 200 {
        api.advance(1);
        rounds += 1;
        assert!(rounds <= 5, "still alive");
    }
    println!(
        "the other service saw it after {rounds} s on its clock, {:?} of work",
        stopped.elapsed()
    );
    assert!(rounds <= 2);
}

#[tokio::test]
async fn while_nobody_can_be_asked_it_is_503() {
    let api = Api::start().await;
    let (minted, _) = for_other(&api).await;
    let sink = RecordingSink::new();
    let broken = Router::new()
        .route(
            "/500",
            any(|| async { http::StatusCode::INTERNAL_SERVER_ERROR }),
        )
        .route(
            "/redirect",
            any(|| async { axum::response::Redirect::temporary("/alive") }),
        )
        .route("/nonsense", any(|| async { "{" }))
        .route(
            "/large",
            any(|| async { format!("{{\"active\":false,\"x\":\"{}\"}}", "x".repeat(70_000)) }),
        )
        .route(
            "/of_others",
            any(|| async { r#"{"active":true,"grant_id":"x","mode":"full"}"# }),
        )
        .route("/dead", any(|| async { r#"{"active":false}"# }));
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, broken).await.unwrap() });
    for (path, status) in [
        ("/500", 503),
        ("/redirect", 503),
        ("/nonsense", 503),
        ("/large", 503),
        ("/of_others", 503),
        ("/dead", 401),
    ] {
        let layer = other(
            &api,
            &format!("{base}{path}"),
            &sink,
            Duration::from_secs(2),
        );
        assert_eq!(ask(&layer, &minted).await.status, status, "{path}");
    }
    task.abort();
    let wrong = grant::introspect(format!("{}/oauth2/introspect", api.url), "auditor", "wrong");
    let layer = ImpersonationLayer::builder()
        .clock(api.desk.clock.clone())
        .issuer(api.minter.issuer().audiences([OTHER_API]))
        .resolve(resolve::act())
        .policy(policy::vouched_by(desk_api::MINTER))
        .audit(sink.clone())
        .grants(wrong)
        .build()
        .unwrap();
    assert_eq!(ask(&layer, &minted).await.status, 503);
}

#[tokio::test]
async fn requests_at_once_ask_once() {
    let api = Api::start().await;
    let (minted, id) = for_other(&api).await;
    let asked = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&asked);
    let answer = alive(&id, [ISSUER; 2], ["carol", "alice"]);
    let app = Router::new().route(
        "/",
        get(|| async { "" }).post(move || {
            count.fetch_add(1, Ordering::SeqCst);
            let answer = answer.clone();
            async move {
                tokio::task::yield_now().await;
                answer
            }
        }),
    );
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    let layer = other(&api, &url, &RecordingSink::new(), Duration::from_secs(2));
    let mut asking = tokio::task::JoinSet::new();
    for _ in 0..20 {
        let (layer, minted) = (layer.clone(), minted.clone());
        asking.spawn(async move { ask(&layer, &minted).await.status.as_u16() });
    }
    assert!(asking.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    api.advance(1);
    ask(&layer, &minted).await;
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    api.advance(1);
    ask(&layer, &minted).await;
    assert_eq!(asked.load(Ordering::SeqCst), 2);
    task.abort();
}

#[tokio::test]
async fn a_grant_of_other_people_is_none() {
    let api = Api::start().await;
    let (minted, id) = for_other(&api).await;
    let elsewhere = "https://other.example.com";
    for (issuers, people, status) in [
        ([ISSUER, ISSUER], ["carol", "alice"], 200),
        ([ISSUER, ISSUER], ["dora", "alice"], 401),
        ([ISSUER, ISSUER], ["carol", "bob"], 401),
        ([ISSUER, ISSUER], ["alice", "carol"], 401),
        ([elsewhere, ISSUER], ["carol", "alice"], 401),
        ([ISSUER, elsewhere], ["carol", "alice"], 401),
    ] {
        let answer = alive(&id, issuers, people);
        let app = Router::new().route("/", any(move || async move { answer }));
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let layer = other(&api, &url, &RecordingSink::new(), Duration::from_secs(2));
        let seen = ask(&layer, &minted).await;
        assert_eq!(seen.status, status, "{issuers:?} {people:?}: {seen:?}");
        task.abort();
    }
}
