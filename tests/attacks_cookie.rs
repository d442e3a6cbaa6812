//! Cookie mode over a socket: a browser keeps the session and the grant beside it, and neither does alone what
//! only both may do.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/faulty_store.rs"]
mod faulty_store;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::sync::atomic::Ordering;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use desk_api::Api;
use faulty_store::{FaultyStore, STEPS};
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use support::expect::Fault;
use support::{Desk, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::browser::Origins;
use tower_impersonate::grant::{GrantLimits, Grants};
use tower_impersonate::resolve;
use tower_impersonate::token::CookieToken;

const PAGE: &str = "https://desk.example.com";
const OURS: (&str, &str) = ("origin", PAGE);
const START: &str = "/users/Alice/impersonate";
const NAME: &str = "__Host-impersonation";

async fn in_browsers() -> Api {
    let layer = |builder: tower_impersonate::middleware::Builder| {
        let session = CookieToken::new("__Host-session", Origins::new([PAGE]).unwrap());
        builder
            .extract_token(session.unwrap())
            .resolve(resolve::cookie([PAGE]))
    };
    Api::with(layer, |manage| manage, GrantLimits::default()).await
}

/// What a browser sends: these cookies, and what it says of the page.
async fn browse(
    api: &Api,
    (method, path): (Method, &str),
    cookies: &[&str],
    headers: &[(&str, &str)],
    body: Value,
) -> Seen {
    let mut request = Request::builder()
        .method(method)
        .uri(format!("{}{path}", api.url));
    if !cookies.is_empty() {
        request = request.header("cookie", cookies.join("; "));
    }
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let bytes = match body {
        Value::Null => Bytes::new(),
        body => {
            request = request.header("content-type", "application/json");
            Bytes::from(body.to_string())
        }
    };
    api.send(request.body(Full::new(bytes)).unwrap()).await
}

fn session(token: &str) -> String {
    format!("__Host-session={token}")
}

async fn start(api: &Api, session: &str, body: Value) -> Seen {
    browse(api, (Method::POST, START), &[session], &[OURS], body).await
}

/// The cookie that a start gave, as a browser sends it back.
fn given(seen: &Seen) -> String {
    assert_eq!(seen.status, 200, "{seen:?}");
    let set = seen.header("set-cookie").unwrap();
    let (pair, attributes) = set.split_once(';').unwrap();
    assert_eq!(attributes, " Path=/; Secure; HttpOnly; SameSite=Strict");
    let secret = pair.strip_prefix("__Host-impersonation=").unwrap();
    assert_eq!(secret.len(), 43);
    pair.to_owned()
}

fn is_cleared(seen: &Seen) -> bool {
    let text = format!("{NAME}=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict");
    seen.header("set-cookie") == Some(&text)
}

fn ran_as(seen: &Seen, sub: &str, actor: Option<&str>) {
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(
        (&seen.body["sub"], seen.body["actor"].as_str()),
        (&json!(sub), actor)
    );
    let names = seen.body["headers"].as_array().unwrap();
    if actor.is_some() {
        assert!(!names.contains(&json!("cookie")), "{names:?}");
    }
}

#[tokio::test]
async fn a_browser_s_whole_impersonation() {
    let api = in_browsers().await;
    let carol = session(&api.carol());
    let begun = start(&api, &carol, json!({ "cookie": true, "reason": "T-1" })).await;
    let cookie = given(&begun);
    let data = &begun.body["data"];
    assert_eq!(
        (&data["type"], &data["id"]),
        (&json!("impersonation"), &json!("Alice"))
    );
    assert_eq!(data["attributes"].get("token"), None);
    assert_eq!(data["attributes"]["expires_in"], 3600);
    let grant = data["attributes"]["grant"].as_str().unwrap().to_owned();
    let both = [&*carol, &*cookie];

    let me = browse(&api, (Method::GET, "/me"), &both, &[], Value::Null).await;
    ran_as(&me, "alice", Some("carol"));
    assert_eq!(
        (&me.body["strategy"], &me.body["reason"]),
        (&json!("cookie"), &json!("T-1"))
    );
    let wrote = browse(&api, (Method::POST, "/write"), &both, &[OURS], Value::Null).await;
    ran_as(&wrote, "alice", Some("carol"));
    // One's own renewal works from within.
    let extend = format!("/grants/{grant}/extend");
    let extended = browse(&api, (Method::POST, &extend), &both, &[OURS], json!({})).await;
    assert_eq!(extended.status, 200, "{extended:?}");

    let stopped = browse(
        &api,
        (Method::POST, "/grants/stop"),
        &both,
        &[OURS],
        Value::Null,
    )
    .await;
    assert_eq!(stopped.status, 204, "{stopped:?}");
    assert!(is_cleared(&stopped), "{stopped:?}");
    let own = browse(&api, (Method::GET, "/me"), &[&carol], &[], Value::Null).await;
    ran_as(&own, "carol", None);
    // A tab that still has it does not act as the administrator.
    let late = browse(&api, (Method::POST, "/write"), &both, &[OURS], Value::Null).await;
    assert_eq!(
        (late.status.as_u16(), is_cleared(&late)),
        (403, true),
        "{late:?}"
    );
    let ended = &api.desk.events(EventName::Ended)[0];
    assert_eq!(ended["impersonation.end.reason"], "stopped");
    assert_eq!(ended["impersonation.strategy"], "cookie");
}

#[tokio::test]
async fn its_secret_stands_nowhere_but_in_the_cookie() {
    let api = in_browsers().await;
    let begun = start(&api, &session(&api.carol()), json!({ "cookie": true })).await;
    let cookie = given(&begun);
    let secret = cookie.split_once('=').unwrap().1;
    let base64 = base64::engine::general_purpose::URL_SAFE_NO_PAD;
    let digest = Sha256::digest(base64.decode(secret).unwrap());
    let grant = begun.body["data"]["attributes"]["grant"].as_str().unwrap();
    assert_eq!(grant, base64.encode(digest));
    let audit = format!("{:?}", api.desk.sink.events());
    assert!(audit.contains(grant) && !audit.contains(secret));
    assert!(!begun.body.to_string().contains(secret));
}

/// The grant's cookie is nothing without its own actor's session, and no page of somebody else's can use it.
#[tokio::test]
async fn a134_the_cookie_alone_and_in_wrong_hands() {
    let api = in_browsers().await;
    let carol = session(&api.carol());
    let cookie = given(&start(&api, &carol, json!({ "cookie": true })).await);
    let erin = session(&api.security());
    let other = format!("{NAME}={}", "A".repeat(43));
    let short = format!("{NAME}=x");
    let bearer = format!("Bearer {}", api.carol());
    let upgrade = ("upgrade", "websocket");
    let evil = ("origin", "https://evil.example");
    for (what, method, cookies, headers, status) in [
        ("no session", Method::GET, &[&*cookie][..], &[][..], 401),
        (
            "another's session",
            Method::GET,
            &[&erin, &cookie],
            &[],
            403,
        ),
        ("a guess", Method::GET, &[&carol, &other], &[], 403),
        ("no secret", Method::GET, &[&carol, &short], &[], 400),
        (
            "two of them",
            Method::GET,
            &[&carol, &cookie, &cookie],
            &[],
            400,
        ),
        (
            "two different",
            Method::GET,
            &[&carol, &cookie, &other],
            &[],
            400,
        ),
        (
            "two sessions",
            Method::GET,
            &[&carol, &erin, &cookie],
            &[],
            400,
        ),
        (
            "session and bearer",
            Method::GET,
            &[&carol, &cookie],
            &[("authorization", &*bearer)],
            400,
        ),
        (
            "beside a header",
            Method::GET,
            &[&carol, &cookie],
            &[("impersonate-user", "alice")],
            400,
        ),
        (
            "a write from nowhere",
            Method::POST,
            &[&carol, &cookie],
            &[],
            403,
        ),
        (
            "a write from elsewhere",
            Method::POST,
            &[&carol, &cookie],
            &[evil],
            403,
        ),
        (
            "a write of a neighbour",
            Method::POST,
            &[&carol, &cookie],
            &[("sec-fetch-site", "same-site")],
            403,
        ),
        (
            "an upgrade from elsewhere",
            Method::GET,
            &[&carol, &cookie],
            &[evil, upgrade],
            403,
        ),
        (
            "an upgrade from nowhere",
            Method::GET,
            &[&carol, &cookie],
            &[upgrade],
            403,
        ),
    ] {
        let seen = browse(&api, (method, "/write"), cookies, headers, Value::Null).await;
        assert_eq!(seen.status, status, "{what}: {seen:?}");
        assert!(seen.body.get("sub").is_none(), "{what}: the handler ran");
    }
    // The control.
    let me = browse(
        &api,
        (Method::GET, "/write"),
        &[&carol, &cookie],
        &[],
        Value::Null,
    )
    .await;
    ran_as(&me, "alice", Some("carol"));
}

#[tokio::test]
async fn a134_who_gets_a_cookie() {
    let api = in_browsers().await;
    let carol = session(&api.carol());
    for (what, headers) in [
        ("from nowhere", &[][..]),
        ("from elsewhere", &[("origin", "https://evil.example")][..]),
        ("from a neighbour", &[("sec-fetch-site", "same-site")][..]),
    ] {
        let body = json!({ "cookie": true });
        let seen = browse(&api, (Method::POST, START), &[&carol], headers, body).await;
        assert_eq!(seen.status, 403, "{what}: {seen:?}");
        assert!(seen.header("set-cookie").is_none(), "{what}");
    }
    // A bearer token proves who asks, and no page: what sets a cookie must come from one.
    let bearer = api
        .post(START, &api.carol(), json!({ "cookie": true }))
        .await;
    assert_eq!(bearer.status, 403, "{bearer:?}");
    assert_eq!(api.desk.denial()["impersonation.deny.rule"], "cross_site");
    for (body, field) in [
        (json!({ "cookie": "yes" }), "cookie"),
        (
            json!({ "cookie": true, "audience": support::AUDIENCE }),
            "audience",
        ),
    ] {
        let seen = start(&api, &carol, body).await;
        assert_eq!(
            (seen.status.as_u16(), &seen.body["field"]),
            (400, &json!(field))
        );
    }
    assert!(api.desk.events(EventName::Started).is_empty());

    let plain = Api::start().await;
    let seen = plain
        .post(START, &plain.carol(), json!({ "cookie": true }))
        .await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["field"]),
        (400, &json!("cookie"))
    );
}

