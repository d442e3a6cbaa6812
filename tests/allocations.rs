//! How often a warm request allocates, beyond what the router alone does. Exact: a change shows here, and not in the
//! figures of a busy machine.

use std::convert::Infallible;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderName, HeaderValue, Request, Response};
use serde_json::json;
use tower::{Layer, Service, ServiceExt};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{Identity, ImpersonationLayer, Principal, directory, policy, resolve};

/// Takes every event and keeps none.
struct Discard;

impl AuditSink for Discard {
    fn record(&self, _: &Event<'_>) -> Answer<Result<(), AuditError>> {
        Answer::now(Ok(()))
    }

    fn complete(&self, _: Completion) {}
}

fn layer(issuer: &TestIssuer) -> ImpersonationLayer {
    let person = |sub: &str, groups: &[&str]| {
        Identity::new(issuer.name(), sub)
            .with_groups(groups.to_vec())
            .enabled_account()
    };
    ImpersonationLayer::builder()
        .issuer(issuer.issuer().trust_claim("impersonating"))
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .policy(policy::in_group("support"))
        .directory(directory::memory([
            person("alice-sub", &["customers"]),
            person("carol-sub", &["support"]),
        ]))
        .audit(Discard)
        .build()
        .unwrap()
}

/// As a server has it: a piece of a buffer that is shared.
fn shared(value: &str) -> HeaderValue {
    let value: HeaderValue = value.parse().unwrap();
    drop(value.clone());
    value
}

/// Allocations of one request, after some like it.
fn count<S, B>(service: &S, headers: &[(HeaderName, HeaderValue)]) -> u64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let once = || {
        let mut request = Request::new(Body::empty());
        request.headers_mut().reserve(16);
        request.headers_mut().extend(headers.iter().cloned());
        let Ok(response) = runtime.block_on(service.clone().oneshot(request));
        assert_eq!(response.status(), 200);
    };
    (0..5).for_each(|_| once());
    allocation_counter::measure(once).count_total
}

#[test]
fn a_warm_request_allocates_so_often_and_no_more() {
    let issuer = TestIssuer::offline("https://issuer.example.com");
    let token = || issuer.token("carol-sub").groups(["support"]);
    let named = token().claim("impersonating", json!({ "sub": "alice-sub" }));
    let [own, named] = [token(), named].map(|token| shared(&format!("Bearer {}", token.sign())));
    let agent = (http::header::USER_AGENT, shared("a browser"));
    let authorized =
        |token: &HeaderValue| vec![(http::header::AUTHORIZATION, token.clone()), agent.clone()];
    let mut asking = authorized(&own);
    asking.push((
        HeaderName::from_static("impersonate-user"),
        shared("alice-sub"),
    ));

    let bare = Router::new().route("/", get(async || "hello"));
    let handler = async |principal: Extension<Principal>| principal.subject().len().to_string();
    let router = Router::new().route("/", get(async || "hello"));
    let seen = Router::new().route("/", get(handler));
    let service = layer(&issuer).layer(router);
    let base = count(&bare, &authorized(&own));
    for (what, headers, more) in [
        ("plain", authorized(&own), 2),
        ("by claim", authorized(&named), 4),
        ("by header", asking.clone(), 5),
    ] {
        assert_eq!(count(&service, &headers) - base, more, "{what}");
    }
    // The control: what is counted is a request that the principal reaches.
    let service = layer(&issuer).layer(seen);
    assert!(count(&service, &asking) > base);
}
