//! Paths, hosts and versions: nothing about where a request goes decides whether it comes in.
//!
//! A-159: the layer has no list of public routes. Only `skip_preflight` and `anonymous` let a request
//! without a credential through, and neither looks at the path; what is public stands outside of the
//! layer, in the router. A-160: inside `route_layer` only routes that match are covered, as axum says;
//! outside of the router everything is.

mod support;

#[path = "support/net.rs"]
mod net;
#[path = "support/wire.rs"]
mod wire;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Body;
use axum::routing::get as route;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use support::Desk;
use tower::ServiceExt;
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::EventName;
use wire::{REQUEST, Wire};

const PLAIN: &str = r#"Bearer realm="api""#;

/// Counts what runs: `/orders` and `/admin` under `/api`, and a fallback.
fn router(ran: &Arc<AtomicUsize>) -> Router {
    let counted = |name: &'static str| {
        let ran = Arc::clone(ran);
        move || {
            ran.fetch_add(1, Ordering::SeqCst);
            async move { name }
        }
    };
    let missing = {
        let nowhere = counted("nowhere");
        move || {
            let nowhere = nowhere();
            async move { (StatusCode::NOT_FOUND, nowhere.await) }
        }
    };
    let api = Router::new()
        .route("/orders", route(counted("orders")))
        .route("/admin", route(counted("admin")));
    Router::new().nest("/api", api).fallback(missing)
}

/// Ways of writing a path that some part of a stack may take for another.
const ODD: [&str; 20] = [
    "/api/orders",
    "/api/orders/",
    "//api/orders",
    "/api//orders",
    "/./api/orders",
    "/api/./orders",
    "/public/../api/orders",
    "/public/%2e%2e/api/orders",
    "/api%2forders",
    "/api%2Forders",
    "/api/%6frders",
    "/api/orders;jsessionid=1",
    "/public;/api/orders",
    "/API/orders",
    "/api/orders%00",
    "/api/orders?public",
    "/api/orders%3fpublic",
    "/api\\orders",
    "/nowhere",
    "/",
];

fn head(method: &str, target: &str, token: Option<&str>) -> String {
    let bearer = token.map(|token| format!("authorization: Bearer {token}\r\n"));
    let bearer = bearer.unwrap_or_default();
    format!("{method} {target} HTTP/1.1\r\nhost: desk.example.com\r\n{bearer}\r\n")
}

#[tokio::test]
async fn a159_no_way_of_writing_a_path_comes_in_without_a_credential() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let layers = [
        desk.layer(),
        desk.builder().skip_preflight().build().unwrap(),
    ];
    for layer in layers {
        let wire = Wire::around(&layer, router(&ran)).await;
        let mut answers = Vec::new();
        for path in ODD {
            let absolute = format!("http://desk.example.com{path}");
            for target in [path, &absolute] {
                for method in ["GET", "POST", "OPTIONS"] {
                    let heard = wire.raw(head(method, target, None)).await;
                    heard.assert_refused(401, "missing_credential");
                    assert_eq!(heard.headers["www-authenticate"], PLAIN);
                    answers.push(heard.text);
                }
            }
        }
        answers.dedup();
        assert_eq!(answers.len(), 1, "nobody can tell what there is");
        assert_eq!(ran.load(Ordering::SeqCst), 0);
    }
    desk.assert_silent();
    // With a credential the router decides, byte for byte.
    let wire = Wire::around(&desk.layer(), router(&ran)).await;
    for path in ODD {
        let heard = wire.raw(head("GET", path, Some(&desk.alice()))).await;
        let known = matches!(path, "/api/orders" | "/api/orders?public" | "/api/%6frders");
        assert_eq!(heard.cause, None);
        let named = known && heard.text.ends_with("orders");
        let nowhere = heard.status == 404 && heard.text.ends_with("nowhere");
        assert!(named || nowhere, "{path} {heard:?}");
    }
    assert_eq!(ran.load(Ordering::SeqCst), ODD.len());
}

/// Public routes beside private ones that the layer is around.
fn partly_public(layer: &ImpersonationLayer, ran: &Arc<AtomicUsize>) -> Router {
    let open = Router::new().route("/public", route(|| async { "open" }));
    open.merge(router(ran).layer(layer.clone()))
}

async fn send(app: &Router, method: &str, path: &str, token: Option<&str>) -> (u16, String) {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(token) = token {
        request = request.header("authorization", format!("Bearer {token}"));
    }
    let request = request.body(Body::empty()).unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let status = response.status().as_u16();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

#[tokio::test]
async fn a159_a_public_route_beside_opens_no_other() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let app = partly_public(&desk.layer(), &ran);
    assert_eq!(
        send(&app, "GET", "/public", None).await,
        (200, "open".into())
    );
    for path in ODD.iter().filter(|path| path.parse::<http::Uri>().is_ok()) {
        let (status, _) = send(&app, "GET", path, None).await;
        assert_eq!(status, 401, "{path}");
    }
    for path in [
        "/public/",
        "//public",
        "/public/x",
        "/PUBLIC",
        "/public;x",
        "/publi%63/x",
    ] {
        let (status, _) = send(&app, "GET", path, None).await;
        assert_eq!(status, 401, "{path}");
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    let orders = send(&app, "GET", "/api/orders", Some(&desk.alice())).await;
    assert_eq!(orders, (200, "orders".into()));
}

#[tokio::test]
async fn a160_unknown_paths_and_methods_tell_nothing_where_the_layer_is_outside() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let inner = || {
        let api = Router::new().route("/orders", route(|| async { "orders" }));
        Router::new().nest("/api", api)
    };
    // `layer` covers routes, nested ones and the fallback, `route_layer` what matches.
    let covered = inner().layer(desk.layer());
    let fallback = router(&ran).layer(desk.layer());
    let routes = inner().route_layer(desk.layer());
    let alice = desk.alice();
    let token = Some(&*alice);
    for (method, path, status) in [
        ("GET", "/api/orders", 200),
        ("POST", "/api/orders", 405),
        ("GET", "/api/nowhere", 404),
        ("GET", "/nowhere", 404),
        ("GET", "/", 404),
    ] {
        let anonymous = send(&covered, method, path, None).await;
        assert_eq!(anonymous.0, 401, "{method} {path}");
        assert_eq!(send(&fallback, method, path, None).await, anonymous);
        assert_eq!(send(&covered, method, path, token).await.0, status);
        let (bare, body) = send(&routes, method, path, None).await;
        if status == 404 {
            // Which routes there are can be seen from outside, as axum says. Nothing else can.
            assert_eq!((bare, &*body), (404, ""), "{method} {path}");
        } else {
            assert_eq!((bare, body), anonymous);
        }
        assert_eq!(send(&routes, method, path, token).await.0, status);
    }
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    desk.assert_silent();
}

