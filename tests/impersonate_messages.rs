//! What the layer does to requests and responses on their way: which headers come off, which go on,
//! and that it stands around a handler once.

mod support;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::json;
use support::{Desk, ISSUER, get, send, tell};
use tower::{Layer, service_fn};
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::{policy, resolve};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

#[tokio::test]
async fn a127_the_actors_credential_does_not_reach_the_handler() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act().trust_claim("impersonating"))
        .resolve(resolve::act())
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::role(["org:acme"]))
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let carol = || desk.token("carol", &["support"]);
    let by_claim = carol()
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    let role = [("impersonate-group", "org:acme")];
    for (token, headers, strategy) in [
        (by_claim, &[][..], "claim"),
        (carol().sign(), AS_ALICE, "header"),
        (carol().sign(), &role, "role"),
    ] {
        let seen = desk.send(&layer, get(&token, headers)).await;
        assert_eq!(seen.body["strategy"], strategy);
        assert!(!seen.handler_got("authorization"), "{strategy}");
    }
    // This token speaks as the target already.
    let act = desk
        .token("alice", &[])
        .claim("act", json!({ "sub": "carol" }))
        .sign();
    let seen = desk.send(&layer, get(&act, &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert!(seen.handler_got("authorization"));
    let seen = desk.as_carol(&layer, &[]).await;
    assert!(
        seen.handler_got("authorization"),
        "not while nobody impersonates"
    );
}

#[tokio::test]
async fn a_credential_that_reaches_the_handler_is_marked_as_sensitive() {
    let desk = Desk::new();
    let layer = desk.layer();
    let service = layer.layer(service_fn(|request: Request<Full<Bytes>>| async move {
        let shown = json!(format!("{:?}", request.headers()));
        Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(shown.to_string()))))
    }));
    let seen = send(service, get(&desk.carol(), &[])).await;
    let shown = seen.body.as_str().unwrap();
    assert!(
        shown.contains("Sensitive") && !shown.contains("Bearer"),
        "{shown}"
    );
}

#[tokio::test]
async fn vary_names_the_headers_on_every_response_where_a_strategy_reads_some() {
    let desk = Desk::new();
    let layer = desk.layer();
    let vary = Some(
        "authorization, impersonate-user, impersonate-group, impersonate-issuer, impersonate-reason",
    );
    for request in [
        get(&desk.carol(), &[]),
        get(&desk.carol(), AS_ALICE),
        get(&desk.carol(), &[("impersonate-user", "root")]),
        get(&desk.carol(), &[("impersonate-user", "")]),
        get("a.b.c", &[]),
        Request::new(Full::default()),
    ] {
        let seen = desk.send(&layer, request).await;
        assert_eq!(seen.header("vary"), vary, "{seen:?}");
    }
    let anonymous = desk.builder().anonymous(|| ()).build().unwrap();
    let seen = desk.send(&anonymous, Request::new(Full::default())).await;
    assert_eq!((seen.ran, seen.header("vary")), (true, vary));

    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    assert_eq!(desk.as_carol(&plain, &[]).await.header("vary"), None);
}

#[tokio::test]
async fn vary_names_each_header_once_and_leaves_the_handlers_own_alone() {
    let desk = Desk::new();
    let layer = desk
        .builder()
        .resolve(resolve::header("x-act-as"))
        .resolve(resolve::role(["org:acme"]))
        .build()
        .unwrap();
    let request = get(&desk.carol(), &[]);
    let seen = desk.send_to(&layer, &[("vary", "accept")], request).await;
    let values = seen.headers.get_all("vary").iter();
    let values: Vec<_> = values.map(|value| value.to_str().unwrap()).collect();
    assert_eq!(values[0], "accept");
    let mut names: Vec<_> = values[1].split(", ").collect();
    names.sort_unstable();
    let expected = [
        "authorization",
        "impersonate-group",
        "impersonate-issuer",
        "impersonate-reason",
        "impersonate-user",
        "x-act-as",
    ];
    assert_eq!(names, expected);
}

#[tokio::test]
async fn while_impersonating_no_store_replaces_what_the_handler_said() {
    let desk = Desk::new();
    let layer = desk.layer();
    let public = &[
        ("cache-control", "public, max-age=60"),
        ("cache-control", "immutable"),
    ];
    let seen = desk
        .send_to(&layer, public, get(&desk.carol(), AS_ALICE))
        .await;
    let values: Vec<_> = seen.headers.get_all("cache-control").iter().collect();
    assert_eq!(values, ["no-store"]);
    let seen = desk
        .send_to(&layer, &[], get(&desk.carol(), AS_ALICE))
        .await;
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    let seen = desk.send_to(&layer, public, get(&desk.carol(), &[])).await;
    assert_eq!(seen.headers.get_all("cache-control").iter().count(), 2);
    assert_eq!(seen.header("cache-control"), Some("public, max-age=60"));
    let refused = [("impersonate-user", "root")];
    let seen = desk.as_carol(&layer, &refused).await;
    assert_eq!(seen.header("cache-control"), Some("no-store"));
}

#[tokio::test]
async fn a112_a_layer_that_stands_twice_around_a_handler_is_500() {
    let desk = Desk::new();
    let handler = || {
        service_fn(|request: Request<Full<Bytes>>| async move {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from(tell(&request)))))
        })
    };
    let other = desk
        .bare()
        .issuer(desk.accepted())
        .anonymous(|| ())
        .build()
        .unwrap();
    for (outer, inner) in [
        (desk.layer(), desk.layer()),
        (desk.layer(), other.clone()),
        (other.clone(), desk.layer()),
    ] {
        for headers in [&[][..], AS_ALICE] {
            let twice = outer.layer(inner.layer(handler()));
            let seen = send(twice, get(&desk.carol(), headers)).await;
            seen.assert_challenge(500, None);
            assert_eq!(seen.kind(), RejectionKind::LayerAppliedTwice);
        }
    }
    // Also for who is nobody.
    let twice = other.layer(other.layer(handler()));
    send(twice, Request::new(Full::default()))
        .await
        .assert_refused(500);
}

#[tokio::test]
async fn the_response_of_the_handler_is_passed_on_as_it_is() {
    let desk = Desk::new();
    let headers = &[
        ("x-total", "7"),
        ("set-cookie", "a=1"),
        ("set-cookie", "b=2"),
    ];
    let seen = desk
        .send_to(&desk.layer(), headers, get(&desk.carol(), AS_ALICE))
        .await;
    assert_eq!(seen.status, 200);
    assert_eq!(seen.header("x-total"), Some("7"));
    assert_eq!(seen.headers.get_all("set-cookie").iter().count(), 2);
    assert_eq!(seen.body["iss"], ISSUER);
}
