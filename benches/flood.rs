//! What do those whose key is known feel of a flood of unknown ones, at a slow endpoint of keys?
//!
//! ```text
//! cargo bench --bench flood
//! ```
//!
//! Ten thousand requests within one second, each with the name of a key that nobody has, while the
//! server of keys takes three seconds to answer. Another task sends requests with a known token all the
//! while, one after the other; what each of them took stands beside the same without the flood. The
//! layer is called in process, the keys come over HTTP from this machine. A round begins when the
//! cool-down of the one before is over, on a clock that is set.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::testing::{AUDIENCE, ManualClock, TestIssuer};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, Issuer};

const ROUNDS: usize = 5;
const FLOOD: usize = 10_000;
const SECOND: Duration = Duration::from_secs(1);
const SLOW: Duration = Duration::from_secs(3);
const COOL_DOWN: Duration = Duration::from_secs(10);

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::offline("https://issuer.example.com").with_clock(clock.clone());
    let fetches = Arc::new(AtomicUsize::new(0));
    let url = serve_slowly(issuer.jwks(), Arc::clone(&fetches)).await;
    let layer = ImpersonationLayer::builder()
        .issuer(
            Issuer::jwks(issuer.name(), url)
                .audiences([AUDIENCE])
                .insecure_loopback_http(),
        )
        .clock(clock.clone())
        .build()
        .expect("a sound configuration");
    layer.connect().await.expect("keys");

    let known = issuer.token("carol-sub").sign();
    println!(
        "{:<8} {:>10} {:>9} {:>9} {:>9} {:>8} {:>8} {:>8}",
        "round", "known", "p50 us", "p99 us", "max us", "401", "503", "fetches"
    );
    let mut quiet_p99 = Vec::new();
    let mut flooded_p99 = Vec::new();
    for round in 1..=ROUNDS {
        clock.advance(COOL_DOWN);
        let quiet = times_of(&layer, &known, SECOND).await;
        quiet_p99.push(row(&format!("{round} quiet"), quiet, [0; 3]));

        let unknown: Vec<_> = (0..FLOOD)
            .map(|n| {
                let token = issuer
                    .token("mallory-sub")
                    .header("kid", format!("{round}-{n}"));
                token.algorithm(Algorithm::EdDSA).sign()
            })
            .collect();
        let before = fetches.load(Ordering::SeqCst);
        let flood = tokio::spawn(flood(layer.clone(), unknown));
        let flooded = times_of(&layer, &known, SECOND).await;
        let (unauthorized, unavailable) = flood.await.expect("a flood");
        let fetched = fetches.load(Ordering::SeqCst) - before;
        let answers = [unauthorized, unavailable, fetched];
        flooded_p99.push(row(&format!("{round} flood"), flooded, answers));
    }
    println!(
        "\nknown tokens, median p99: {:.1} us quiet, {:.1} us in the flood",
        median(quiet_p99),
        median(flooded_p99)
    );
}

/// Sends all of them within a second, and counts what they are told: 401, 503.
async fn flood(layer: ImpersonationLayer, tokens: Vec<String>) -> (usize, usize) {
    let mut answers = JoinSet::new();
    let began = Instant::now();
    let count = tokens.len();
    for (n, token) in tokens.into_iter().enumerate() {
        let due = SECOND * u32::try_from(n).unwrap_or(u32::MAX) / count as u32;
        if due > began.elapsed() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let layer = layer.clone();
        answers.spawn(async move { ask(&layer, &token).await });
    }
    let told = answers.join_all().await;
    let of = |status| told.iter().filter(|told| **told == status).count();
    let sums = (
        of(StatusCode::UNAUTHORIZED),
        of(StatusCode::SERVICE_UNAVAILABLE),
    );
    assert_eq!(sums.0 + sums.1, count, "nobody unknown got through");
    sums
}

/// How long each of many requests took, sent for so long.
async fn times_of(layer: &ImpersonationLayer, token: &str, whole: Duration) -> Vec<Duration> {
    let began = Instant::now();
    let mut times = Vec::new();
    while began.elapsed() < whole {
        let start = Instant::now();
        let status = ask(layer, token).await;
        times.push(start.elapsed());
        assert_eq!(status, StatusCode::OK, "whose key is known is served");
        tokio::task::yield_now().await;
    }
    times
}

async fn ask(layer: &ImpersonationLayer, token: &str) -> StatusCode {
    let service = layer.layer(service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
    }));
    let request = Request::get("/").header("authorization", format!("Bearer {token}"));
    let request = request.body(Full::default()).expect("a request");
    let Ok(response) = service.oneshot(request).await;
    response.status()
}

/// Prints a row; returns the p99 in microseconds.
fn row(
    name: &str,
    mut times: Vec<Duration>,
    [unauthorized, unavailable, fetches]: [usize; 3],
) -> f64 {
    times.sort();
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        times[index.min(times.len() - 1)].as_secs_f64() * 1e6
    };
    println!(
        "{name:<8} {:>10} {:>9.1} {:>9.1} {:>9.1} {unauthorized:>8} {unavailable:>8} {fetches:>8}",
        times.len(),
        at(0.5),
        at(0.99),
        at(1.0),
    );
    at(0.99)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// A server of keys on this machine that takes its time, but for the first request; counts them.
async fn serve_slowly(keys: String, fetches: Arc<AtomicUsize>) -> String {
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
    let address = listener.local_addr().expect("a bound socket");
    let serving = async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let first = fetches.fetch_add(1, Ordering::SeqCst) == 0;
            let answer = format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{keys}",
                keys.len()
            );
            tokio::spawn(async move {
                let mut head = [0; 4096];
                if !matches!(stream.read(&mut head).await, Ok(1..)) {
                    return;
                }
                if !first {
                    tokio::time::sleep(SLOW).await;
                }
                // A client that has left is no fault.
                drop(stream.write_all(answer.as_bytes()).await);
            });
        }
    };
    tokio::spawn(serving);
    format!("http://{address}/keys")
}
