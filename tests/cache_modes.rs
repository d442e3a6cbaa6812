//! What the cache keeps of a token changes nothing but memory and time: tokens or digests, the same becomes of every
//! request.

#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
#[path = "support/known.rs"]
mod known;
#[path = "support/published.rs"]
mod published;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use keys::*;
use known::{cost, quick};
use published::Published;
use serde_json::json;
use support::Desk;
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::measure::{Lookup, Measurement};
use tower_impersonate::middleware::Builder;
use tower_impersonate::time::Clock;
use tower_impersonate::token::{Algorithm, CacheLimits};

const MINUTE: Duration = Duration::from_secs(60);
const MODES: [CacheLimits; 2] = [
    CacheLimits::new(1_000, 8 << 20),
    CacheLimits::digests(1_000),
];

/// A layer that says whether it knows a token.
struct Watched {
    layer: ImpersonationLayer,
    hits: Arc<AtomicUsize>,
    lookups: Arc<AtomicUsize>,
}

impl Watched {
    fn new(builder: Builder, limits: CacheLimits) -> Self {
        let (hits, lookups) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let (hit, looked_up) = (Arc::clone(&hits), Arc::clone(&lookups));
        let measure = move |what: &Measurement<'_>| {
            if let Measurement::TokenCache(lookup) = what {
                looked_up.fetch_add(1, Ordering::SeqCst);
                hit.fetch_add(usize::from(*lookup == Lookup::Hit), Ordering::SeqCst);
            }
        };
        let layer = builder
            .token_cache(limits)
            .measure(measure)
            .build()
            .unwrap();
        Self {
            layer,
            hits,
            lookups,
        }
    }

    fn plain(desk: &Desk, limits: CacheLimits) -> Self {
        Self::new(desk.bare().issuer(desk.accepted()), limits)
    }

    /// Whether the request with this token finds it.
    async fn knows(&self, token: &str) -> bool {
        let before = self.hits.load(Ordering::SeqCst);
        ask(&self.layer, token).await;
        self.hits.load(Ordering::SeqCst) > before
    }
}

#[tokio::test]
async fn a_token_is_verified_once_and_says_the_same_each_time() {
    for limits in MODES.into_iter().chain([CacheLimits::digests(0)]) {
        let desk = Desk::new();
        let watched = Watched::plain(&desk, limits);
        let token = token(&desk).claim("email", "carol@example.com").sign();
        for round in 0..3 {
            let seen = ask(&watched.layer, &token).await;
            assert_served(&seen);
            assert_eq!(seen.groups(), json!(["support"]));
            assert_eq!(seen.body["email"], "carol@example.com");
            let expected = if limits == CacheLimits::digests(0) {
                0
            } else {
                round
            };
            assert_eq!(watched.hits.load(Ordering::SeqCst), expected, "{limits:?}");
        }
        desk.assert_silent();
    }
}

#[tokio::test]
async fn a63_a69_a70_times_are_judged_on_each_request() {
    for limits in MODES {
        let desk = Desk::new();
        let watched = Watched::plain(&desk, limits);
        let layer = &watched.layer;
        let now = desk.clock.now();
        let early = token(&desk).claim("nbf", now.saturating_add(10 * MINUTE).unix_seconds());
        let early = early.expires_in(60 * MINUTE).sign();
        let token = token(&desk).expires_in(5 * MINUTE).sign();
        assert_served(&ask(layer, &token).await);
        for _ in 0..2 {
            assert_invalid(&ask(layer, &early).await, "token is not valid yet");
        }
        // A clock that jumps ahead and back again.
        desk.clock.set_wall(now.saturating_add(60 * MINUTE));
        assert_invalid(&ask(layer, &token).await, "token has expired");
        desk.clock.set_wall(now);
        assert_served(&ask(layer, &token).await);
        assert!(watched.knows(&token).await);
        // A minute of leeway.
        desk.clock.advance(6 * MINUTE - Duration::from_secs(1));
        assert_served(&ask(layer, &token).await);
        desk.clock.advance(Duration::from_secs(1));
        for _ in 0..2 {
            assert_invalid(&ask(layer, &token).await, "token has expired");
        }
        desk.clock.advance(3 * MINUTE);
        assert_served(&ask(layer, &early).await);
        assert!(watched.knows(&early).await);
        desk.assert_silent();
    }
}

