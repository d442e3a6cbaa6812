//! The layer in whole stacks, over real sockets.

mod support;

#[path = "support/net.rs"]
mod net;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::response::IntoResponse;
use axum::routing::{get as on_get, post};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use net::{Client, VERSIONS, Version, serve};
use serde_json::Value;
use support::{Desk, get, tell};
use tower::make::Shared;
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::cors::CorsLayer;
use tower_http::trace::TraceLayer;
use tower_impersonate::Principal;
use tower_impersonate::audit::EventName;

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

async fn json(response: Response<Incoming>) -> Value {
    let bytes = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&bytes).unwrap()
}

/// Every client sees the same of every stack.
async fn check(desk: &Desk, address: SocketAddr, version: Version) {
    let mut client = Client::connect(version, address).await;
    let response = client.send(get(&desk.alice(), &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{version:?}");
    let seen = json(response).await;
    assert_eq!(
        (&seen["sub"], &seen["actor"]),
        (&"alice".into(), &Value::Null)
    );

    let response = client.send(get(&desk.carol(), &AS_ALICE)).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{version:?}");
    assert_eq!(response.headers()["cache-control"], "no-store");
    let seen = json(response).await;
    assert_eq!(
        (&seen["sub"], &seen["actor"]),
        (&"alice".into(), &"carol".into())
    );
    let headers = seen["headers"].as_array().unwrap();
    assert!(!headers.contains(&"impersonate-user".into()));
    assert!(!headers.contains(&"authorization".into()));

    let response = client.send(get("garbage", &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let problem = json(response).await;
    assert_eq!(problem["error"], "invalid_token");

    // The connection goes on.
    let response = client.send(get(&desk.alice(), &AS_ALICE)).await.unwrap();
    assert_eq!(response.status(), StatusCode::FORBIDDEN);
    let completed = desk.sink.wait_for(EventName::Completed, 1).await;
    assert_eq!(completed[0]["impersonation.outcome"], "success");
    assert_eq!(desk.events(EventName::Denied).len(), 1);
    desk.sink.clear();
}

#[tokio::test]
async fn plain_hyper() {
    let desk = Desk::new();
    let service = ServiceBuilder::new()
        .layer(desk.layer())
        .service(service_fn(|request: Request<Incoming>| async move {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(tell(&request))))
        }));
    let address = serve(service).await;
    for version in VERSIONS {
        check(&desk, address, version).await;
    }
}

#[tokio::test]
async fn the_stack_around_it_without_a_web_framework() {
    let desk = Desk::new();
    let service = ServiceBuilder::new()
        .layer(TraceLayer::new_for_http())
        .layer(CorsLayer::permissive())
        .layer(desk.layer())
        .service_fn(|request: Request<Incoming>| async move {
            let answer = Full::<Bytes>::from(tell(&request));
            Ok::<_, Infallible>(Response::new(answer.boxed()))
        });
    let address = serve(service).await;
    for version in VERSIONS {
        check(&desk, address, version).await;
    }
}

fn router() -> Router {
    let orders = async |request: axum::extract::Request| tell(&request);
    let echo = async |principal: Principal, body: String| format!("{} {body}", principal.subject());
    Router::new()
        .route("/orders", on_get(orders))
        .route("/echo", post(echo))
}

#[tokio::test]
async fn axum_serve_with_the_layer_on_the_router() {
    let desk = Desk::new();
    let app = router().layer(desk.layer());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, app).await });
    for version in VERSIONS {
        check(&desk, address, version).await;
    }
}

#[tokio::test]
async fn axum_serve_with_the_layer_outside_the_router() {
    let desk = Desk::new();
    let app = ServiceBuilder::new()
        .map_response(IntoResponse::into_response)
        .layer(desk.layer())
        .service(router());
    let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await;
    let listener = listener.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async { axum::serve(listener, Shared::new(app)).await });
    for version in VERSIONS {
        check(&desk, address, version).await;
        let mut client = Client::connect(version, address).await;
        let mut request = get(&desk.carol(), &AS_ALICE).map(|_| Full::from("hello"));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = "/echo".parse().unwrap();
        let response = client.send(request).await.unwrap();
        let text = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(text, "alice hello");
        desk.sink.wait_for(EventName::Completed, 1).await;
        desk.sink.clear();
    }
}

#[tokio::test]
async fn unknown_paths_are_covered_outside_the_router() {
    let desk = Desk::new();
    let outside = ServiceBuilder::new().layer(desk.layer()).service(router());
    let request = |token: Option<&str>, headers: &[(&str, &str)]| {
        let mut request = Request::builder().uri("/nowhere");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Body::empty()).unwrap()
    };
    let carol = desk.carol();
    // Nobody can tell which paths there are.
    let response = outside.clone().oneshot(request(None, &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
    let answer = outside.clone().oneshot(request(Some(&carol), &AS_ALICE));
    let response = answer.await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    assert_eq!(response.headers()["cache-control"], "no-store");
    drop(response);
    assert_eq!(desk.events(EventName::Request)[0]["url.path"], "/nowhere");
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed[0]["http.response.status_code"], 404);
    assert_eq!(completed[0]["impersonation.outcome"], "failure");

    // On routes alone, they are not.
    let inside = router().route_layer(desk.layer());
    let response = inside.oneshot(request(None, &[])).await.unwrap();
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
}

/// tonic puts the layer around its routes, with its own body, and serves that.
#[tokio::test]
async fn tonic_takes_the_layer_and_a_call_without_a_token_is_unauthenticated() {
    use http_body_util::Empty;
    use tonic::server::NamedService;

    #[derive(Clone)]
    struct Greeter;
    impl NamedService for Greeter {
        const NAME: &'static str = "shop.Greeter";
    }
    impl tower::Service<Request<tonic::body::Body>> for Greeter {
        type Response = Response<tonic::body::Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
            std::future::ready(Ok(Response::new(tonic::body::Body::default())))
        }
    }

    let desk = Desk::new();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    let server = tonic::transport::Server::builder()
        .layer(desk.layer())
        .add_service(Greeter)
        .serve_with_incoming(incoming);
    let server = tokio::spawn(server);

    let executor = hyper_util::rt::TokioExecutor::new();
    let client = hyper_util::client::legacy::Client::builder(executor)
        .http2_only(true)
        .build_http();
    let call = |token: Option<&str>| {
        let mut request = Request::post(format!("http://{address}/shop.Greeter/Greet"))
            .header("content-type", "application/grpc")
            .header("te", "trailers");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        request.body(Empty::<Bytes>::new().boxed()).unwrap()
    };
    let refused = client.request(call(None)).await.unwrap();
    assert_eq!(refused.status(), StatusCode::OK);
    assert_eq!(refused.headers()["grpc-status"], "16");
    let passed = client.request(call(Some(&desk.carol()))).await.unwrap();
    assert!(!passed.headers().contains_key("grpc-status"));
    server.abort();
}
