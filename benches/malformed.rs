//! What does it cost to refuse what is no token?
//!
//! ```text
//! cargo bench --bench malformed
//! ```
//!
//! Each request goes to the layer around a router, in process, and is refused with 400 or 401; beside it
//! stands what the router alone takes to answer 404, in turn, in one run. The ratio is the
//! median of the ratios within a round. Allocations are counted exactly, for one request whose header was
//! made before: the same kind of garbage in four lengths shows whether anything grows with it.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Instant;

use axum::Router;
use axum::body::Body;
use axum::routing::get;
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use tokio::runtime::Runtime;
use tower::{Layer, Service, ServiceExt};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::testing::TestIssuer;

const ROUNDS: usize = 120;
const BATCH: usize = 400;
const LENGTHS: [usize; 4] = [1 << 10, 8 << 10, 64 << 10, 400 << 10];
/// Of a plain 404.
const AT_MOST: f64 = 3.0;

struct Variant {
    name: String,
    told: StatusCode,
    /// Sends that many requests.
    call: Box<dyn FnMut(usize)>,
}

impl Variant {
    fn new<S, B>(runtime: &Rc<Runtime>, name: String, service: S, header: &[u8]) -> Self
    where
        S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + 'static,
    {
        let runtime = Rc::clone(runtime);
        let value = HeaderValue::from_bytes(header).expect("bytes that a header may have");
        let Ok(first) = runtime.block_on(service.clone().oneshot(request(&value)));
        let told = first.status();
        let call = move |times| {
            runtime.block_on(async {
                for _ in 0..times {
                    let Ok(response) = service.clone().oneshot(request(&value)).await;
                    assert_eq!(response.status(), told);
                }
            });
        };
        Self {
            name,
            told,
            call: Box::new(call),
        }
    }
}

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread().build();
    let runtime = Rc::new(runtime.expect("a runtime"));
    let issuer = TestIssuer::offline("https://issuer.example.com");
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer())
        .build()
        .expect("a sound configuration");
    let router = Router::new().route("/", get(async || "hello"));

    let short = b"Bearer x".as_slice();
    let name = "a plain 404".to_owned();
    let mut variants = vec![Variant::new(&runtime, name, router.clone(), short)];
    assert_eq!(variants[0].told, StatusCode::NOT_FOUND);
    for (name, header) in garbage(&issuer) {
        let service = layer.layer(router.clone());
        let variant = Variant::new(&runtime, name, service, &header);
        let refused = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED];
        assert!(refused.contains(&variant.told), "{}", variant.name);
        variants.push(variant);
    }

    let allocations: Vec<_> = variants
        .iter_mut()
        .map(|variant| {
            (variant.call)(BATCH);
            allocation_counter::measure(|| (variant.call)(1))
        })
        .collect();
    let mut nanos = vec![Vec::with_capacity(ROUNDS); variants.len()];
    for round in 0..ROUNDS {
        for turn in 0..variants.len() {
            let index = (turn + round) % variants.len();
            let start = Instant::now();
            (variants[index].call)(BATCH);
            nanos[index].push(start.elapsed().as_nanos() as f64 / BATCH as f64);
        }
    }
    println!(
        "{:<36} {:>6} {:>9} {:>9} {:>7} {:>7} {:>7} {:>8}",
        "refused", "status", "ns", "p10", "x 404", "under", "allocs", "bytes"
    );
    for ((variant, own), allocated) in variants.iter().zip(&nanos).zip(&allocations) {
        let ratios: Vec<f64> = own.iter().zip(&nanos[0]).map(|(own, b)| own / b).collect();
        println!(
            "{:<36} {:>6} {:>9.0} {:>9.0} {:>7.2} {AT_MOST:>7} {:>7} {:>8}",
            variant.name,
            variant.told.as_u16(),
            rank(own.clone(), 0.5),
            rank(own.clone(), 0.1),
            rank(ratios, 0.5),
            allocated.count_total,
            allocated.bytes_total,
        );
    }
}

/// Whole values of the header, each kind in several lengths where it can have them.
fn garbage(issuer: &TestIssuer) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for length in LENGTHS {
        let letters = random(
            length,
            b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_",
        );
        let mut parts = letters.clone();
        parts[length / 3] = b'.';
        parts[2 * length / 3] = b'.';
        let mut dots = parts.clone();
        dots[length / 5] = b'.';
        dots[4 * length / 5] = b'.';
        let wrong = random(
            length,
            b"ABCDEFabcdef0123456789!#%&*()[]{}<>?;:@ \xe4\xf6\xfc",
        );
        for (kind, bytes) in [
            ("random letters", letters),
            ("random, two dots", parts),
            ("random, four dots", dots),
            ("wrong charset", wrong),
        ] {
            let name = format!("{kind}, {} KiB", length >> 10);
            all.push((name, [b"Bearer ".as_slice(), &bytes].concat()));
        }
    }
    let token = issuer.token("carol-sub").sign();
    let unknown = TestIssuer::offline("https://elsewhere.example.com");
    for (name, text) in [
        ("four dots", "a.b.c.d.e".to_owned()),
        ("no token", String::new()),
        ("a token and a letter", format!("{token}!")),
        (
            "an issuer that is not known",
            unknown.token("carol-sub").sign(),
        ),
        (
            "a key that is not known",
            issuer.token("carol-sub").header("kid", "no").sign(),
        ),
    ] {
        all.push((name.into(), format!("Bearer {text}").into_bytes()));
    }
    all
}

/// Always the same letters of these.
fn random(length: usize, letters: &[u8]) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let draw = |_| {
        // Marsaglia's xorshift.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        letters[(state % letters.len() as u64) as usize]
    };
    (0..length).map(draw).collect()
}

fn rank(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() as f64 * share) as usize]
}

fn request(value: &HeaderValue) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    *request.uri_mut() = Uri::from_static("/nowhere");
    let headers = request.headers_mut();
    headers.insert(HOST, HeaderValue::from_static("api.example.com"));
    headers.insert(USER_AGENT, HeaderValue::from_static("benchmark"));
    headers.insert(ACCEPT, HeaderValue::from_static("*/*"));
    headers.insert(AUTHORIZATION, value.clone());
    request
}