#[tokio::test]
async fn a65_a68_a_token_ends_with_its_key_and_with_the_source_of_keys() {
    for limits in MODES {
        let desk = Desk::new();
        let old = keys_in(&desk.issuer.jwks());
        let published = Published::new(set_of(&old));
        let watched = Watched::new(published.builder(&desk), limits);
        let layer = &watched.layer;
        let by = |algorithm| quick(&desk).expires_in(2 * DAY).algorithm(algorithm).sign();
        let (removed, stays) = (by(Algorithm::RS256), by(Algorithm::ES256));
        for token in [&removed, &stays] {
            assert_served(&ask(layer, token).await);
            assert!(watched.knows(token).await);
        }
        published.now(Some(set_of(&old[1..])));
        desk.clock.advance(COOL_DOWN);
        assert_unknown(&ask_unknown(&desk, layer, "unknown").await);
        assert_unknown(&ask(layer, &removed).await);
        assert!(watched.knows(&stays).await, "its key is the same");
        // The keys cannot be renewed for a day.
        published.now(None);
        desk.clock.advance(DAY);
        assert_unavailable(&ask(layer, &stays).await);
        published.now(Some(set_of(&old)));
        desk.clock.advance(COOL_DOWN);
        assert_served(&ask(layer, &stays).await);
        desk.assert_silent();
    }
}

#[tokio::test]
async fn a66_one_letter_else_is_another_token() {
    for limits in MODES {
        let desk = Desk::new();
        let watched = Watched::plain(&desk, limits);
        let known = token(&desk).sign();
        assert_served(&ask(&watched.layer, &known).await);
        let before = watched.hits.load(Ordering::SeqCst);
        // The first letter is `e` in every token, and else it is no token at all.
        for at in (1..known.len()).step_by(7) {
            let mut changed = known.clone().into_bytes();
            changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
            let changed = String::from_utf8(changed).unwrap();
            let seen = ask(&watched.layer, &changed).await;
            assert_eq!(seen.status, 401);
        }
        assert_eq!(watched.hits.load(Ordering::SeqCst), before, "{limits:?}");
        assert!(watched.knows(&known).await);
    }
}

#[tokio::test]
async fn a67_the_cache_ends_at_its_bound_and_garbage_takes_no_place() {
    for limits in [CacheLimits::new(50, 1 << 30), CacheLimits::digests(50)] {
        let desk = Desk::new();
        let watched = Watched::plain(&desk, limits);
        let first = quick(&desk).sign();
        assert_served(&ask(&watched.layer, &first).await);
        for n in 0..200 {
            let garbage = quick(&desk)
                .audience("x")
                .claim("jti", n.to_string())
                .sign();
            assert!(!watched.knows(&garbage).await && !watched.knows(&garbage).await);
        }
        assert!(watched.knows(&first).await, "garbage took its place");
        let tokens: Vec<_> = (0..200).map(|_| quick(&desk).sign()).collect();
        for token in &tokens {
            assert_served(&ask(&watched.layer, token).await);
        }
        let mut known = 0;
        // Asking makes known, so each is asked once, from the last to the first.
        for token in tokens.iter().rev() {
            known += usize::from(watched.knows(token).await);
        }
        assert!((1..=50).contains(&known), "{known} with {limits:?}");
    }
}

#[tokio::test]
async fn what_cannot_be_a_token_is_not_even_looked_up() {
    for limits in MODES {
        let desk = Desk::new();
        let watched = Watched::plain(&desk, limits);
        let lookups = || watched.lookups.load(Ordering::SeqCst);
        let (dots, long) = (".".repeat(8_000), "e".repeat(8_193));
        for (token, cause, looked_up) in [
            ("abc.def.ghi", "token header is not acceptable", 0),
            ("W10.e30.AA", "token header is not acceptable", 0),
            ("{}", "token is not three base64url parts", 0),
            (&dots, "token is not three base64url parts", 0),
            (&long, "token is too long", 0),
            ("e30.e30.AA", "algorithm is not allowed", 1),
        ] {
            let before = lookups();
            assert_invalid(&ask(&watched.layer, token).await, cause);
            assert_eq!(lookups() - before, looked_up, "{token:.20}");
        }
    }
}

/// However long the tokens are: a digest, its signer, and their part of the index.
#[test]
fn digests_take_less_than_320_bytes_each() {
    const TOKENS: usize = 3_000;
    let desk = Desk::new();
    let note = "x".repeat(2_000);
    let sign = |n: usize| {
        quick(&desk)
            .claim("note", &note)
            .claim("jti", n.to_string())
            .sign()
    };
    let tokens: Vec<_> = (0..TOKENS).map(sign).collect();
    let kept = MODES.map(|limits| {
        let places = if limits == MODES[1] {
            CacheLimits::digests(2 * TOKENS)
        } else {
            CacheLimits::new(2 * TOKENS, 1 << 30)
        };
        let builder = desk.bare().issuer(desk.accepted()).token_cache(places);
        let layer = builder.build().unwrap();
        let info = allocation_counter::measure(|| {
            for token in &tokens {
                cost(&layer, token);
            }
        });
        info.bytes_current / TOKENS as i64
    });
    assert!(kept[0] > 4_000, "the control: {kept:?}");
    assert!((64..320).contains(&kept[1]), "{kept:?}");
}
