//! A service behind the layer of a desk: what ran there, as whom, and what goes on there. And what became of
//! a grant, by the store and by the audit.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Body as AxumBody;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use axum::routing::any;
use bytes::Bytes;
use http::{Method, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;
use tokio::time::{Interval, interval, timeout};
use tower_impersonate::grant::{Filter, Grant, GrantLimits, Page};
use tower_impersonate::middleware::Builder;
use tower_impersonate::{ImpersonationLayer, Principal};

use crate::desk_api::Api;
use crate::over_http::{HttpClient, client, exchange};
use crate::support::{Seen, tell};

/// Longer than anything takes that does not hang.
const PATIENCE: Duration = Duration::from_secs(30);

type Ran = Arc<Mutex<Vec<String>>>;

pub struct Shop {
    pub url: String,
    client: HttpClient,
    ran: Ran,
    task: Option<AbortHandle>,
}

impl Shop {
    pub async fn behind(layer: ImpersonationLayer) -> Self {
        let ran = Ran::default();
        let app = Router::new()
            .route("/ticks", any(ticks))
            .route("/silent", any(silent))
            .route("/socket", any(socket))
            .route("/panic", any(panics))
            .fallback(told)
            .with_state(Arc::clone(&ran))
            .layer(layer);
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let mut shop = Self::at(&format!("http://{address}"));
        (shop.ran, shop.task) = (ran, Some(task.abort_handle()));
        shop
    }

    /// One that another process serves.
    pub fn at(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            client: client(),
            ran: Ran::default(),
            task: None,
        }
    }

    /// What ran so far: `GET /me as alice by carol`.
    pub fn ran(&self) -> Vec<String> {
        self.ran.lock().unwrap().clone()
    }

    pub async fn call(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
    ) -> Seen {
        exchange(&self.client, self.request(method, path, token, headers)).await
    }

    pub async fn get(&self, token: &str) -> Seen {
        self.call(Method::GET, "/me", token, &[]).await
    }

    fn request(
        &self,
        method: Method,
        path: &str,
        token: &str,
        headers: &[(&str, &str)],
    ) -> http::Request<Full<Bytes>> {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.body(Full::default()).unwrap()
    }

    /// An answer that goes on without an end, after its first bytes.
    pub async fn open(&self, path: &str, token: &str) -> Going {
        let sent = self
            .client
            .request(self.request(Method::GET, path, token, &[]));
        let response = timeout(PATIENCE, sent).await.unwrap().unwrap();
        assert_eq!(response.status(), 200, "{path}");
        let mut going = Going(response.into_body());
        going.goes_on().await;
        going
    }

    /// A connection that the handler took over, after its first words.
    pub async fn socket(&self, token: &str) -> TcpStream {
        let mut stream = TcpStream::connect(&self.url["http://".len()..])
            .await
            .unwrap();
        let head = "GET /socket HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: talk\r\n";
        let request = format!("{head}authorization: Bearer {token}\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let said = read_to(&mut stream, b"\r\n\r\n").await;
        assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
        assert_eq!(read_to(&mut stream, b"\n").await, "alice by carol\n");
        stream
    }
}

impl Drop for Shop {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

async fn read_to(stream: &mut TcpStream, end: &[u8]) -> String {
    let mut said = Vec::new();
    while !said.ends_with(end) {
        let byte = timeout(PATIENCE, stream.read_u8()).await;
        said.push(byte.unwrap().unwrap());
    }
    String::from_utf8(said).unwrap()
}

/// Reads until the connection is closed, and tells how long that took and what was said last.
pub async fn closed(mut stream: TcpStream, since: Instant) -> (Duration, String) {
    let mut said = String::new();
    let read = timeout(PATIENCE, stream.read_to_string(&mut said)).await;
    read.expect("the socket goes on").unwrap();
    (since.elapsed(), said)
}

/// The body of an answer.
#[derive(Debug)]
pub struct Going(hyper::body::Incoming);

impl Going {
    pub async fn goes_on(&mut self) {
        let frame = timeout(PATIENCE, self.0.frame()).await.unwrap();
        frame.expect("it ended").expect("it was cut");
    }

    /// Reads until it is cut off, and tells how long that took. An end like any other is none.
    pub async fn cut(mut self, since: Instant) -> Duration {
        let reading = async {
            while let Some(frame) = self.0.frame().await {
                if frame.is_err() {
                    return;
                }
            }
            panic!("it ended as if nothing were missing");
        };
        timeout(PATIENCE, reading).await.expect("it goes on");
        since.elapsed()
    }
}

fn note(ran: &Ran, request: &Request) {
    let principal = request.extensions().get::<Principal>().unwrap();
    let by = match principal.impersonation() {
        Some(impersonation) => format!(" by {}", impersonation.actor().subject()),
        None => String::new(),
    };
    let (method, path, sub) = (request.method(), request.uri().path(), principal.subject());
    let line = format!("{method} {path} as {sub}{by}");
    ran.lock().unwrap().push(line);
}

async fn told(State(ran): State<Ran>, request: Request) -> impl IntoResponse {
    note(&ran, &request);
    ([("x-handler", "ran")], tell(&request))
}

async fn panics(State(ran): State<Ran>, request: Request) -> String {
    note(&ran, &request);
    panic!("a handler that panics")
}

async fn ticks(State(ran): State<Ran>, request: Request) -> Response {
    note(&ran, &request);
    AxumBody::new(Ticks(interval(Duration::from_millis(20)))).into_response()
}

/// Says one thing, and then nothing.
async fn silent(State(ran): State<Ran>, request: Request) -> Response {
    note(&ran, &request);
    AxumBody::new(Ticks(interval(Duration::from_secs(3600)))).into_response()
}

struct Ticks(Interval);

impl Body for Ticks {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        ready!(self.0.poll_tick(cx));
        Poll::Ready(Some(Ok(Frame::data(Bytes::from_static(b"tick\n")))))
    }
}

/// Takes the connection over, and leaves when the impersonation is over.
async fn socket(State(ran): State<Ran>, mut request: Request) -> Response {
    note(&ran, &request);
    let upgrade = hyper::upgrade::on(&mut request);
    let principal = request.extensions().get::<Principal>().unwrap();
    let watched = principal.impersonation().unwrap().clone();
    tokio::spawn(async move {
        let mut io = TokioIo::new(upgrade.await.unwrap());
        let name = format!("alice by {}\n", watched.actor().subject());
        io.write_all(name.as_bytes()).await.unwrap();
        watched.ended().await;
        io.write_all(b"over\n").await.unwrap();
    });
    let headers = [("connection", "upgrade"), ("upgrade", "talk")];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// Carol acts as Alice, by a token that was minted for her.
pub struct Acting {
    pub api: Api,
    pub shop: Shop,
    pub minted: String,
    pub id: String,
}

impl Acting {
    pub async fn usual() -> Self {
        Self::with(|builder| builder, GrantLimits::default()).await
    }

    pub async fn with(layer: impl FnOnce(Builder) -> Builder, limits: GrantLimits) -> Self {
        let api = Api::with(layer, |manage| manage.starts_per_minute(1000), limits).await;
        Self::begun(api, serde_json::json!({ "reason": "case 4711" })).await
    }

    pub async fn begun(api: Api, order: Value) -> Self {
        let (minted, id) = api.begin(&api.carol(), order).await;
        let shop = Shop::behind(api.layer.clone()).await;
        Self {
            api,
            shop,
            minted,
            id,
        }
    }

    /// The token acts as Alice, and Carol is told to be there.
    pub async fn assert_acts(&self) {
        let seen = self.shop.get(&self.minted).await;
        seen.assert_ran_as("alice", Some("carol"));
    }

    /// The token is good for nothing: 401, nothing runs, and the denial names both.
    pub async fn assert_over(&self) {
        let denied = self.denials().len();
        let seen = self.shop.get(&self.minted).await;
        seen.assert_refused(401);
        assert_eq!(seen.body["error"], "invalid_token", "{seen:?}");
        let denials = self.denials();
        assert_eq!(denials.len(), denied + 1, "{denials:?}");
        assert_both(&denials[denied]);
    }

    pub fn denials(&self) -> Vec<Value> {
        self.api
            .desk
            .events(tower_impersonate::audit::EventName::Denied)
    }

    pub async fn grant(&self) -> Grant {
        grant(&self.api, &self.id).await
    }

    /// By the store and by the audit it ended once, for this reason.
    pub async fn assert_ended(&self, reason: &str) -> Value {
        assert_ended(&self.api, &self.id, reason).await
    }
}

/// Carol and Alice stand in it, Alice perhaps only as the one who was asked for.
#[track_caller]
pub fn assert_both(event: &Value) {
    assert_eq!(event["impersonation.actor.sub"], "carol", "{event}");
    let target = [
        &event["impersonation.target.sub"],
        &event["impersonation.wanted"],
    ];
    assert!(target.into_iter().any(|sub| sub == "alice"), "{event}");
}

pub async fn grant(api: &Api, id: &str) -> Grant {
    let found = api.grants.find(&id.parse().unwrap()).await.unwrap();
    found.expect("the grant")
}

/// By the store and by the audit the grant ended once, for this reason; the event.
pub async fn assert_ended(api: &Api, id: &str, reason: &str) -> Value {
    let end = grant(api, id).await.state().end.clone();
    let kept = end.map(|end| end.reason.as_str());
    assert_eq!(kept, Some(reason));
    let ends = ends(api, id);
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["impersonation.end.reason"], reason);
    ends.into_iter().next().unwrap()
}

/// The events that tell of the end of that grant.
pub fn ends(api: &Api, id: &str) -> Vec<Value> {
    let events = api.desk.sink.events().into_iter();
    events
        .filter(|event| event["impersonation.end.reason"].is_string())
        .filter(|event| event["impersonation.grant.id"] == id)
        .collect()
}

/// Waits until it is so.
pub async fn until(what: &str, is_so: impl Fn() -> bool) {
    let waiting = async {
        while !is_so() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(PATIENCE, waiting).await.expect(what);
}

/// Asks for an impersonation of the one of that name.
pub async fn start(api: &Api, name: &str, token: &str, mut order: Value) -> Seen {
    order["audience"] = crate::support::AUDIENCE.into();
    let path = format!("/{name}/impersonate");
    api.post(&path, token, order).await
}

/// How many grants there are, alive or ended.
pub async fn grants(api: &Api) -> usize {
    let all = api.grants.list(&Filter::default(), &Page::first()).await;
    all.unwrap().len()
}
