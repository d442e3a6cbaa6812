//! Guarded routes in axum, over sockets and as gRPC, and connections that are upgraded. What a guard is by
//! itself is in `guards`.

mod support;

#[path = "support/net.rs"]
mod net;

use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use axum::body::Body;
use axum::extract::State;
use axum::routing::{get as on_get, post};
use axum::{Router, middleware};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty, Full};
use hyper::body::Incoming;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use hyper_util::service::TowerToHyperService;
use net::{Client, Steps, VERSIONS, serve};
use serde_json::{Value, json};
use support::expect::{ACTOR, RULE, TARGET};
use support::{Desk, get};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::audit::EventName;
use tower_impersonate::extract::{GuardRejection, NotImpersonated};
use tower_impersonate::guard::deny_while_impersonating;
use tower_impersonate::middleware::{Builder, Upgrades};
use tower_impersonate::principal::Effect;
use tower_impersonate::rejection::{Declined, Rejection, RejectionKind};
use tower_impersonate::{Impersonation, ImpersonationLayer, Principal, policy, stamp};

const AS_ALICE: (&str, &str) = ("impersonate-user", "alice");
const GUARDED: &str = "not_while_impersonating";

// --- an application ---------------------------------------------------------------------------------

/// What handlers did.
type Done = Arc<Mutex<Vec<String>>>;

fn done(log: &Done) -> Vec<String> {
    std::mem::take(&mut log.lock().unwrap())
}

async fn change_password(State(log): State<Done>, own: NotImpersonated, body: String) -> String {
    let text = format!(
        "{} set a password of {} bytes",
        own.principal().subject(),
        body.len()
    );
    log.lock().unwrap().push(text.clone());
    text
}

async fn change(State(log): State<Done>, principal: Principal) -> String {
    log.lock().unwrap().push(principal.subject().to_owned());
    "changed".to_owned()
}

/// A visit counts, which a GET should not do.
async fn visit(State(log): State<Done>, principal: Principal) -> Result<String, Declined> {
    principal.require_write().await?;
    log.lock()
        .unwrap()
        .push(format!("{} visited", principal.subject()));
    Ok("counted".to_owned())
}

/// Whoever has no second factor is sent to set one up first.
async fn home(principal: Principal) -> Result<&'static str, StatusCode> {
    if principal.side_effects().allow(Effect::EnrolmentGate) {
        return Err(StatusCode::SEE_OTHER);
    }
    Ok("home")
}

async fn attempt(guard: Result<NotImpersonated, GuardRejection>) -> String {
    match guard {
        Ok(own) => format!("as {}", own.principal().subject()),
        Err(refused) => refused.to_string(),
    }
}

/// Guarded in every way that axum knows, beside routes that are not.
fn router(log: &Done) -> Router {
    let group = Router::new()
        .route("/mfa", post(change).delete(change))
        .route("/email", post(change))
        .route_layer(deny_while_impersonating());
    let keys = Router::new().route("/keys", post(change));
    let extracted = Router::new()
        .route("/payment", post(change))
        .route_layer(middleware::from_extractor::<NotImpersonated>());
    Router::new()
        .route("/orders", on_get(change))
        .route("/password", post(change_password))
        .route("/visit", on_get(visit))
        .route("/home", on_get(home))
        .route("/attempt", on_get(attempt))
        .merge(group)
        .merge(extracted)
        .nest("/account", keys.layer(deny_while_impersonating()))
        .with_state(Arc::clone(log))
}

const SENSITIVE: [(&str, &str); 6] = [
    ("POST", "/password"),
    ("POST", "/mfa"),
    ("DELETE", "/mfa"),
    ("POST", "/email"),
    ("POST", "/payment"),
    ("POST", "/account/keys"),
];

fn ask(method: &str, path: &str, token: &str, headers: &[(&str, &str)]) -> Request<Body> {
    let mut request = get(token, headers).map(|_| Body::from("hunter22"));
    *request.method_mut() = method.parse().unwrap();
    *request.uri_mut() = path.parse().unwrap();
    request
}

