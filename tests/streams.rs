//! How a request ends, over real sockets: every recorded request is completed once, and rightly.

mod support;

#[path = "support/net.rs"]
mod net;
#[path = "support/sinks.rs"]
mod sinks;

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_LENGTH;
use http::{Method, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full};
use net::{Client, Step, Steps, VERSIONS, Version, serve};
use serde_json::Value;
use sinks::{Mood, Moody};
use support::{Desk, get};
use tower::{Layer, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::EventName;
use tower_impersonate::middleware::BoxError;
use tower_impersonate::testing::RecordingSink;

type Answer = UnsyncBoxBody<Bytes, BoxError>;

fn steps(steps: &[Step]) -> Response<Answer> {
    Response::new(Steps::new(steps.iter().copied()).boxed_unsync())
}

fn full(status: u16, text: &'static str) -> Response<Answer> {
    let body = Full::<Bytes>::from(text).map_err(BoxError::from);
    let response = Response::builder().status(status);
    response.body(body.boxed_unsync()).unwrap()
}

fn empty(status: u16) -> Response<Answer> {
    let body = Empty::new().map_err(BoxError::from).boxed_unsync();
    Response::builder().status(status).body(body).unwrap()
}

/// Over HTTP/2, hyper leaves it to the handler that an answer to HEAD has no body.
async fn handler<B>(request: Request<B>) -> Result<Response<Answer>, BoxError> {
    let bodiless = request.method() == Method::HEAD && request.version() == http::Version::HTTP_2;
    let mut response = answer(request).await?;
    if bodiless {
        if let Some(length) = response.body().size_hint().exact() {
            response.headers_mut().insert(CONTENT_LENGTH, length.into());
        }
        *response.body_mut() = empty(200).into_body();
    }
    Ok(response)
}

async fn answer<B>(request: Request<B>) -> Result<Response<Answer>, BoxError> {
    use Step::{Data, Fail, Hang, Panic, Trailers};
    Ok(match request.uri().path() {
        "/empty" => empty(200),
        "/no-content" => empty(204),
        "/not-modified" => {
            let mut response = empty(304);
            response.headers_mut().insert(CONTENT_LENGTH, 5.into());
            response
        }
        "/stream" => steps(&[Data("one"), Data("two"), Data("three")]),
        "/announced" => {
            let mut response = steps(&[Data("one"), Data("two"), Data("three")]);
            response.headers_mut().insert(CONTENT_LENGTH, 11.into());
            response
        }
        "/trailers" => steps(&[Data("one"), Trailers]),
        "/missing" => full(404, "missing"),
        "/broken" => full(500, "broken"),
        "/broken-stream" => {
            let mut response = steps(&[Data("one")]);
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
        "/body-error" => steps(&[Data("one"), Fail]),
        "/body-panic" => steps(&[Data("one"), Panic]),
        "/endless" => steps(&[Data("one"), Hang]),
        "/never" => std::future::pending().await,
        "/error" => return Err("no database".into()),
        "/panic" => panic!("a handler that panics"),
        _ => full(200, "hello"),
    })
}

async fn server(layer: &ImpersonationLayer) -> SocketAddr {
    serve(layer.layer(service_fn(handler))).await
}

fn as_alice(desk: &Desk, method: Method, path: &str) -> Request<Full<Bytes>> {
    let headers = [("impersonate-user", "alice"), ("te", "trailers")];
    let mut request = get(&desk.carol(), &headers);
    *request.method_mut() = method;
    *request.uri_mut() = path.parse().unwrap();
    request
}

/// The completion of the one request that was recorded and is not completed yet.
async fn completion(sink: &RecordingSink, count: usize) -> Value {
    let completed = sink.wait_for(EventName::Completed, count).await;
    assert_eq!(completed.len(), count, "{completed:?}");
    completed[count - 1].clone()
}

/// Every request has one completion, which names it.
#[track_caller]
fn assert_paired(sink: &RecordingSink, count: usize) {
    let ids = |name, field: &str| {
        let events = sink.named(name);
        let ids = events.iter().map(|event| event[field].to_string());
        let mut ids: Vec<_> = ids.collect();
        ids.sort();
        ids
    };
    let requests = ids(EventName::Request, "event.id");
    let completed = ids(EventName::Completed, "impersonation.request.event.id");
    assert_eq!(requests.len(), count);
    assert_eq!(requests, completed);
}

#[tokio::test]
async fn what_comes_to_its_end_completes_by_its_status() {
    let cases = [
        (Method::GET, "/hello", "success", 200, "hello"),
        (Method::HEAD, "/hello", "success", 200, ""),
        (Method::POST, "/hello", "success", 200, "hello"),
        (Method::GET, "/empty", "success", 200, ""),
        (Method::HEAD, "/empty", "success", 200, ""),
        (Method::GET, "/no-content", "success", 204, ""),
        (Method::GET, "/not-modified", "success", 304, ""),
        (Method::GET, "/stream", "success", 200, "onetwothree"),
        (Method::HEAD, "/stream", "success", 200, ""),
        (Method::GET, "/announced", "success", 200, "onetwothree"),
        (Method::GET, "/trailers", "success", 200, "one"),
        (Method::GET, "/missing", "failure", 404, "missing"),
        (Method::HEAD, "/missing", "failure", 404, ""),
        (Method::GET, "/broken", "failure", 500, "broken"),
        (Method::GET, "/broken-stream", "failure", 502, "one"),
    ];
    for version in VERSIONS {
        let desk = Desk::new();
        let mut client = Client::connect(version, server(&desk.layer()).await).await;
        for (i, (method, path, outcome, status, body)) in cases.iter().enumerate() {
            let what = format!("{version:?} {method} {path}");
            let request = as_alice(&desk, method.clone(), path);
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status().as_u16(), *status, "{what}");
            assert_eq!(response.headers()["cache-control"], "no-store", "{what}");
            let collected = response.into_body().collect().await.unwrap();
            let trailers = collected.trailers().is_some();
            assert_eq!(trailers, *path == "/trailers" && version == Version::Http2);
            assert_eq!(collected.to_bytes(), *body, "{what}");
            let completed = completion(&desk.sink, i + 1).await;
            assert_eq!(completed["impersonation.outcome"], *outcome, "{what}");
            assert_eq!(completed["http.response.status_code"], *status, "{what}");
        }
        client.leave();
        assert_paired(&desk.sink, cases.len());
    }
}

#[tokio::test]
async fn what_breaks_is_a_failure() {
    for version in VERSIONS {
        let desk = Desk::new();
        let address = server(&desk.layer()).await;
        let cases = [
            ("/body-error", Some(200)),
            ("/body-panic", Some(200)),
            ("/error", None),
            ("/panic", None),
        ];
        for (i, (path, status)) in cases.into_iter().enumerate() {
            let mut client = Client::connect(version, address).await;
            let answer = client.send(as_alice(&desk, Method::GET, path)).await;
            match status {
                // The status may be lost together with the connection.
                Some(_) => {
                    if let Ok(response) = answer {
                        assert!(response.into_body().collect().await.is_err(), "{path}");
                    }
                }
                None => assert!(answer.is_err(), "{version:?} {path}"),
            }
            let completed = completion(&desk.sink, i + 1).await;
            assert_eq!(completed["impersonation.outcome"], "failure", "{path}");
            let told = completed.get("http.response.status_code");
            assert_eq!(told.and_then(Value::as_u64), status, "{version:?} {path}");
        }
        assert_paired(&desk.sink, 4);
    }
}

#[tokio::test]
async fn a_panic_of_one_stream_leaves_the_others_of_its_connection() {
    let desk = Desk::new();
    let address = server(&desk.layer()).await;
    let mut client = Client::connect(Version::Http2, address).await;
    let request = |path| as_alice(&desk, Method::GET, path);
    assert!(client.send(request("/panic")).await.is_err());
    let response = client.send(request("/hello")).await.unwrap();
    assert_eq!(response.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_panic_of_the_handler_goes_on() {
    let desk = Desk::new();
    let layer = desk.layer();
    for (token, events) in [(desk.alice(), 0), (desk.carol(), 1)] {
        let mut request = get(&token, &[]);
        *request.uri_mut() = "/panic".parse().unwrap();
        if events == 1 {
            let headers = request.headers_mut();
            headers.insert("impersonate-user", "alice".parse().unwrap());
        }
        let service = layer.layer(service_fn(handler));
        let task = tokio::spawn(tower::ServiceExt::oneshot(service, request));
        let error = task.await.err().unwrap();
        assert!(error.is_panic());
        let completed = desk.events(EventName::Completed);
        assert_eq!(completed.len(), events);
    }
    let completed = &desk.events(EventName::Completed)[0];
    assert_eq!(completed["impersonation.outcome"], "failure");
    assert!(completed.get("http.response.status_code").is_none());
}

#[tokio::test]
async fn a_client_that_leaves_is_aborted() {
    for version in VERSIONS {
        let desk = Desk::new();
        let address = server(&desk.layer()).await;

        // In the middle of the body.
        let mut client = Client::connect(version, address).await;
        let request = as_alice(&desk, Method::GET, "/endless");
        let mut response = client.send(request).await.unwrap();
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), "one");
        assert!(desk.events(EventName::Completed).is_empty());
        client.leave();
        drop(response);
        let completed = completion(&desk.sink, 1).await;
        assert_eq!(completed["impersonation.outcome"], "aborted");
        assert_eq!(completed["http.response.status_code"], 200);

        // While the handler runs.
        leave_after_the_record(&desk.sink, 2, &desk, version, address, "/never").await;
        let completed = completion(&desk.sink, 2).await;
        assert_eq!(completed["impersonation.outcome"], "aborted");
        assert!(completed.get("http.response.status_code").is_none());
        assert_paired(&desk.sink, 2);
    }
}

async fn leave_after_the_record(
    sink: &RecordingSink,
    count: usize,
    desk: &Desk,
    version: Version,
    address: SocketAddr,
    path: &str,
) {
    let mut client = Client::connect(version, address).await;
    let request = as_alice(desk, Method::GET, path);
    let recorded = sink.wait_for(EventName::Request, count);
    tokio::select! {
        biased;
        answer = client.send(request) => panic!("{answer:?}"),
        recorded = recorded => assert_eq!(recorded.len(), count),
    }
    client.leave();
}

#[tokio::test]
async fn a_client_that_leaves_while_the_sink_waits_is_aborted() {
    for version in VERSIONS {
        let desk = Desk::new();
        let sink = Moody::new(Mood::Hangs);
        let layer = desk.unrecorded().audit(sink.clone());
        let layer = layer.deadline(Duration::from_secs(30)).build().unwrap();
        let address = server(&layer).await;
        leave_after_the_record(&sink.kept, 1, &desk, version, address, "/hello").await;
        let completed = completion(&sink.kept, 1).await;
        assert_eq!(completed["impersonation.outcome"], "aborted");
        assert!(completed.get("http.response.status_code").is_none());
        assert_paired(&sink.kept, 1);
    }
}

#[tokio::test]
async fn many_streams_of_one_connection_are_completed_each() {
    let desk = Desk::new();
    let address = server(&desk.layer()).await;
    let mut client = Client::connect(Version::Http2, address).await;
    let mut answers = Vec::new();
    for i in 0..30 {
        let path = ["/stream", "/hello", "/missing"][i % 3];
        answers.push(
            client
                .send(as_alice(&desk, Method::GET, path))
                .await
                .unwrap(),
        );
    }
    for answer in answers {
        answer.into_body().collect().await.unwrap();
    }
    completion(&desk.sink, 30).await;
    assert_paired(&desk.sink, 30);
    let completed = desk.events(EventName::Completed);
    let with = |outcome| {
        completed
            .iter()
            .filter(move |e| e["impersonation.outcome"] == outcome)
    };
    assert_eq!((with("success").count(), with("failure").count()), (20, 10));
}

#[tokio::test]
async fn plain_requests_pass_through_untouched() {
    for version in VERSIONS {
        let desk = Desk::new();
        let mut client = Client::connect(version, server(&desk.layer()).await).await;
        let mut bare = Client::connect(version, serve(service_fn(handler)).await).await;
        for (path, body) in [
            ("/stream", "onetwothree"),
            ("/hello", "hello"),
            ("/empty", ""),
        ] {
            let mut request = get(&desk.alice(), &[]);
            *request.uri_mut() = path.parse().unwrap();
            let mut response = client.send(request.clone()).await.unwrap();
            let (expected, whole) = bare.send(request).await.unwrap().into_parts();
            whole.collect().await.unwrap();
            let mut expected = expected.headers;
            assert!(response.headers_mut().remove("vary").is_some());
            for headers in [response.headers_mut(), &mut expected] {
                headers.remove("date");
            }
            assert_eq!(*response.headers(), expected, "{version:?} {path}");
            let read = response.into_body().collect().await.unwrap().to_bytes();
            assert_eq!(read, body);
        }
        assert!(desk.sink.events().is_empty());
    }
}