/// What a cookie says is kept nowhere, so that another one means another grant.
#[tokio::test]
async fn a_lost_cookie_is_replaced_and_never_told_again() {
    let api = in_browsers().await;
    let carol = session(&api.carol());
    let lost = given(&start(&api, &carol, json!({ "cookie": true })).await);
    let again = start(&api, &carol, json!({ "cookie": true })).await;
    assert_eq!(again.status, 409, "{again:?}");
    let cookie = given(&start(&api, &carol, json!({ "cookie": true, "replace": true })).await);
    assert_ne!(cookie, lost);
    let old = browse(
        &api,
        (Method::GET, "/me"),
        &[&carol, &lost],
        &[],
        Value::Null,
    )
    .await;
    assert_eq!((old.status.as_u16(), is_cleared(&old)), (403, true));
    let new = browse(
        &api,
        (Method::GET, "/me"),
        &[&carol, &cookie],
        &[],
        Value::Null,
    )
    .await;
    ran_as(&new, "alice", Some("carol"));
    let ended = &api.desk.events(EventName::Ended)[0];
    assert_eq!(ended["impersonation.end.reason"], "replaced");
}

#[tokio::test]
async fn a74_cookies_that_somebody_made_up_do_not_pile_up_while_the_store_is_silent() {
    let store = FaultyStore::new();
    let layer = |builder: tower_impersonate::middleware::Builder| {
        let session = CookieToken::new("__Host-session", Origins::new([PAGE]).unwrap());
        builder
            .extract_token(session.unwrap())
            .resolve(resolve::cookie([PAGE]))
    };
    let grants = Grants::new(store.clone());
    let api = Api::at(Desk::new(), grants, layer, |manage| manage).await;
    let carol = session(&api.carol());
    let own = given(&start(&api, &carol, json!({ "cookie": true })).await);
    let erin = session(&api.desk.token("erin", &["support"]).sign());
    store.fails(STEPS, Fault::Errs);
    let stop = async |who: &str, cookie: &str| {
        let to = (Method::POST, "/grants/stop");
        browse(&api, to, &[who, cookie], &[OURS], Value::Null).await
    };
    for number in 0..20 {
        let secret = URL_SAFE_NO_PAD.encode([number; 32]);
        let made_up = format!("{NAME}={secret}");
        assert_eq!(stop(&erin, &made_up).await.status, 503);
    }
    assert_eq!(stop(&carol, &own).await.status, 503);
    store.is_well();
    let before = store.asked.load(Ordering::SeqCst);
    api.grants.sweep().await.unwrap();
    assert_eq!(store.asked.load(Ordering::SeqCst) - before, 8 + 1);
    let ended = api.desk.events(EventName::Ended);
    assert_eq!(ended.len(), 1, "Carol's own: {ended:?}");
}
