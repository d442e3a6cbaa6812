//! What the tests share: a desk with an issuer, people, a policy, a recording sink, and a handler that
//! tells what it saw.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

pub mod expect;
pub mod schema;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt, Full};
use serde_json::{Value, json};
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_impersonate::audit::EventName;
use tower_impersonate::directory::MemoryDirectory;
use tower_impersonate::middleware::Builder;
use tower_impersonate::testing::{ManualClock, RecordingSink, TestIssuer, TokenBuilder};
use tower_impersonate::{
    Identity, ImpersonationLayer, Issuer, Principal, directory, policy, resolve,
};

pub const ISSUER: &str = "https://issuer.example.com";
pub const AUDIENCE: &str = "desk-api";

/// Alice and Bob are customers, Carol and Dora work for the support team, Root is an administrator,
/// Dave is disabled, and two people are called Sam.
pub struct Desk {
    pub issuer: TestIssuer,
    pub clock: ManualClock,
    pub sink: RecordingSink,
    pub users: MemoryDirectory,
    pub ran: Arc<AtomicUsize>,
    /// What it recorded is held to the schema in the end.
    _schema: schema::Held,
}

impl Desk {
    pub fn new() -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::offline(ISSUER).with_clock(clock.clone());
        let person = |sub: &str, name: &str, groups: &[&str]| {
            Identity::new(ISSUER, sub)
                .with_username(name)
                .with_groups(groups.to_vec())
                .with_attribute("email", format!("{sub}@example.com"))
                .enabled_account()
        };
        let users = directory::memory([
            person("alice", "Alice", &["customers", "beta"]),
            person("bob", "Bob", &["customers"]),
            person("carol", "Carol", &["support"]),
            person("dora", "Dora", &["support"]),
            person("root", "Root", &["admins"]),
            person("dave", "Dave", &["customers"]).disabled_account(),
            person("sam-1", "Sam", &["customers"]),
            person("sam-2", "Sam", &["customers"]),
        ]);
        let sink = RecordingSink::new();
        Self {
            issuer,
            clock,
            _schema: schema::Held(sink.clone()),
            sink,
            users,
            ran: Arc::default(),
        }
    }

    /// The issuer as the layer is configured with it.
    pub fn accepted(&self) -> Issuer {
        self.issuer
            .issuer()
            .audiences([AUDIENCE])
            .groups_claim("groups")
    }

    /// A builder that lacks nothing but strategies and a policy.
    pub fn bare(&self) -> Builder {
        self.bare_unrecorded().audit(self.sink.clone())
    }

    /// The same, without an audit.
    pub fn bare_unrecorded(&self) -> Builder {
        ImpersonationLayer::builder()
            .clock(self.clock.clone())
            .directory(self.users.clone())
    }

    /// The usual desk: support may act by header as everybody but administrators.
    pub fn builder(&self) -> Builder {
        self.unrecorded().audit(self.sink.clone())
    }

    /// The same, without an audit.
    pub fn unrecorded(&self) -> Builder {
        let policy = policy::in_group("support").except(policy::target_in_group("admins"));
        self.bare_unrecorded()
            .issuer(self.accepted())
            .resolve(resolve::header("impersonate-user"))
            .policy(policy)
    }

    /// The usual desk, without a policy.
    pub fn undecided(&self) -> Builder {
        self.bare()
            .issuer(self.accepted())
            .resolve(resolve::header("impersonate-user"))
    }

    pub fn layer(&self) -> ImpersonationLayer {
        self.builder().build().unwrap()
    }

    /// A token that is good for an hour.
    pub fn token(&self, sub: &str, groups: &[&str]) -> TokenBuilder {
        self.issuer
            .token(sub)
            .audience(AUDIENCE)
            .username(sub)
            .groups(groups.iter().copied())
    }

    pub fn carol(&self) -> String {
        self.token("carol", &["support"]).sign()
    }

    pub fn alice(&self) -> String {
        self.token("alice", &["customers"]).sign()
    }

    /// Sends a request through the layer to a handler that tells what it saw.
    pub async fn send(&self, layer: &ImpersonationLayer, request: Request<Full<Bytes>>) -> Seen {
        let ran = Arc::clone(&self.ran);
        let before = ran.load(Ordering::SeqCst);
        let service = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
            ran.fetch_add(1, Ordering::SeqCst);
            async move { Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(tell(&request))))) }
        }));
        let mut seen = send(service, request).await;
        seen.ran = self.ran.load(Ordering::SeqCst) > before;
        seen
    }

    /// Carol asks, with these headers beside her token.
    pub async fn as_carol(&self, layer: &ImpersonationLayer, headers: &[(&str, &str)]) -> Seen {
        self.send(layer, get(&self.carol(), headers)).await
    }

    pub fn events(&self, name: EventName) -> Vec<Value> {
        self.sink.named(name)
    }

    /// The one denial that was recorded.
    pub fn denial(&self) -> Value {
        let denials = self.events(EventName::Denied);
        assert_eq!(denials.len(), 1, "{denials:?}");
        denials.into_iter().next().unwrap()
    }
}