async fn send(app: &Router, request: Request<Body>) -> (StatusCode, http::HeaderMap, String) {
    let (parts, body) = app.clone().oneshot(request).await.unwrap().into_parts();
    let body = body.collect().await.unwrap().to_bytes();
    (
        parts.status,
        parts.headers,
        String::from_utf8(body.to_vec()).unwrap(),
    )
}

#[tokio::test]
async fn a128_incident_a18_nobody_changes_password_factor_or_address_of_somebody_else() {
    let desk = Desk::new();
    let log = Done::default();
    let app = router(&log).layer(desk.layer());
    for (method, path) in SENSITIVE {
        let request = ask(method, path, &desk.carol(), &[AS_ALICE]);
        let response = app.clone().oneshot(request).await.unwrap();
        let kind = response
            .extensions()
            .get::<Rejection>()
            .map(Rejection::kind);
        assert_eq!(kind, Some(RejectionKind::NotWhileImpersonating), "{path}");
        assert_eq!(response.status(), 403, "{path}");
        assert_eq!(response.headers()["cache-control"], "no-store");
        assert_eq!(
            response.headers()["content-type"],
            "application/problem+json"
        );
        assert_eq!(response.headers().get_all("vary").iter().count(), 1);
        let body = response.into_body().collect().await.unwrap().to_bytes();
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(
            (&body["error"], &body["status"]),
            (&json!(GUARDED), &json!(403))
        );
        assert_eq!(done(&log), Vec::<String>::new(), "{path}");

        let denial = desk.denial();
        let told = [ACTOR, TARGET, RULE].map(|name| denial[name].as_str().unwrap());
        assert_eq!(told, ["carol", "alice", GUARDED]);
        let told = ["http.request.method", "url.path"].map(|name| &denial[name]);
        assert_eq!(told, [method, path], "also below a nested router");
        let completed = desk.events(EventName::Completed);
        assert_eq!(completed[0]["http.response.status_code"], 403);
        assert_eq!(completed[0]["impersonation.outcome"], "failure");
        assert!(!denial.to_string().contains("hunter22"));
        desk.sink.clear();

        // Alice herself does it, and so does Carol for herself.
        for (token, sub) in [(desk.alice(), "alice"), (desk.carol(), "carol")] {
            let (status, headers, _) = send(&app, ask(method, path, &token, &[])).await;
            assert_eq!(
                (status.as_u16(), headers.get("cache-control")),
                (200, None),
                "{path}"
            );
            assert!(done(&log)[0].starts_with(sub), "{path}");
        }
        desk.assert_silent();
    }
    // Beside them, impersonation goes on.
    let (status, ..) = send(&app, ask("GET", "/orders", &desk.carol(), &[AS_ALICE])).await;
    assert_eq!(
        (status.as_u16(), done(&log)),
        (200, vec!["alice".to_owned()])
    );
}

#[tokio::test]
async fn incident_a18_whoever_impersonates_is_not_stopped_by_gates_meant_for_the_user() {
    let desk = Desk::new();
    let app = router(&Done::default());
    let usual = app.clone().layer(desk.layer());
    let allowed = desk.builder().allow_effects([Effect::EnrolmentGate]);
    let allowed = app.layer(allowed.build().unwrap());
    for (app, headers, expected) in [
        (&usual, &[AS_ALICE][..], 200),
        (&usual, &[], 303),
        (&allowed, &[AS_ALICE], 303),
    ] {
        let (status, ..) = send(app, ask("GET", "/home", &desk.carol(), headers)).await;
        assert_eq!(status, expected);
    }
}

