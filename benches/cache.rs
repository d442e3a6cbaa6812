//! Does the cache of verified tokens keep to its bounds, however many tokens come?
//!
//! ```text
//! cargo bench --bench cache              # a million valid tokens, and a million that are not
//! cargo bench --bench cache -- 100000    # fewer
//! ```
//!
//! Every token goes through the whole layer, in process and on one thread. A second thread signs them
//! ahead, which is not in the figures. Garbage is the costly kind: well-formed tokens with a known
//! key's name, of which only the signature does not fit. Memory is what the layer asks for and keeps,
//! counted exactly; the peak is the most at any moment. What the allocator adds to that shows in the
//! figure of the whole process, where the tokens that wait their turn are, too.

use std::convert::Infallible;
use std::fs;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{Algorithm, CacheLimits};

const TOKENS: usize = 1_000_000;
const CHUNK: usize = 5_000;
/// So many are cached at last where there is more than enough room, to see what one takes.
const FEW: usize = 10_000;
/// The bounds of a layer that says nothing of them.
const ENTRIES: usize = 10_000;
const BYTES: usize = 32 * 1024 * 1024;
/// What a token says besides the usual, in letters; the longer ones are fewer.
const EXTRA: [usize; 3] = [0, 500, 3000];

fn main() {
    let bench = Bench::new();
    let wanted = std::env::args().find_map(|argument| argument.parse().ok());
    let wanted = wanted.unwrap_or(TOKENS);
    println!("bounds: {ENTRIES} tokens, {BYTES} bytes");
    println!(
        "{:<26} {:>9} {:>9} {:>12} {:>12} {:>9}",
        "phase", "tokens", "tokens/s", "kept, bytes", "peak, bytes", "x bound"
    );
    for extra in EXTRA {
        let (layer, mut kept) = bench.layer(CacheLimits::new(ENTRIES, BYTES));
        let name = |kind: &str| format!("{kind}, {extra} letters more");
        let row = |name: &str, tokens: usize, time: Duration, kept: i64, peak: i64| {
            let speed = tokens as f64 / time.as_secs_f64();
            let share = peak as f64 / BYTES as f64;
            println!("{name:<26} {tokens:>9} {speed:>9.0} {kept:>12} {peak:>12} {share:>9.2}");
        };
        println!("{:<26} {:>9} {:>9} {kept:>12}", name("empty"), 0, "");
        let tokens = if extra == 0 { wanted } else { wanted / 20 };
        for (kind, status) in [("valid", 200), ("garbage", 401)] {
            let found = bench.send(&layer, tokens, extra, status);
            let peak = kept + found.peak;
            kept += found.kept;
            row(&name(kind), tokens, found.time, kept, peak);
        }
    }
    if let Some(peak) = peak_of_process() {
        println!("the whole process at its peak: {peak}");
    }

    println!("\none cached token, in bytes");
    println!("{:<10} {:>10}", "its text", "in memory");
    for extra in EXTRA {
        let (layer, _) = bench.layer(CacheLimits::new(8 * FEW, 1 << 30));
        let found = bench.send(&layer, FEW, extra, 200);
        let (text, memory) = (found.text / FEW, found.kept / FEW as i64);
        println!("{text:<10} {memory:>10}");
    }
}

struct Bench {
    issuer: TestIssuer,
    runtime: Runtime,
}

/// What came of many requests.
#[derive(Default)]
struct Found {
    time: Duration,
    /// The length of all tokens.
    text: usize,
    /// How many bytes more there are after than before, and at the worst moment.
    kept: i64,
    peak: i64,
}

impl Bench {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        Self {
            issuer: TestIssuer::offline("https://issuer.example.com"),
            runtime: runtime.expect("a runtime"),
        }
    }

    /// A layer, and how many bytes it keeps from the beginning.
    fn layer(&self, limits: CacheLimits) -> (ImpersonationLayer, i64) {
        let mut layer = None;
        let info = allocation_counter::measure(|| {
            let builder = ImpersonationLayer::builder().issuer(self.issuer.issuer());
            layer = builder.token_cache(limits).build().ok();
        });
        (layer.expect("a sound configuration"), info.bytes_current)
    }

    /// Sends tokens of which none was seen before.
    fn send(&self, layer: &ImpersonationLayer, tokens: usize, extra: usize, status: u16) -> Found {
        let mut found = Found::default();
        let service = layer.layer(service_fn(|_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        }));
        for chunk in self.signed(tokens, extra, status == 401) {
            found.text += chunk.iter().map(String::len).sum::<usize>();
            let began = Instant::now();
            let info = allocation_counter::measure(|| {
                self.runtime.block_on(async {
                    for token in &chunk {
                        let request = Request::get("/").header("authorization", bearer(token));
                        let request = request.body(Full::default()).expect("a request");
                        let Ok(response) = service.clone().oneshot(request).await;
                        assert_eq!(response.status(), status);
                    }
                });
            });
            found.time += began.elapsed();
            found.peak = found.peak.max(found.kept + info.bytes_max as i64);
            found.kept += info.bytes_current;
        }
        found
    }

    /// Signs on another thread, a little ahead.
    fn signed(&self, tokens: usize, extra: usize, garbage: bool) -> Receiver<Vec<String>> {
        let (send, receive) = sync_channel(2);
        // Of the same name and with the same names of keys.
        let issuer = match garbage {
            true => TestIssuer::offline(self.issuer.name()),
            false => self.issuer.clone(),
        };
        let note = "x".repeat(extra);
        thread::spawn(move || {
            let sign = |number: usize| {
                let token = issuer
                    .token("90f7b2d4-8041-70e3-5a55-6f1c0f2f3c11")
                    .username("carol")
                    .groups(["support", "customers"])
                    .scope("openid profile desk/read desk/write")
                    .claim("origin_jti", "5a1f0a6e-6a3f-4f0e-9f5e-0d1f6c1a7b11")
                    .claim("event_id", "0d1f6c1a-7b11-4f0e-9f5e-5a1f0a6e6a3f")
                    .claim("token_use", "access")
                    .claim("jti", format!("{number:08}-4f0e-9f5e-5a1f0a6e6a3f"));
                let token = match note.is_empty() {
                    true => token,
                    false => token.claim("note", &note),
                };
                token.algorithm(Algorithm::EdDSA).sign()
            };
            for first in (0..tokens).step_by(CHUNK) {
                let chunk = (first..tokens.min(first + CHUNK)).map(sign).collect();
                if send.send(chunk).is_err() {
                    break;
                }
            }
        });
        receive
    }
}

fn bearer(token: &str) -> String {
    format!("Bearer {token}")
}

/// As Linux tells it.
fn peak_of_process() -> Option<String> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    line.map(|line| line.trim().to_owned())
}
