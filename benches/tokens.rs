//! Does the cache of verified tokens stay as fast as a plain hash map, however many tokens it holds?
//!
//! ```text
//! cargo bench --bench tokens              # up to a million, some minutes, 5 GB
//! cargo bench --bench tokens -- 100000    # fewer
//! ```
//!
//! `Authenticator::authenticate` for a token that it has seen, which is one look-up, the comparison with the
//! whole token, the times, whether its key is still published, and a clone of the claims, beside what
//! a plain `HashMap` with the same hash function does when asked for the same token: the whole
//! comparison, and the clone of an `Arc`; and beside the same call where the cache keeps digests only, so that each
//! token is hashed, read and judged anew. Tokens are drawn evenly and by Zipf's law (s = 1: the second
//! comes half as often as the first), and lie in the processor's cache as those that were just read from a
//! socket do. All are asked in turn for the same tokens, in batches, in one run. One thread asks and
//! counts the bytes; another one signs ahead.

#[path = "common/draw.rs"]
mod draw;

use std::collections::HashMap;
use std::hint::black_box;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use draw::{Draw, Drawn};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::time::Timestamp;
use tower_impersonate::token::{Algorithm, Authenticator, CacheLimits};

const SIZES: [usize; 4] = [1, 1_000, 100_000, 1_000_000];
const ROUNDS: usize = 400;
const BATCH: usize = 256;
const CHUNK: usize = 5_000;

/// In place of what the cache keeps with a token.
type Kept = Arc<[u8; 240]>;
type Map = HashMap<Box<str>, Kept, foldhash::quality::RandomState>;

fn main() {
    let most = std::env::args().find_map(|argument| argument.parse().ok());
    let most: usize = most.unwrap_or(usize::MAX);
    println!(
        "{:>9} {:<8} {:>8} {:>8} {:>6} {:>6} {:>10} {:>9} {:>11} {:>12} {:>11}",
        "tokens",
        "drawn",
        "cache ns",
        "map ns",
        "x map",
        "p10 x",
        "digests ns",
        "x map",
        "cache bytes",
        "digest bytes",
        "token bytes"
    );
    for size in SIZES.into_iter().filter(|size| *size <= most) {
        Subject::new(size).measure();
    }
}

/// Two caches and a map with the same tokens.
struct Subject {
    tokens_kept: Filled,
    digests_kept: Filled,
    now: Timestamp,
    map: Map,
    tokens: Vec<String>,
}

/// A cache with all tokens.
struct Filled {
    authenticator: Authenticator,
    /// For each token, by the allocator's count: what is kept of it, and its part of the index, of which some
    /// places stay empty.
    bytes: i64,
}

impl Filled {
    fn new(issuer: &TestIssuer, limits: CacheLimits, tokens: &[String]) -> Self {
        let mut authenticator = None;
        let filled = allocation_counter::measure(|| {
            let built = Authenticator::builder()
                .issuer(issuer.issuer())
                .cache(limits)
                .build()
                .expect("a sound configuration");
            assert_eq!(ask(&built, built.clock().now(), tokens), tokens.len());
            authenticator = Some(built);
        });
        Self {
            authenticator: authenticator.expect("it was built"),
            bytes: filled.bytes_current / tokens.len() as i64,
        }
    }
}

impl Subject {
    fn new(size: usize) -> Self {
        let issuer = TestIssuer::offline("https://issuer.example.com");
        let tokens: Vec<String> = signed(&issuer, size).into_iter().flatten().collect();
        // The cache is made of parts, and none of them is filled evenly.
        let places = size + size / 4 + 1_000;
        let full = Filled::new(&issuer, CacheLimits::new(places, places * 8_192), &tokens);
        let now = full.authenticator.clock().now();
        let again = allocation_counter::measure(|| {
            assert_eq!(ask(&full.authenticator, now, &tokens), size);
        });
        assert_eq!(again.count_total, 0, "each is there: none was read again");
        let kept: Kept = Arc::new([0; 240]);
        let entry = |token: &String| (token.as_str().into(), Arc::new(*kept));
        Self {
            now,
            digests_kept: Filled::new(&issuer, CacheLimits::digests(places), &tokens),
            tokens_kept: full,
            map: tokens.iter().map(entry).collect(),
            tokens,
        }
    }