#[tokio::test]
async fn a160_an_attempt_at_an_unknown_path_is_decided_and_recorded_like_any_other() {
    let desk = Desk::new();
    let ran = Arc::default();
    let wire = Wire::around(&desk.layer(), router(&ran)).await;
    let attempt = |token: &str, path: &str| {
        let head = head("GET", path, Some(token));
        wire.raw(head.replace("\r\n\r\n", "\r\nimpersonate-user: bob\r\n\r\n"))
    };
    let heard = attempt(&desk.alice(), "/nowhere").await;
    heard.assert_refused(403, "denied by in_group(support)");
    desk.assert_denied("alice", None, "in_group(support)");
    let heard = attempt(&desk.carol(), "//api/orders?token=secret").await;
    assert_eq!((heard.status, heard.cause), (404, None));
    assert_eq!(
        desk.events(EventName::Request)[0]["url.path"],
        "//api/orders"
    );
    let completed = &desk.events(EventName::Completed)[0];
    assert_eq!(completed["http.response.status_code"], 404);
    assert_eq!(completed["impersonation.outcome"], "failure");
}

#[tokio::test]
async fn a161_version_host_and_authority_have_no_say_over_http1() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let carol = desk.carol();
    for first in [
        "GET /orders HTTP/1.0\r\n",
        "GET /orders HTTP/1.0\r\nhost: desk.example.com\r\n",
        "GET /orders HTTP/1.1\r\n",
        "GET /orders HTTP/1.1\r\nhost: issuer.example.com\r\n",
        "GET /orders HTTP/1.1\r\nhost: \r\n",
        "GET /orders HTTP/1.1\r\nhost: a\r\nhost: b\r\n",
        "GET http://desk.example.com/orders HTTP/1.1\r\nhost: evil.example.com\r\n",
        "GET http://127.0.0.1/orders HTTP/1.0\r\n",
        "GET http://root:root@desk.example.com/orders HTTP/1.1\r\nhost: a\r\n",
        "GET https://desk.example.com/orders HTTP/1.1\r\nhost: a\r\nx-forwarded-proto: http\r\n",
    ] {
        let heard = wire.raw(format!("{first}\r\n")).await;
        heard.assert_refused(401, "missing_credential");
        let bad = format!("{first}authorization: Bearer bad\r\n\r\n");
        let heard = wire.raw(bad).await;
        heard.assert_refused(401, "token is not three base64url parts");
        desk.assert_silent();
        let bearer = format!("authorization: Bearer {carol}\r\n");
        let heard = wire.raw(format!("{first}{bearer}\r\n")).await;
        heard.assert_ran_as(Some("carol"), None);
        let header = "impersonate-user: alice\r\n";
        let heard = wire.raw(format!("{first}{bearer}{header}\r\n")).await;
        heard.assert_ran_as(Some("alice"), Some("carol"));
        heard.assert_clean();
        let event = &desk.events(EventName::Request)[0];
        assert_eq!(event["url.path"], "/orders", "neither host nor userinfo");
        assert!(!event.to_string().contains("root"), "{event}");
        desk.assert_recorded("carol", Some("alice"));
        let listed = "connection: keep-alive, impersonate-user\r\n";
        let heard = wire.raw(format!("{first}{bearer}{listed}\r\n")).await;
        heard.assert_refused(400, "an impersonation header listed in connection");
        desk.sink.clear();
    }
}

#[tokio::test]
async fn a161_an_authority_that_is_not_the_host_has_no_say_over_http2() {
    let desk = Desk::new();
    let wire = Wire::start(&desk.layer()).await;
    let bearer = format!("Bearer {}", desk.carol());
    for (authority, host) in [
        (&b"desk.example.com"[..], None),
        (b"desk.example.com", Some(&b"desk.example.com"[..])),
        (b"desk.example.com", Some(b"evil.example.com")),
        (b"issuer.example.com:443", Some(b"127.0.0.1")),
        (b"root@desk.example.com", None),
    ] {
        let mut fields: Vec<(&str, &[u8])> = REQUEST.to_vec();
        fields[3].1 = authority;
        fields.extend(host.map(|host| ("host", host)));
        let heard = wire.frames(&fields, None).await;
        heard.assert_refused(401, "missing_credential");
        fields.push(("authorization", bearer.as_bytes()));
        let heard = wire.frames(&fields, None).await;
        heard.assert_ran_as(Some("carol"), None);
        fields.push(("impersonate-user", b"alice"));
        let heard = wire.frames(&fields, None).await;
        heard.assert_ran_as(Some("alice"), Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
    }
}
