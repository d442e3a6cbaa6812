//! Does a second thread serve as many requests more behind the layer as without it?
//!
//! ```text
//! cargo bench --bench threads
//! ```
//!
//! Whole requests in process, each thread with a runtime of its own, all to clones of one service. Slices
//! with one thread and with two take turns, with and without the layer, in one run. What a second
//! thread adds to a bare router is the machine's measure, and what it adds behind the layer is compared with
//! that, within each round. The worst case for a cache is in it: all threads ask with the same token.

use std::convert::Infallible;
use std::sync::Barrier;
use std::thread;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::{Extension, Router, routing::get};
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode};
use tower::{Layer, Service, ServiceExt};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{ImpersonationLayer, Principal};

const ROUNDS: usize = 25;
const SLICE: Duration = Duration::from_millis(100);
const TOKENS: usize = 1_000;
/// Of the machine's own scaling.
const AT_LEAST: f64 = 0.95;

struct Subject {
    name: &'static str,
    /// Runs so many threads for a slice; gives the requests per second of all.
    run: Box<dyn Fn(usize) -> f64>,
    one: Vec<f64>,
    two: Vec<f64>,
}

impl Subject {
    fn new<S, B>(name: &'static str, service: S, tokens: Vec<HeaderValue>) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible>
            + Clone
            + Send
            + 'static,
    {
        Self {
            name,
            run: Box::new(move |threads| run(threads, &service, &tokens)),
            one: Vec::new(),
            two: Vec::new(),
        }
    }
}

fn main() {
    let issuer = TestIssuer::offline("https://issuer.example.com");
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer())
        .build()
        .expect("a sound configuration");
    let token = |number: usize| {
        let token = issuer
            .token(&format!("carol-{number}"))
            .expires_in(Duration::from_secs(3600));
        HeaderValue::try_from(format!("Bearer {}", token.sign())).expect("a header value")
    };
    let bare = Router::new().route("/", get(async || "hello"));
    let greet = async |_: Extension<Principal>| "hello";
    let routed = layer.layer(Router::new().route("/", get(greet)));
    let one = vec![token(0)];
    let many = (0..TOKENS).map(token).collect();
    let mut subjects = [
        Subject::new("bare router", bare, one.clone()),
        Subject::new("warm, one token", routed.clone(), one),
        Subject::new("warm, 1,000 tokens", routed, many),
    ];
    for subject in &subjects {
        (subject.run)(1);
    }
    for round in 0..ROUNDS {
        let count = subjects.len();
        for turn in 0..count {
            let subject = &mut subjects[(turn + round) % count];
            subject.one.push((subject.run)(1));
            subject.two.push((subject.run)(2));
        }
    }
    println!(
        "{:<20} {:>12} {:>12} {:>9} {:>8} {:>9}",
        "subject", "1 thread/s", "2 threads/s", "2 to 1", "of bare", "at least"
    );
    let bare = scaling(&subjects[0]);
    for subject in &subjects {
        let own = scaling(subject);
        let of_bare = own.iter().zip(&bare).map(|(own, bare)| own / bare);
        println!(
            "{:<20} {:>12.0} {:>12.0} {:>9.2} {:>8.3} {AT_LEAST:>9}",
            subject.name,
            median(subject.one.clone()),
            median(subject.two.clone()),
            median(own.clone()),
            median(of_bare.collect()),
        );
    }
}

fn scaling(subject: &Subject) -> Vec<f64> {
    let pairs = subject.two.iter().zip(&subject.one);
    pairs.map(|(two, one)| two / one).collect()
}

fn run<S, B>(threads: usize, service: &S, tokens: &[HeaderValue]) -> f64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + Send + 'static,
{
    let ready = Barrier::new(threads);
    thread::scope(|scope| {
        let (ready, started) = (&ready, 0..threads);
        let running: Vec<_> = started
            .map(|number| {
                let service = service.clone();
                // Each begins elsewhere, so that they meet at a token only by chance, if there are many.
                let first = number * tokens.len() / threads;
                scope.spawn(move || ask(&service, &tokens[first..], tokens, ready))
            })
            .collect();
        let rates = running
            .into_iter()
            .map(|thread| thread.join().expect("a rate"));
        rates.sum()
    })
}

/// Requests per second, for a slice that begins when all threads are there.
fn ask<S, B>(service: &S, first: &[HeaderValue], rest: &[HeaderValue], ready: &Barrier) -> f64
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = runtime.expect("a runtime");
    let mut tokens = first.iter().chain(rest.iter().cycle());
    ready.wait();
    let began = Instant::now();
    let mut count = 0_usize;
    while began.elapsed() < SLICE {
        let batch = tokens.by_ref().take(50);
        runtime.block_on(async {
            for token in batch {
                let Ok(response) = service.clone().oneshot(request(token)).await;
                assert_eq!(response.status(), StatusCode::OK);
                count += 1;
            }
        });
    }
    count as f64 / began.elapsed().as_secs_f64()
}

fn request(token: &HeaderValue) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("api.example.com"));
    headers.insert(USER_AGENT, HeaderValue::from_static("benchmark"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(AUTHORIZATION, token.clone());
    request
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