/// What came back, and whether the handler ran.
#[derive(Debug)]
pub struct Seen {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Value,
    pub ran: bool,
    pub rejection: Option<tower_impersonate::rejection::Rejection>,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The answer to a bad request of any kind: this status, and the handler did not run.
    #[track_caller]
    pub fn assert_refused(&self, status: u16) {
        assert_eq!(
            (self.status.as_u16(), self.ran),
            (status, false),
            "{self:?}"
        );
    }

    /// The handler ran as this one, and by that actor if there is one.
    #[track_caller]
    pub fn assert_ran_as(&self, sub: &str, actor: Option<&str>) {
        assert_eq!((self.status.as_u16(), self.ran), (200, true), "{self:?}");
        assert_eq!(self.body["sub"], sub);
        assert_eq!(self.body["actor"].as_str(), actor);
    }
}

pub async fn send<S, B, R>(service: S, request: Request<B>) -> Seen
where
    S: Service<Request<B>, Response = Response<R>>,
    S::Error: std::fmt::Debug,
    R: Body,
    R::Error: std::fmt::Debug,
{
    let response = service.oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    let bytes = body.collect().await.unwrap().to_bytes();
    let body = serde_json::from_slice(&bytes)
        .unwrap_or_else(|_| Value::from(String::from_utf8_lossy(&bytes).into_owned()));
    let rejection = parts.extensions.get().cloned();
    Seen {
        status: parts.status,
        headers: parts.headers,
        body,
        ran: rejection.is_none(),
        rejection,
    }
}

/// What a handler sees of a request.
pub fn tell<B>(request: &Request<B>) -> String {
    let headers: Vec<_> = request
        .headers()
        .keys()
        .map(|name| name.as_str().to_owned())
        .collect();
    let principal = request.extensions().get::<Principal>();
    let identity = principal.map(Principal::identity);
    let groups = identity.and_then(|identity| identity.groups());
    json!({
        "sub": identity.map(|identity| identity.subject()),
        "iss": identity.map(|identity| identity.issuer()),
        "username": identity.and_then(|identity| identity.username()),
        "groups": groups.map(|groups| groups.iter().collect::<Vec<_>>()),
        "email": identity.and_then(|identity| identity.text("email")),
        "anonymous": principal.map(Principal::is_anonymous),
        "actor": principal.and_then(Principal::impersonation).map(|i| i.actor().subject()),
        "mode": principal.and_then(Principal::impersonation).map(|i| i.mode().as_str()),
        "strategy": principal.and_then(Principal::impersonation).map(|i| i.strategy().as_str()),
        "reason": principal.and_then(Principal::impersonation).and_then(|i| i.reason().map(str::to_owned)),
        "headers": headers,
    })
    .to_string()
}

/// A GET request with a bearer token and more headers.
pub fn get(token: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = Request::get("/orders").header("authorization", format!("Bearer {token}"));
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    request.body(Full::default()).unwrap()
}
