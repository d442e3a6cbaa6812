//! What goes on after its request was let in: server-sent events, a stream of a tonic server, an upgraded socket. Each
//! is cut within one second of the end of its grant, and never looks as if it had come to its end.
//!
//! What is told in this process is asserted to be that fast. A deadline and what becomes of people is looked at once
//! a second by the clock of the machine: the measured figure is printed.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/faulty_store.rs"]
mod faulty_store;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use bytes::Bytes;
use desk_api::Api;
use faulty_store::{FaultyStore, STEPS};
use http::{Method, Request, Response, StatusCode};
use http_body::Frame;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use serde_json::{Value, json};
use support::expect::{Fault, RULE};
use support::{AUDIENCE, Desk, ISSUER};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::{Interval, interval, timeout};
use tower::{Layer, service_fn};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{GrantLimits, Grants};
use tower_impersonate::middleware::Upgrades;
use tower_impersonate::{Identity, ImpersonationLayer, Principal, stamp};

const PATIENCE: Duration = Duration::from_secs(30);

/// A body without an end: these bytes again and again, or once.
struct Endless {
    bytes: &'static [u8],
    beat: Option<Interval>,
    begun: bool,
}

impl Endless {
    fn new(bytes: &'static [u8], beats: bool) -> Self {
        Self {
            bytes,
            beat: beats.then(|| interval(Duration::from_millis(20))),
            begun: false,
        }
    }
}

impl http_body::Body for Endless {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        match (self.begun, &mut self.beat) {
            (false, _) => self.begun = true,
            (true, Some(beat)) => drop(ready!(beat.poll_tick(cx))),
            (true, None) => return Poll::Pending,
        }
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(self.bytes)))))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Events,
    SilentEvents,
    Grpc,
    Socket,
}

const KINDS: [Kind; 4] = [Kind::Events, Kind::SilentEvents, Kind::Grpc, Kind::Socket];

/// Something that goes on.
enum Going {
    Body(Incoming),
    Socket(TcpStream),
}

impl Going {
    /// Waits until it is cut. A body ends by an error and without trailers; a socket by its handler.
    async fn until_cut(mut self) {
        let cut = async {
            match &mut self {
                Self::Body(body) => loop {
                    match body.frame().await {
                        Some(Ok(frame)) => assert!(frame.is_data(), "trailers: {frame:?}"),
                        Some(Err(_)) => return,
                        None => panic!("it came to an end"),
                    }
                },
                Self::Socket(stream) => {
                    let mut said = String::new();
                    stream.read_to_string(&mut said).await.unwrap();
                    assert_eq!(said, "over\n");
                }
            }
        };
        timeout(PATIENCE, cut).await.expect("it goes on and on");
    }

    /// It goes on by now: something comes, or it is silent.
    async fn goes_on(&mut self) {
        match self {
            Self::Body(body) => {
                let frame = timeout(Duration::from_millis(100), body.frame()).await;
                assert!(!matches!(frame, Ok(None | Some(Err(_)))), "{frame:?}");
            }
            Self::Socket(stream) => {
                stream.write_all(b"ping").await.unwrap();
                let mut bytes = [0; 4];
                timeout(PATIENCE, stream.read_exact(&mut bytes))
                    .await
                    .unwrap()
                    .unwrap();
                assert_eq!(&bytes, b"ping");
            }
        }
    }
}

async fn listen() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    (listener, address)
}

async fn events(layer: &ImpersonationLayer) -> SocketAddr {
    let events = |beats: bool| {
        let kind = [("content-type", "text/event-stream")];
        (kind, Body::new(Endless::new(b"data: tick\n\n", beats)))
    };
    let app = Router::new()
        .route("/events", get(move || async move { events(true) }))
        .route("/silent", get(move || async move { events(false) }))
        .layer(layer.clone());
    let (listener, address) = listen().await;
    tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
    address
}

#[derive(Clone)]
struct Watch;

impl tonic::server::NamedService for Watch {
    const NAME: &'static str = "shop.Orders";
}

