//! What a client is told when the layer answers in place of the handler: golden answers for each kind.

mod support;

use std::error::Error;
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderValue, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use support::expect::{Fault, broken_directory};
use support::{Desk, Seen, get, send};
use tower::{Layer, service_fn};
use tower_impersonate::guard::deny_while_impersonating;
use tower_impersonate::middleware::Builder;
use tower_impersonate::rejection::{Problem, Rejection, RejectionKind};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{ImpersonationLayer, policy, resolve};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

/// The desk with everything on that can refuse.
fn strict(desk: &Desk) -> Builder {
    let rule = policy::in_group("support")
        .or(policy::in_group("leads").and(policy::reason_required()))
        .or(policy::in_group("readers").and(policy::read_only()))
        .or(policy::in_group("admins").and(policy::fresh_login(Duration::from_secs(900))));
    desk.undecided().policy(rule)
}

fn nested() -> impl tower_impersonate::resolve::Resolve {
    resolve::custom(|_, parts: &Parts| match parts.headers.get("x-nested") {
        None => resolve::Resolution::NotRequested,
        Some(_) => resolve::ResolveError::nested("ours").into(),
    })
}

/// One request for each kind, sent through the layer that refuses it, with more headers of its own.
async fn each(desk: &Desk, more: &[(&'static str, &'static str)]) -> Vec<Seen> {
    let layer = strict(desk).resolve(nested()).build().unwrap();
    let token = |groups: &[&str]| desk.token("carol", groups).sign();
    let other_scheme = || {
        let mut request = get("", &[]);
        let basic = HeaderValue::from_static("Basic YTpi");
        request.headers_mut().insert("authorization", basic);
        request
    };
    let with = |mut request: Request<Full<Bytes>>| {
        for (name, value) in more {
            request
                .headers_mut()
                .insert(*name, HeaderValue::from_static(value));
            if *name == "te" {
                *request.method_mut() = http::Method::POST;
            }
        }
        request
    };
    let mut post = get(&token(&["readers"]), AS_ALICE);
    *post.method_mut() = http::Method::POST;
    let upgrade = [AS_ALICE[0], ("upgrade", "websocket")];
    let mut seen = Vec::new();
    for request in [
        Request::new(Full::default()),
        other_scheme(),
        get("", &[]),
        get("a.b.c", &[]),
        get(&desk.alice(), AS_ALICE),
        get(&token(&["admins"]), AS_ALICE),
        get(&desk.carol(), &[("impersonate-user", "")]),
        get(&token(&["leads"]), AS_ALICE),
        get(&desk.carol(), &[("impersonate-user", "carol")]),
        get(&desk.carol(), &[("x-nested", "1")]),
        post,
        get(&desk.carol(), &upgrade),
    ] {
        seen.push(desk.send(&layer, with(request)).await);
    }
    let issuer = TestIssuer::start().await.with_clock(desk.clock.clone());
    issuer.answer_with(500);
    let keyless = ImpersonationLayer::builder()
        .clock(desk.clock.clone())
        .issuer(issuer.issuer())
        .build()
        .unwrap();
    seen.push(
        desk.send(&keyless, with(get(&issuer.token("carol").sign(), &[])))
            .await,
    );
    let broken = desk
        .builder()
        .directory(broken_directory(Fault::Errs))
        .build()
        .unwrap();
    seen.push(desk.send(&broken, with(get(&desk.carol(), AS_ALICE))).await);
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    let twice = layer.layer(
        plain.layer(service_fn(|_: Request<Full<Bytes>>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        })),
    );
    seen.push(send(twice, with(get(&desk.carol(), &[]))).await);
    let guarded = || {
        deny_while_impersonating().layer(service_fn(|_: Request<Full<Bytes>>| async move {
            Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::default()))
        }))
    };
    let inside = layer.layer(guarded());
    seen.push(send(inside, with(get(&desk.carol(), AS_ALICE))).await);
    seen.push(send(guarded(), with(get(&desk.carol(), AS_ALICE))).await);
    seen
}

const INVALID_REQUEST: &str = r#"Bearer realm="api", error="invalid_request""#;

const INSUFFICIENT_SCOPE: &str = r#"Bearer realm="api", error="insufficient_scope""#;

type Golden = (
    RejectionKind,
    u16,
    Option<&'static str>,
    &'static str,
    Option<&'static str>,
    &'static str,
);