#[tokio::test]
async fn incident_a21_an_actor_named_in_the_request_is_not_believed() {
    let desk = Desk::new();
    let log = Done::default();
    let app = router(&log).layer(desk.layer());
    let named = [
        ("actor", "root"),
        ("adminuserid", "root"),
        ("x-admin-user-id", "root"),
        ("x-actor", "root"),
        ("impersonate-actor", "root"),
        ("impersonation.actor.sub", "root"),
        ("cookie", "actor=root; adminUserId=root"),
    ];
    for (headers, target) in [(&[][..], "alice"), (&named[..], "alice")] {
        let all = [&[AS_ALICE], headers].concat();
        let path = "/email?actor=root&adminUserId=root";
        let mut request = ask("POST", path, &desk.carol(), &all);
        *request.body_mut() = Body::from(r#"{"actor":"root","adminUserId":"root"}"#);
        let (status, ..) = send(&app, request).await;
        assert_eq!(status, 403);
        for event in desk.sink.events() {
            let told = [ACTOR, TARGET].map(|name| event[name].as_str().unwrap());
            assert_eq!(told, ["carol", target], "{event}");
            assert!(!event.to_string().contains("root"), "{event}");
        }
        assert_eq!(desk.sink.events().len(), 3);
        desk.sink.clear();
    }
    // Nor does anything of it start an impersonation.
    let (status, ..) = send(&app, ask("GET", "/orders", &desk.carol(), &named)).await;
    assert_eq!(
        (status.as_u16(), done(&log)),
        (200, vec!["carol".to_owned()])
    );
    desk.assert_silent();
}

#[tokio::test]
async fn p17_p19_a_handler_returns_the_refusal_with_a_question_mark() {
    let desk = Desk::new();
    let log = Done::default();
    let rule = policy::in_group("support").and(policy::read_only());
    let app = router(&log).layer(desk.undecided().policy(rule).build().unwrap());
    let (status, headers, body) =
        send(&app, ask("GET", "/visit", &desk.carol(), &[AS_ALICE])).await;
    assert_eq!((status.as_u16(), done(&log)), (403, vec![]));
    assert_eq!(headers["content-type"], "application/problem+json");
    assert!(
        headers["www-authenticate"]
            .to_str()
            .unwrap()
            .contains("insufficient_scope")
    );
    assert!(body.contains("this impersonation may only read"), "{body}");
    assert_eq!(desk.denial()[RULE], "read_only");
    // The next request writes as ever.
    let (status, ..) = send(&app, ask("GET", "/visit", &desk.carol(), &[])).await;
    assert_eq!(
        (status.as_u16(), done(&log)),
        (200, vec!["carol visited".to_owned()])
    );
}

#[tokio::test]
async fn a_handler_may_look_at_the_refusal_itself_which_is_recorded_all_the_same() {
    let desk = Desk::new();
    let app = router(&Done::default()).layer(desk.layer());
    let (status, _, body) = send(&app, ask("GET", "/attempt", &desk.carol(), &[AS_ALICE])).await;
    assert_eq!(
        (status.as_u16(), &*body),
        (200, "this cannot be done while impersonating")
    );
    assert_eq!(desk.denial()[RULE], GUARDED);
    let (_, _, body) = send(&app, ask("GET", "/attempt", &desk.carol(), &[])).await;
    assert_eq!(body, "as carol");
}

#[tokio::test]
async fn guarded_routes_without_the_layer_are_500_for_everybody() {
    let desk = Desk::new();
    let log = Done::default();
    let app = router(&log);
    for (method, path) in SENSITIVE {
        for headers in [&[][..], &[AS_ALICE]] {
            let (status, _, body) = send(&app, ask(method, path, &desk.carol(), headers)).await;
            assert_eq!(status, 500, "{path}");
            assert!(body.contains("not configured correctly"), "{body}");
        }
    }
    assert_eq!(done(&log), Vec::<String>::new());
}

#[tokio::test]
async fn a_guard_over_sockets_of_both_versions_without_a_web_framework() {
    let desk = Desk::new();
    let log = Done::default();
    let kept = Arc::clone(&log);
    let handler = service_fn(move |request: Request<Incoming>| {
        let principal = request.extensions().get::<Principal>().unwrap();
        kept.lock().unwrap().push(principal.subject().to_owned());
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("changed"))) }
    });
    let service = desk
        .layer()
        .layer(deny_while_impersonating().layer(handler));
    let address = serve(service).await;
    for version in VERSIONS {
        // One connection: whoever was refused is still connected.
        let mut client = Client::connect(version, address).await;
        for (headers, status, ran) in [
            (&[AS_ALICE][..], 403, vec![]),
            (&[], 200, vec!["carol".to_owned()]),
            (&[AS_ALICE], 403, vec![]),
        ] {
            let mut request = get(&desk.carol(), headers).map(|_| Full::from("a new password"));
            *request.method_mut() = http::Method::POST;
            let response = client.send(request).await.unwrap();
            assert_eq!(response.status(), status, "{version:?}");
            response.into_body().collect().await.unwrap();
            assert_eq!(done(&log), ran, "{version:?}");
        }
        let denials = desk.sink.wait_for(EventName::Denied, 2).await;
        assert!(denials.iter().all(|denial| denial[RULE] == GUARDED));
        desk.sink.wait_for(EventName::Completed, 2).await;
        desk.sink.clear();
    }
}