    fn measure(&self) {
        let size = self.tokens.len();
        let letters = self.tokens.iter().map(String::len).sum::<usize>() / size;
        for drawn in [Drawn::Zipf, Drawn::Evenly] {
            let mut draw = Draw::new(drawn, size);
            let mut took = [(); 3].map(|()| Vec::new());
            for round in 0..ROUNDS {
                let tokens = self.arrived(&mut draw);
                // Who is asked first changes: the others find the tokens' text warmer.
                for turn in [0, 1, 2].map(|turn| (turn + round) % 3) {
                    let began = Instant::now();
                    let found = match turn {
                        0 => ask(&self.tokens_kept.authenticator, self.now, &tokens),
                        1 => self.ask_map(&tokens),
                        _ => ask(&self.digests_kept.authenticator, self.now, &tokens),
                    };
                    took[turn].push(per_token(began.elapsed()));
                    assert_eq!(found, BATCH);
                }
            }
            let [cache, map, digests] = took;
            let ratios = |own: &[f64]| -> Vec<f64> {
                own.iter().zip(&map).map(|(own, map)| own / map).collect()
            };
            let (ratio, of_digests) = (ratios(&cache), ratios(&digests));
            println!(
                "{size:>9} {:<8} {:>8.0} {:>8.0} {:>6.2} {:>6.2} {:>10.0} {:>9.2} {:>11} {:>12} {letters:>11}",
                drawn.name(),
                rank(cache, 0.5),
                rank(map.clone(), 0.5),
                rank(ratio.clone(), 0.5),
                rank(ratio, 0.1),
                rank(digests, 0.5),
                rank(of_digests, 0.5),
                self.tokens_kept.bytes,
                self.digests_kept.bytes,
            );
        }
    }

    /// Copies, as a server has them in the buffer of a connection.
    fn arrived(&self, draw: &mut Draw) -> Vec<String> {
        let tokens = &self.tokens;
        (0..BATCH).map(|_| tokens[draw.next()].clone()).collect()
    }

    fn ask_map(&self, tokens: &[String]) -> usize {
        let found = tokens.iter().filter(|token| {
            let kept = self.map.get(token.as_str()).map(Arc::clone);
            black_box(kept).is_some()
        });
        found.count()
    }
}

/// How many of them are good.
fn ask(authenticator: &Authenticator, now: Timestamp, tokens: &[String]) -> usize {
    let good = tokens.iter().filter(|token| {
        let claims = authenticator.authenticate(token, now).try_now();
        matches!(black_box(claims), Ok(Ok(_)))
    });
    good.count()
}

fn per_token(took: Duration) -> f64 {
    took.as_nanos() as f64 / BATCH as f64
}

fn rank(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[(values.len() as f64 * share) as usize]
}

/// Distinct tokens of the size that Cognito's have, signed on another thread.
fn signed(issuer: &TestIssuer, tokens: usize) -> Receiver<Vec<String>> {
    let (send, receive) = sync_channel(2);
    let issuer = issuer.clone();
    thread::spawn(move || {
        let sign = |number: usize| {
            issuer
                .token(&format!("{number:08}-8041-70e3-5a55-6f1c0f2f3c11"))
                .expires_in(Duration::from_secs(6 * 3600))
                .username("carol")
                .groups(["support", "customers"])
                .scope("openid profile desk/read desk/write")
                .claim("origin_jti", "5a1f0a6e-6a3f-4f0e-9f5e-0d1f6c1a7b11")
                .claim("event_id", "0d1f6c1a-7b11-4f0e-9f5e-5a1f0a6e6a3f")
                .claim(
                    "device_key",
                    "eu-west-1_2b1c0f2f-3c11-70e3-5a55-6f1c0f2f3c11",
                )
                .claim("jti", format!("{number:08}-4f0e-9f5e-5a1f0a6e6a3f"))
                .algorithm(Algorithm::EdDSA)
                .sign()
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