/// Kind, status, challenge, title, error code, gRPC status.
fn golden() -> [Golden; 17] {
    use RejectionKind as K;
    let max_age = Duration::from_secs(900);
    let plain = Some(r#"Bearer realm="api""#);
    let token = Some(r#"Bearer realm="api", error="invalid_token""#);
    let login =
        Some(r#"Bearer realm="api", error="insufficient_user_authentication", max_age="900""#);
    let (request, scope) = (Some(INVALID_REQUEST), Some(INSUFFICIENT_SCOPE));
    let (bad, denied) = (Some("invalid_request"), Some("insufficient_scope"));
    let busy = "the service is temporarily unavailable";
    [
        (
            K::MissingCredential,
            401,
            plain,
            "a bearer token is required",
            None,
            "16",
        ),
        (
            K::OtherScheme,
            401,
            plain,
            "a bearer token is required",
            None,
            "16",
        ),
        (
            K::MalformedCredential,
            400,
            request,
            "the authorization header is malformed",
            bad,
            "3",
        ),
        (
            K::InvalidToken,
            401,
            token,
            "the bearer token is not valid",
            Some("invalid_token"),
            "16",
        ),
        (
            K::Forbidden,
            403,
            scope,
            "the request requires higher privileges",
            denied,
            "7",
        ),
        (
            K::StaleLogin { max_age },
            401,
            login,
            "a more recent login is required",
            Some("insufficient_user_authentication"),
            "16",
        ),
        (
            K::MalformedImpersonation,
            400,
            request,
            "the impersonation headers are not valid",
            bad,
            "3",
        ),
        (
            K::ReasonRequired,
            400,
            request,
            "a reason for the impersonation is required",
            bad,
            "3",
        ),
        (
            K::OneSelf,
            400,
            request,
            "nobody can impersonate themselves",
            bad,
            "3",
        ),
        (
            K::Nested,
            409,
            None,
            "an impersonation is going on already",
            None,
            "9",
        ),
        (
            K::ReadOnly,
            403,
            scope,
            "this impersonation may only read",
            denied,
            "7",
        ),
        (
            K::Upgrade,
            403,
            scope,
            "connections cannot be upgraded while impersonating",
            denied,
            "7",
        ),
        (K::KeysUnavailable, 503, None, busy, None, "14"),
        (K::Unavailable, 503, None, busy, None, "14"),
        (
            K::LayerAppliedTwice,
            500,
            None,
            "the service is not configured correctly",
            None,
            "13",
        ),
        (
            K::NotWhileImpersonating,
            403,
            None,
            "this cannot be done while impersonating",
            Some("not_while_impersonating"),
            "7",
        ),
        (
            K::LayerMissing,
            500,
            None,
            "the service is not configured correctly",
            None,
            "13",
        ),
    ]
}

#[tokio::test]
async fn every_kind_has_its_status_challenge_and_problem() {
    let desk = Desk::new();
    let seen = each(&desk, &[]).await;
    assert_eq!(seen.len(), golden().len());
    for (seen, (kind, status, challenge, title, code, _)) in seen.iter().zip(golden()) {
        assert_eq!(seen.kind(), kind);
        seen.assert_challenge(status, challenge);
        assert_eq!(
            seen.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        let retry = (status == 503).then_some(if kind == RejectionKind::KeysUnavailable {
            "10"
        } else {
            "1"
        });
        assert_eq!(seen.header("retry-after"), retry, "{kind:?}");
        let mut body = json!({ "type": "about:blank", "title": title, "status": status });
        if let Some(code) = code {
            body["error"] = code.into();
        }
        assert_eq!(seen.body, body);
    }
}

#[tokio::test]
async fn r8_a_grpc_request_gets_a_grpc_status() {
    for content_type in [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc;x=1",
    ] {
        let desk = Desk::new();
        let seen = each(&desk, &[("content-type", content_type), ("te", "trailers")]).await;
        for (seen, (kind, _, challenge, title, _, grpc)) in seen.iter().zip(golden()) {
            assert_eq!(seen.kind(), kind);
            seen.assert_challenge(200, challenge);
            assert_eq!(seen.header("content-type"), Some("application/grpc"));
            assert_eq!(seen.header("grpc-status"), Some(grpc), "{kind:?}");
            assert_eq!(seen.header("grpc-message"), Some(title));
            assert_eq!(seen.body, Value::from(""));
        }
    }
    let desk = Desk::new();
    // What only calls itself gRPC must not get a 200, which a gateway takes for a yes.
    for other in [
        &[("content-type", "application/grpc-web"), ("te", "trailers")][..],
        &[("content-type", "application/grpc")],
    ] {
        for seen in each(&desk, other).await {
            assert_eq!(seen.header("grpc-status"), None);
            assert!(!seen.status.is_success());
        }
    }
}

#[tokio::test]
async fn the_rejection_with_its_cause_is_in_the_extensions_of_the_response() {
    let desk = Desk::new();
    let layer = desk.layer();
    let seen = desk.as_carol(&layer, &[("impersonate-user", "root")]).await;
    let rejection = seen.rejection.as_ref().unwrap();
    assert_eq!(rejection.kind(), RejectionKind::Forbidden);
    assert_eq!(
        rejection.to_string(),
        "the request requires higher privileges"
    );
    assert_eq!(seen.cause(), "denied by not(target_in_group(admins))");
    let seen = desk.as_carol(&layer, &[("impersonate-user", "")]).await;
    assert_eq!(seen.cause(), "the user header is malformed");
    let seen = desk.send(&layer, Request::new(Full::default())).await;
    assert!(seen.rejection.unwrap().source().is_none());

    let broken = desk
        .builder()
        .directory(broken_directory(Fault::Errs))
        .build()
        .unwrap();
    let seen = desk.as_carol(&broken, AS_ALICE).await;
    let rejection = seen.rejection.as_ref().unwrap();
    let cause = rejection.source().unwrap();
    assert_eq!(cause.to_string(), "the directory could not be asked");
    assert_eq!(cause.source().unwrap().to_string(), "the table is locked");
    // What a plug-in says of its fault is for logs.
    let (_, headers, body) = seen.answer();
    assert!(!format!("{headers:?} {body}").contains("locked"));
}

#[tokio::test]
async fn a_responder_of_ones_own_replaces_the_answer_and_the_layer_adds_what_is_due() {
    let desk = Desk::new();
    let problem = Problem::in_realm("desk").unwrap();
    let respond = move |rejection: &Rejection, request: &Parts| {
        let status = rejection.kind().status();
        let text = format!("{} at {}", rejection.kind().as_str(), request.uri.path());
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = status;
        if let Some(challenge) = problem.challenge(rejection.kind()) {
            response.headers_mut().insert("www-authenticate", challenge);
        }
        response
    };
    let layer = desk.builder().respond(respond).build().unwrap();
    let seen = desk.send(&layer, get(&desk.alice(), AS_ALICE)).await;
    seen.assert_challenge(
        403,
        Some(r#"Bearer realm="desk", error="insufficient_scope""#),
    );
    assert_eq!(seen.body, "forbidden at /orders");
    assert!(seen.header("vary").is_some());
    assert_eq!(seen.kind(), RejectionKind::Forbidden);
}

#[tokio::test]
async fn a_responder_that_panics_is_replaced_for_that_answer() {
    let desk = Desk::new();
    let panics = |_: &Rejection, _: &Parts| -> Response<Bytes> { panic!("the responder panics") };
    let layer = desk.builder().respond(panics).build().unwrap();
    let seen = desk.send(&layer, get("a.b.c", &[])).await;
    seen.assert_challenge(401, Some(r#"Bearer realm="api", error="invalid_token""#));
    assert_eq!(seen.kind(), RejectionKind::InvalidToken);
}

#[tokio::test]
async fn r9_the_realm_stands_in_the_challenge_as_it_is_and_cannot_break_out_of_it() {
    let desk = Desk::new();
    let layer = desk.builder().realm("desk api, EU; a=b").build().unwrap();
    let seen = desk.send(&layer, Request::new(Full::default())).await;
    seen.assert_challenge(401, Some(r#"Bearer realm="desk api, EU; a=b""#));
    for realm in ["", "a\"", "a\\", "\"", "a\r\nset-cookie: x=1", "\u{e4}"] {
        assert!(Problem::in_realm(realm).is_none(), "{realm:?}");
    }
    assert_eq!(
        Problem::default()
            .challenge(RejectionKind::MissingCredential)
            .unwrap(),
        r#"Bearer realm="api""#
    );
}
