//! How often a request allocates, beyond what the router alone does. Exact: a change shows here, and not in the
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
use tower_impersonate::testing::{AUDIENCE, TestIssuer};
use tower_impersonate::token::CacheLimits;
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
    cached(issuer, CacheLimits::default())
}

fn cached(issuer: &TestIssuer, limits: CacheLimits) -> ImpersonationLayer {
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
        .token_cache(limits)
        .build()
        .unwrap()
}

/// As a server has it: a piece of a buffer that is shared.
fn shared(value: &str) -> HeaderValue {
    let value: HeaderValue = value.parse().unwrap();
    drop(value.clone());
    value
}

type Headers = Vec<(HeaderName, HeaderValue)>;

/// Allocations of one request, after some like it.
fn count<S, B>(service: &S, headers: &Headers) -> u64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let counts = counts(service, &vec![headers.clone(); 6]);
    counts.last().copied().unwrap()
}

/// Allocations of each of these requests.
fn counts<S, B>(service: &S, requests: &[Headers]) -> Vec<u64>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    let once = |headers: &Headers| {
        let mut request = Request::new(Body::empty());
        request.headers_mut().reserve(16);
        request.headers_mut().extend(headers.iter().cloned());
        let Ok(response) = runtime.block_on(service.clone().oneshot(request));
        assert_eq!(response.status(), 200);
    };
    let count = |headers| allocation_counter::measure(|| once(headers)).count_total;
    requests.iter().map(count).collect()
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

/// A token that was never there before: its text, its payload, its claims and whose they are; and two for the
/// extensions of the request, as always.
#[test]
fn a_cold_request_allocates_so_often_and_no_more() {
    let issuer = TestIssuer::offline("https://issuer.example.com");
    // As Cognito makes them.
    let token = |groups: &[&str], n: usize| {
        let token = issuer.token("0d1f6c1a-8041-70e3-5a55-6f1c0f2f3c11");
        let token = token
            .cognito_access()
            .username("carol")
            .groups(groups.to_vec());
        let token = token.scope("openid profile desk/read desk/write");
        let token = token.claim("origin_jti", "5a1f0a6e-6a3f-4f0e-9f5e-0d1f6c1a7b11");
        let token = token.claim("event_id", "0d1f6c1a-7b11-4f0e-9f5e-5a1f0a6e6a3f");
        let token = token.claim("auth_time", 1_700_000_000).claim("version", 2);
        token.audience(AUDIENCE).claim("jti", format!("{n:036}"))
    };
    let asking = |token: String| {
        vec![(
            http::header::AUTHORIZATION,
            shared(&format!("Bearer {token}")),
        )]
    };
    let router = || Router::new().route("/", get(async || "hello"));
    let base = count(&router(), &asking("any".into()));
    let digests = CacheLimits::digests(1_000);
    for (what, limits, groups, first, then) in [
        ("in a group", CacheLimits::default(), &["support"][..], 6, 2),
        ("in none", CacheLimits::default(), &[], 6, 2),
        (
            "in several",
            CacheLimits::default(),
            &["support", "staff", "sales"],
            6,
            2,
        ),
        (
            "without a cache",
            CacheLimits::new(0, 0),
            &["support"],
            5,
            5,
        ),
        ("with digests", digests, &["support"], 5, 5),
    ] {
        let service = cached(&issuer, limits).layer(router());
        let fresh: Vec<_> = (0..20).map(|n| asking(token(groups, n).sign())).collect();
        let (cold, warm) = (counts(&service, &fresh), counts(&service, &fresh));
        // Now and then the index of the cache grows.
        let least = |counts: Vec<u64>| counts.into_iter().min().map(|count| count - base);
        assert_eq!(least(cold), Some(first), "{what}, for the first time");
        assert_eq!(least(warm), Some(then), "{what}, again");
    }
}
