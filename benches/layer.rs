//! What does the layer cost a request?
//!
//! ```text
//! cargo bench --bench layer
//! ```
//!
//! Every variant is called in batches, in turn, in one run; the figures are medians over the rounds,
//! and the ratio is the median of the ratios within each round, so that a slow moment of the machine
//! weighs on all alike. Allocations are counted exactly, for one call after warming up.

use std::convert::Infallible;
use std::hint::black_box;
use std::rc::Rc;
use std::time::Instant;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::{HeaderValue, Request, Response, StatusCode};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{Identity, ImpersonationLayer, Principal, directory, policy, resolve};

const ROUNDS: usize = 60;
const BATCH: usize = 400;
const COLD_BATCH: usize = 8;
const WARM_UP: usize = 100;

/// Takes every event and keeps none, so that the layer is measured and no disk.
struct DiscardForBenchmark;

impl AuditSink for DiscardForBenchmark {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        black_box(event);
        Answer::now(Ok(()))
    }

    fn complete(&self, done: Completion) {
        black_box(done);
    }
}

struct Variant {
    name: &'static str,
    batch: usize,
    /// Sends that many requests.
    call: Box<dyn FnMut(usize)>,
}

impl Variant {
    fn new<S, B>(
        runtime: &Rc<Runtime>,
        name: &'static str,
        batch: usize,
        service: S,
        mut request: impl FnMut() -> Request<Body> + 'static,
    ) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    {
        let runtime = Rc::clone(runtime);
        let call = move |times| {
            runtime.block_on(async {
                for _ in 0..times {
                    let Ok(response) = service.clone().oneshot(request()).await;
                    assert_eq!(response.status(), StatusCode::OK, "{name}");
                }
            });
        };
        Self {
            name,
            batch,
            call: Box::new(call),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    let runtime = Rc::new(runtime.expect("a runtime"));
    let mut variants = variants(&runtime);

    println!(
        "{:<34} {:>9} {:>8} {:>7} {:>9}",
        "variant", "ns", "x bare", "allocs", "bytes"
    );
    let allocations: Vec<_> = variants
        .iter_mut()
        .map(|variant| {
            (variant.call)(WARM_UP);
            allocation_counter::measure(|| (variant.call)(1))
        })
        .collect();
    let mut nanos = vec![Vec::with_capacity(ROUNDS); variants.len()];
    for round in 0..ROUNDS {
        for turn in 0..variants.len() {
            let index = (turn + round) % variants.len();
            let variant = &mut variants[index];
            let start = Instant::now();
            (variant.call)(variant.batch);
            nanos[index].push(start.elapsed().as_nanos() as f64 / variant.batch as f64);
        }
    }
    let bare = nanos[0].clone();
    for ((variant, nanos), allocated) in variants.iter().zip(&nanos).zip(allocations) {
        let ratios = nanos
            .iter()
            .zip(&bare)
            .map(|(own, bare)| own / bare)
            .collect();
        println!(
            "{:<34} {:>9.0} {:>8.2} {:>7} {:>9}",
            variant.name,
            median(nanos.clone()),
            median(ratios),
            allocated.count_total,
            allocated.bytes_total,
        );
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn variants(runtime: &Rc<Runtime>) -> Vec<Variant> {
    let issuer = TestIssuer::offline("https://issuer.example.com");
    let layer = layer(&issuer);
    let bare = Router::new().route("/", get(|| async { "hello" }));
    let routed = Router::new().route(
        "/",
        get(|Extension(principal): Extension<Principal>| async move {
            black_box(principal.subject());
            "hello"
        }),
    );
    let outside = layer.layer(routed.clone());
    let inside = routed.layer(layer);

    let token = |algorithm| {
        issuer
            .token("carol-sub")
            .cognito_access()
            .client_id("app")
            .username("carol")
            .groups(["support"])
            .audience("app")
            .algorithm(algorithm)
    };
    let own = bearer(&token(Algorithm::RS256).sign());
    let claim = bearer(
        &token(Algorithm::RS256)
            .claim("impersonating", serde_json::json!({ "sub": "alice-sub" }))
            .sign(),
    );
    let act = bearer(
        &token(Algorithm::RS256)
            .claim("act", serde_json::json!({ "sub": "admin-sub" }))
            .sign(),
    );
    let header = own.clone();
    let plain = own.clone();
    let plain_inside = own;

    let mut variants = vec![
        Variant::new(runtime, "bare router", BATCH, bare, || request(None, None)),
        Variant::new(runtime, "warm, plain", BATCH, outside.clone(), move || {
            request(Some(&plain), None)
        }),
        Variant::new(
            runtime,
            "warm, plain, by Router::layer",
            BATCH,
            inside,
            move || request(Some(&plain_inside), None),
        ),
        Variant::new(
            runtime,
            "warm, impersonated by claim",
            BATCH,
            outside.clone(),
            move || request(Some(&claim), None),
        ),
        Variant::new(
            runtime,
            "warm, impersonated by act",
            BATCH,
            outside.clone(),
            move || request(Some(&act), None),
        ),
        Variant::new(
            runtime,
            "warm, impersonated by header",
            BATCH,
            outside.clone(),
            move || request(Some(&header), Some("alice-sub")),
        ),
    ];
    let cold = [
        ("cold, plain, RS256", Algorithm::RS256),
        ("cold, plain, ES256", Algorithm::ES256),
        ("cold, plain, EdDSA", Algorithm::EdDSA),
    ];
    for (name, algorithm) in cold {
        let mut fresh: Vec<_> = (0..WARM_UP + 1 + ROUNDS * COLD_BATCH)
            .map(|number| bearer(&token(algorithm).claim("jti", number.to_string()).sign()))
            .collect();
        variants.push(Variant::new(
            runtime,
            name,
            COLD_BATCH,
            outside.clone(),
            move || {
                let unseen = fresh.pop().expect("a token that was not seen before");
                request(Some(&unseen), None)
            },
        ));
    }
    variants
}

fn layer(issuer: &TestIssuer) -> ImpersonationLayer {
    let person = |sub: &str, groups: &[&str]| {
        Identity::new(issuer.name(), sub)
            .with_groups(groups.to_vec())
            .enabled_account()
    };
    let people = [
        person("alice-sub", &["customers"]),
        person("carol-sub", &["support"]),
    ];
    ImpersonationLayer::builder()
        .issuer(
            issuer
                .issuer()
                .audiences(["app"])
                .groups_claim("cognito:groups")
                .trust_claim("impersonating")
                .trust_act(),
        )
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .policy(policy::in_group("support").or(policy::vouched_by(issuer.name())))
        .directory(directory::memory(people))
        .audit(DiscardForBenchmark)
        .build()
        .expect("a sound configuration")
}

fn bearer(token: &str) -> HeaderValue {
    format!("Bearer {token}").parse().expect("a header value")
}

fn request(authorization: Option<&HeaderValue>, target: Option<&'static str>) -> Request<Body> {
    let mut request = Request::get("/")
        .header("host", "api.example.com")
        .header("user-agent", "benchmark")
        .header("accept", "*/*")
        .header("accept-encoding", "gzip")
        .header("x-request-id", "1");
    if let Some(authorization) = authorization {
        request = request.header("authorization", authorization.clone());
    }
    if let Some(target) = target {
        request = request.header("impersonate-user", target);
    }
    request.body(Body::empty()).expect("a request")
}