/// One service of a tonic server is guarded, the other is not.
#[tokio::test]
async fn grpc_calls_to_a_guarded_service_are_permission_denied() {
    use tonic::server::NamedService;
    use tonic::service::LayerExt;

    #[derive(Clone)]
    struct Named<const GUARDED: bool>(Done);
    impl NamedService for Named<true> {
        const NAME: &'static str = "shop.Account";
    }
    impl NamedService for Named<false> {
        const NAME: &'static str = "shop.Orders";
    }
    impl<const GUARDED: bool> tower::Service<Request<tonic::body::Body>> for Named<GUARDED> {
        type Response = Response<tonic::body::Body>;
        type Error = Infallible;
        type Future = std::future::Ready<Result<Self::Response, Infallible>>;
        fn poll_ready(
            &mut self,
            _: &mut std::task::Context<'_>,
        ) -> std::task::Poll<Result<(), Infallible>> {
            std::task::Poll::Ready(Ok(()))
        }
        fn call(&mut self, request: Request<tonic::body::Body>) -> Self::Future {
            self.0.lock().unwrap().push(request.uri().path().to_owned());
            let mut response = Response::new(tonic::body::Body::default());
            let ok = http::HeaderValue::from_static("0");
            response.headers_mut().insert("grpc-status", ok);
            std::future::ready(Ok(response))
        }
    }

    let desk = Desk::new();
    let log = Done::default();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
    let guarded = tower::ServiceBuilder::new()
        .map_response(|response: Response<_>| response.map(tonic::body::Body::new))
        .layer(deny_while_impersonating())
        .into_inner()
        .named_layer(Named::<true>(Arc::clone(&log)));
    let server = tonic::transport::Server::builder()
        .layer(desk.layer())
        .add_service(guarded)
        .add_service(Named::<false>(Arc::clone(&log)))
        .serve_with_incoming(tonic::transport::server::TcpIncoming::from(listener));
    let server = tokio::spawn(server);

    let client = hyper_util::client::legacy::Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    for (path, impersonates, status) in [
        ("/shop.Account/Close", true, "7"),
        ("/shop.Account/Close", false, "0"),
        ("/shop.Orders/List", true, "0"),
    ] {
        let mut call = Request::post(format!("http://{address}{path}"))
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .header("authorization", format!("Bearer {}", desk.carol()));
        if impersonates {
            call = call.header(AS_ALICE.0, AS_ALICE.1);
        }
        let call = call.body(Empty::<Bytes>::new()).unwrap();
        let answer = client.request(call).await.unwrap();
        assert_eq!(
            (answer.status().as_u16(), &answer.headers()["grpc-status"]),
            (200, &http::HeaderValue::from_static(status)),
            "{path}"
        );
        let expected = if status == "0" {
            vec![path.to_owned()]
        } else {
            vec![]
        };
        assert_eq!(done(&log), expected);
    }
    assert_eq!(desk.denial()[RULE], GUARDED);
    assert_eq!(desk.denial()["url.path"], "/shop.Account/Close");
    let completed = desk.sink.wait_for(EventName::Completed, 2).await;
    assert_eq!(completed[0]["impersonation.outcome"], "failure");
    server.abort();
}

// --- upgrades -----------------------------------------------------------------------------------------