impl tower::Service<Request<tonic::body::Body>> for Watch {
    type Response = Response<tonic::body::Body>;
    type Error = Infallible;
    type Future = std::future::Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<tonic::body::Body>) -> Self::Future {
        // A message of one byte, behind its length.
        let messages = Endless::new(b"\0\0\0\0\x01x", true);
        let mut response = Response::new(tonic::body::Body::new(messages));
        let kind = http::HeaderValue::from_static("application/grpc");
        response.headers_mut().insert("content-type", kind);
        std::future::ready(Ok(response))
    }
}

async fn grpc(layer: &ImpersonationLayer) -> SocketAddr {
    let (listener, address) = listen().await;
    let server = tonic::transport::Server::builder()
        .layer(layer.clone())
        .add_service(Watch)
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    tokio::spawn(server);
    address
}

/// Echoes until the impersonation is over, and says so.
async fn sockets(layer: &ImpersonationLayer) -> SocketAddr {
    let handler = service_fn(|mut request: Request<Incoming>| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        let principal = request.extensions().get::<Principal>().unwrap();
        let impersonation = principal.impersonation().cloned().unwrap();
        tokio::spawn(stamp::carry(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            let mut bytes = [0; 4];
            let ended = impersonation.ended();
            tokio::pin!(ended);
            loop {
                tokio::select! {
                    () = &mut ended => {
                        io.write_all(b"over\n").await.unwrap();
                        return;
                    }
                    read = io.read_exact(&mut bytes) => match read {
                        Ok(_) => io.write_all(&bytes).await.unwrap(),
                        Err(_) => return,
                    },
                }
            }
        }));
        let mut response = Response::new(Full::<Bytes>::default());
        *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
        for (name, value) in [("connection", "upgrade"), ("upgrade", "echo")] {
            let value = http::HeaderValue::from_static(value);
            response.headers_mut().insert(name, value);
        }
        Ok::<_, Infallible>(response)
    });
    let service = TowerToHyperService::new(layer.layer(handler));
    let (listener, address) = listen().await;
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let service = service.clone();
            tokio::spawn(async move {
                let connection = auto::Builder::new(TokioExecutor::new());
                let io = TokioIo::new(stream);
                drop(connection.serve_connection_with_upgrades(io, service).await);
            });
        }
    });
    address
}

const UPGRADE: &str = "GET /live HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: echo\r\n";

/// The status, and the socket behind the head of the answer.
async fn upgrade(address: SocketAddr, head: &str, token: &str) -> (u16, TcpStream) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let credential = match token {
        "" => String::new(),
        token => format!("authorization: Bearer {token}\r\n"),
    };
    stream
        .write_all(format!("{head}{credential}\r\n").as_bytes())
        .await
        .unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    (answer["HTTP/1.1 ".len()..][..3].parse().unwrap(), stream)
}

async fn open(layer: &ImpersonationLayer, kind: Kind, token: &str) -> Going {
    let (address, path) = match kind {
        Kind::Events => (events(layer).await, "/events"),
        Kind::SilentEvents => (events(layer).await, "/silent"),
        Kind::Grpc => (grpc(layer).await, "/shop.Orders/Watch"),
        Kind::Socket => {
            let address = sockets(layer).await;
            let (status, stream) = upgrade(address, UPGRADE, token).await;
            assert_eq!(status, 101);
            return Going::Socket(stream);
        }
    };
    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http2_only(kind == Kind::Grpc)
        .build_http();
    let (method, content) = match kind {
        Kind::Grpc => (Method::POST, "application/grpc"),
        _ => (Method::GET, "text/plain"),
    };
    let request = Request::builder()
        .method(method)
        .uri(format!("http://{address}{path}"))
        .header("authorization", format!("Bearer {token}"))
        .header("content-type", content)
        .header("te", "trailers")
        .body(Full::<Bytes>::default())
        .unwrap();
    let response = client.request(request).await.unwrap();
    assert_eq!(response.status(), 200);
    // The connection lives as long as the body.
    Going::Body(response.into_body())
}

async fn api(limits: GrantLimits) -> Api {
    Api::with(
        |layer| layer.upgrades(Upgrades::HandlerWatches),
        |manage| manage.starts_per_minute(1000),
        limits,
    )
    .await
}

async fn revoke(api: &Api, id: &str) -> StatusCode {
    let path = format!("/grants/{id}");
    api.call(Method::DELETE, &path, &api.security(), Value::Null)
        .await
        .status
}