/// Serves a handler that takes connections over and echoes what comes, after the name of who it takes
/// to be there.
async fn echoing(layer: &ImpersonationLayer) -> SocketAddr {
    let handler = service_fn(|mut request: Request<Incoming>| async move {
        let upgrade = hyper::upgrade::on(&mut request);
        let principal = request.extensions().get::<Principal>().unwrap();
        let watched: Option<Impersonation> = principal.impersonation().cloned();
        let name = match watched {
            Some(i) => format!("{} by {}\n", principal.subject(), i.actor().subject()),
            None => format!("{}\n", principal.subject()),
        };
        tokio::spawn(stamp::carry(async move {
            let mut io = TokioIo::new(upgrade.await.unwrap());
            io.write_all(name.as_bytes()).await.unwrap();
            let mut bytes = [0; 4];
            io.read_exact(&mut bytes).await.unwrap();
            io.write_all(&bytes).await.unwrap();
        }));
        // A tunnel has no body, whatever this says.
        let mut response = Response::new(Steps::new([]));
        if *request.method() != http::Method::CONNECT {
            *response.status_mut() = StatusCode::SWITCHING_PROTOCOLS;
            let headers = response.headers_mut();
            headers.insert("connection", http::HeaderValue::from_static("upgrade"));
            headers.insert("upgrade", http::HeaderValue::from_static("echo"));
        }
        Ok::<_, Infallible>(response)
    });
    let service = TowerToHyperService::new(layer.layer(handler));
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let address = listener.local_addr().unwrap();
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
const CONNECT: &str = "CONNECT a:443 HTTP/1.1\r\nhost: a:443\r\n";

/// The status, and what was said over the connection that came of it.
async fn talk(address: SocketAddr, head: &str, token: &str, as_alice: bool) -> (u16, String) {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let who = if as_alice {
        "impersonate-user: alice\r\n"
    } else {
        ""
    };
    let request = format!("{head}authorization: Bearer {token}\r\n{who}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    while !answer.ends_with(b"\r\n\r\n") {
        answer.push(stream.read_u8().await.unwrap());
    }
    let answer = String::from_utf8(answer).unwrap();
    let status = answer["HTTP/1.1 ".len()..][..3].parse().unwrap();
    let mut said = String::new();
    if status == 101 || status == 200 {
        stream.write_all(b"ping").await.unwrap();
        stream.read_to_string(&mut said).await.unwrap();
    }
    (status, said)
}

#[tokio::test]
async fn upgrades_pass_while_impersonating_only_where_handlers_watch_them() {
    let desk = Desk::new();
    let watching = |builder: Builder| builder.upgrades(Upgrades::HandlerWatches);
    let refusing = echoing(&desk.builder().upgrades(Upgrades::Refused).build().unwrap()).await;
    let passing = echoing(&watching(desk.builder()).build().unwrap()).await;
    for (head, success) in [(UPGRADE, 101), (CONNECT, 200)] {
        let (status, _) = talk(refusing, head, &desk.carol(), true).await;
        assert_eq!(status, 403);
        desk.assert_denied("carol", Some("alice"), "upgrade");
        let answer = talk(passing, head, &desk.carol(), true).await;
        assert_eq!(answer, (success, "alice by carol\nping".to_owned()));
        desk.sink.wait_for(EventName::Completed, 1).await;
        desk.assert_recorded("carol", Some("alice"));
        // As oneself, either way.
        for address in [refusing, passing] {
            let answer = talk(address, head, &desk.carol(), false).await;
            assert_eq!(answer, (success, "carol\nping".to_owned()));
        }
        desk.assert_silent();
    }
}

#[tokio::test]
async fn an_upgrade_does_not_pass_for_reading_unless_the_application_says_so() {
    let desk = Desk::new();
    let read_only = || {
        let rule = policy::in_group("support").and(policy::read_only());
        let builder = desk.undecided().policy(rule);
        builder.upgrades(Upgrades::HandlerWatches)
    };
    let strict = echoing(&read_only().build().unwrap()).await;
    let told = read_only().reads(|parts| parts.uri.path() == "/live");
    let told = echoing(&told.build().unwrap()).await;
    assert_eq!(talk(strict, UPGRADE, &desk.carol(), true).await.0, 403);
    desk.assert_denied("carol", Some("alice"), "read_only");
    let answer = talk(told, UPGRADE, &desk.carol(), true).await;
    assert_eq!(answer, (101, "alice by carol\nping".to_owned()));
    desk.sink.wait_for(EventName::Completed, 1).await;
    desk.assert_recorded("carol", Some("alice"));
    assert_eq!(talk(told, CONNECT, &desk.carol(), true).await.0, 403);
}