/// An hour, so that nothing ends but the grant.
fn carol(api: &Api) -> String {
    let token = api.desk.token("carol", &["support"]).claim("sid", "carols");
    token.expires_in(Duration::from_secs(7200)).sign()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a152_a153_what_goes_on_is_cut_within_a_second_of_the_end_of_its_grant() {
    for kind in KINDS {
        for (how, reason) in [
            ("revoked", "revoked"),
            ("stopped", "stopped"),
            ("replaced", "replaced"),
            ("signed out", "actor_session_ended"),
        ] {
            let api = api(GrantLimits::default()).await;
            let (minted, id) = api.begin(&carol(&api), json!({})).await;
            let mut going = open(&api.layer, kind, &minted).await;
            going.goes_on().await;
            // Somebody else's goes on.
            let dora = api.desk.token("dora", &["support"]).sign();
            let (others, _) = api.begin(&dora, json!({})).await;
            let mut other = open(&api.layer, kind, &others).await;
            other.goes_on().await;
            let begun = Instant::now();
            match how {
                "revoked" => assert_eq!(revoke(&api, &id).await, 204),
                "stopped" => {
                    let seen = api.post("/grants/stop", &minted, Value::Null).await;
                    assert_eq!(seen.status, 204);
                }
                "replaced" => {
                    let order = json!({ "audience": AUDIENCE, "replace": true });
                    let seen = api.post("/Bob/impersonate", &carol(&api), order).await;
                    assert_eq!(seen.status, 200);
                }
                _ => assert_eq!(api.grants.end_session(ISSUER, "carols").await.unwrap(), 1),
            }
            going.until_cut().await;
            let took = begun.elapsed();
            println!("{kind:?} {how}: cut after {took:?}");
            assert!(took < Duration::from_secs(1), "{kind:?} {how}: {took:?}");
            other.goes_on().await;

            let named = [EventName::Ended, EventName::Revoked];
            let ended = named.map(|name| api.desk.events(name)).concat();
            assert_eq!(ended.len(), 1, "{ended:?}");
            assert_eq!(ended[0]["impersonation.end.reason"], reason, "{kind:?}");
            let completed = api.desk.sink.wait_for(EventName::Completed, 1).await;
            // What a socket says is no part of its request.
            let outcome = if kind == Kind::Socket {
                "success"
            } else {
                "failure"
            };
            assert_eq!(completed[0]["impersonation.outcome"], outcome, "{kind:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a153_a_deadline_and_what_becomes_of_people_cut_it_too() {
    for kind in KINDS {
        for (how, reason) in [
            ("expired", "expired"),
            ("the actor was disabled", "actor_disabled"),
            ("the target was disabled", "target_disabled"),
            ("the target is gone", "target_gone"),
        ] {
            let api = api(GrantLimits::default()).await;
            let (minted, id) = api.begin(&carol(&api), json!({})).await;
            let mut going = open(&api.layer, kind, &minted).await;
            going.goes_on().await;
            let person = |sub: &str| Identity::new(ISSUER, sub);
            let users = &api.desk.users;
            let begun = Instant::now();
            match how {
                "expired" => api.advance(3600),
                "the actor was disabled" => drop(users.insert(person("carol").disabled_account())),
                "the target was disabled" => drop(users.insert(person("alice").disabled_account())),
                _ => drop(users.remove(person("alice").key())),
            }
            going.until_cut().await;
            println!("{kind:?}, {how}: cut after {:?}", begun.elapsed());
            let found = api
                .grants
                .find(&id.parse().unwrap())
                .await
                .unwrap()
                .unwrap();
            let end = found.state().end.clone().unwrap();
            assert_eq!(end.reason.as_str(), reason, "{kind:?} {how}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a153_the_bound_is_the_grants_and_not_the_tokens() {
    let api = api(GrantLimits::default()).await;
    let (minted, id) = api.begin(&carol(&api), json!({})).await;
    let mut going = open(&api.layer, Kind::Events, &minted).await;
    // The token's quarter of an hour is over, with its leeway; the grant's hour is not.
    api.advance(1000);
    api.get("/me", &minted).await.assert_refused(401);
    tokio::time::sleep(Duration::from_millis(1200)).await;
    going.goes_on().await;
    assert_eq!(revoke(&api, &id).await, 204);
    going.until_cut().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a74_a153_a_revocation_that_the_store_does_not_take_cuts_it_as_well() {
    for fault in [Fault::Errs, Fault::NeverAnswers] {
        for kind in KINDS {
            let store = FaultyStore::new();
            let api = Api::at(
                Desk::new(),
                Grants::new(store.clone()),
                |layer| {
                    let layer = layer.deadline(Duration::from_millis(300));
                    layer.upgrades(Upgrades::HandlerWatches)
                },
                |manage| manage,
            )
            .await;
            let (minted, id) = api.begin(&carol(&api), json!({})).await;
            let mut going = open(&api.layer, kind, &minted).await;
            going.goes_on().await;
            store.fails(STEPS, fault);
            let begun = Instant::now();
            let (status, ()) = tokio::join!(revoke(&api, &id), async {
                going.until_cut().await;
                println!("{kind:?} {fault:?}: cut after {:?}", begun.elapsed());
            });
            assert_eq!(status, 503);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a74_a153_while_nobody_can_say_it_goes_on_for_five_seconds() {
    for fault in [Fault::Errs, Fault::NeverAnswers] {
        let store = FaultyStore::new();
        let api = Api::at(Desk::new(), Grants::new(store.clone()), |l| l, |m| m).await;
        let (minted, _) = api.begin(&carol(&api), json!({})).await;
        let mut going = open(&api.layer, Kind::Events, &minted).await;
        going.goes_on().await;
        store.fails(STEPS, fault);
        let asked = || store.asked.load(std::sync::atomic::Ordering::SeqCst);
        let before = asked();
        let deadline = Instant::now() + PATIENCE;
        while asked() < before + 2 {
            assert!(Instant::now() < deadline, "nobody asks");
            going.goes_on().await;
        }
        // The clock of the layer stands still by now.
        going.goes_on().await;
        api.advance(5);
        going.until_cut().await;
    }
}

#[tokio::test]
async fn a152_an_upgrade_is_let_in_as_any_request_is() {
    let watching = api(GrantLimits::default()).await;
    let refusing = Api::start().await;
    const CONNECT: &str = "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n";
    const WEBSOCKET: &str = "GET /chat HTTP/1.1\r\nhost: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
                             sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    for head in [UPGRADE, CONNECT, WEBSOCKET] {
        let (minted, _) = refusing.begin(&refusing.carol(), json!({})).await;
        let address = sockets(&refusing.layer).await;
        refusing.desk.sink.clear();
        let (status, _) = upgrade(address, head, &minted).await;
        assert_eq!(status, 403, "{head}");
        let denial = refusing.desk.denial();
        assert_eq!(denial[RULE], "upgrade");
        assert_eq!(denial["impersonation.actor.sub"], "carol");

        let address = sockets(&watching.layer).await;
        let (minted, id) = watching.begin(&watching.carol(), json!({})).await;
        for token in ["", "garbage", &id] {
            assert_eq!(upgrade(address, head, token).await.0, 401, "{head}");
        }
        assert_eq!(revoke(&watching, &id).await, 204);
        assert_eq!(upgrade(address, head, &minted).await.0, 401, "{head}");
    }
    // The extended CONNECT of HTTP/2 (RFC 8441).
    let (minted, _) = refusing.begin(&refusing.carol(), json!({})).await;
    for protocol in ["websocket", "echo"] {
        refusing.desk.sink.clear();
        let mut request = support::get(&minted, &[]);
        *request.method_mut() = Method::CONNECT;
        *request.version_mut() = http::Version::HTTP_2;
        let protocol = hyper::ext::Protocol::from_static(protocol);
        request.extensions_mut().insert(protocol);
        let seen = refusing.desk.send(&refusing.layer, request).await;
        seen.assert_refused(403);
        assert_eq!(refusing.desk.denial()[RULE], "upgrade");
    }
    let seen = refusing
        .desk
        .send(&refusing.layer, support::get(&minted, &[]))
        .await;
    seen.assert_ran_as("alice", Some("carol"));
}
