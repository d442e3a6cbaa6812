//! malformed anything, at random from a fixed seed. Nothing panics, so that a host that aborts
//! on panics stays up, and nothing that is refused runs.

mod support;

use std::collections::BTreeSet;
use std::panic;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request};
use http_body_util::Full;
use serde_json::json;
use support::{AUDIENCE, Desk, ISSUER, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::testing::ManualClock;
use tower_impersonate::time::Clock;
use tower_impersonate::token::{Algorithm, FetchLimits, Fetched, Issuer, StaticKeys};
use tower_impersonate::{ImpersonationLayer, policy, resolve};

/// The layer catches panics of plug-ins; here they are counted wherever they are caught.
static PANICS: AtomicUsize = AtomicUsize::new(0);

fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICS.fetch_add(1, Ordering::SeqCst);
            default(info);
        }));
    });
}

/// Marsaglia's xorshift: the same numbers on every run.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    /// One to three small changes: a byte replaced, put in or taken out, a piece doubled, the end cut.
    fn spoil(&mut self, text: &[u8], alphabet: &[u8]) -> Vec<u8> {
        let mut bytes = text.to_vec();
        for _ in 0..=self.below(3) {
            if bytes.is_empty() {
                break;
            }
            let at = self.below(bytes.len());
            let byte = alphabet[self.below(alphabet.len())];
            match self.below(6) {
                0 | 1 => bytes[at] = byte,
                2 => bytes.insert(at, byte),
                3 => drop(bytes.remove(at)),
                4 => {
                    let end = bytes.len().min(at + 1 + self.below(16));
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
                _ => bytes.truncate(at),
            }
        }
        bytes
    }
}

const BASE64: &[u8] = b"ABCDabcd0189-_=+/. ,\"{}";
const JSON: &[u8] = b"{}[]\",:\\ 0123456789-+eE.truefalsnl\0\n\x80\xffu";

/// What may stand in a header field.
fn field_bytes() -> Vec<u8> {
    (0x20..=0xff_u8)
        .filter(|byte| *byte != 0x7f)
        .chain([b'\t'])
        .collect()
}

fn everything(desk: &Desk) -> ImpersonationLayer {
    let issuer = desk.accepted().trust_claim("impersonating").trust_act();
    desk.bare()
        .issuer(issuer)
        .resolve(resolve::claim("impersonating").or_string())
        .resolve(resolve::act())
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::role(["viewers"]))
        .policy(policy::in_group("support"))
        .build()
        .unwrap()
}

fn header(desk: &Desk) -> String {
    let kid = desk.issuer.kid(Algorithm::EdDSA);
    json!({ "alg": "EdDSA", "kid": kid, "typ": "JWT" }).to_string()
}

fn claims(desk: &Desk) -> String {
    let now = desk.clock.now().unix_seconds();
    json!({
        "iss": ISSUER, "sub": "carol", "aud": AUDIENCE, "iat": now, "exp": now + 300,
        "groups": ["support"], "scope": "a b", "client_id": "desk", "username": "carol",
        "auth_time": now, "impersonating": { "sub": "alice", "iss": ISSUER },
    })
    .to_string()
}

/// Whatever came, it was answered by somebody's decision.
async fn assert_answered(
    desk: &Desk,
    layer: &ImpersonationLayer,
    request: Request<Full<Bytes>>,
) -> u16 {
    let told = format!("{request:?}");
    let seen = desk.send(layer, request).await;
    let status = seen.status.as_u16();
    assert!(
        matches!(status, 200 | 400 | 401 | 403 | 409),
        "{told} {seen:?}"
    );
    assert_eq!(seen.ran, status == 200, "{told}");
    assert_eq!(PANICS.load(Ordering::SeqCst), 0, "{told}");
    if status == 401
        && seen
            .rejection
            .as_ref()
            .is_some_and(|r| r.kind().as_str() == "missing_credential")
    {
        desk.assert_silent();
    }
    desk.sink.clear();
    status
}

#[tokio::test]
async fn a158_spoiled_tokens() {
    count_panics();
    let desk = Desk::new();
    let layer = everything(&desk);
    let (header, claims) = (header(&desk), claims(&desk));
    let good = desk.issuer.sign(Algorithm::EdDSA, &header, &claims);
    desk.send(&layer, get(&good, &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
    let mut random = Random(0x0a15_8000);
    let mut refused = 0;
    for _ in 0..2_000 {
        let spoiled = random.spoil(good.as_bytes(), BASE64);
        let same = spoiled == good.as_bytes();
        let spoiled = String::from_utf8(spoiled).unwrap();
        let status = assert_answered(&desk, &layer, get(&spoiled, &[])).await;
        assert_eq!(status == 200, same, "{spoiled}");
        refused += usize::from(!same);
    }
    assert!(refused > 1_500);
}

#[tokio::test]
async fn a158_spoiled_headers_and_claims_under_a_good_signature() {
    count_panics();
    let desk = Desk::new();
    let layer = everything(&desk);
    let (header, claims) = (header(&desk), claims(&desk));
    let mut random = Random(0x0a15_8001);
    let mut answers = BTreeSet::new();
    for _ in 0..3_000 {
        let spoil_header = random.below(3) == 0;
        let original = if spoil_header { &header } else { &claims };
        let spoiled = random.spoil(original.as_bytes(), JSON);
        let spoiled = String::from_utf8_lossy(&spoiled).into_owned();
        let token = if spoil_header {
            desk.issuer.sign(Algorithm::EdDSA, &spoiled, &claims)
        } else {
            desk.issuer.sign(Algorithm::EdDSA, &header, &spoiled)
        };
        answers.insert(assert_answered(&desk, &layer, get(&token, &[])).await);
    }
    // Some of the spoiled are another sound token, so every kind of answer is seen.
    assert!(
        answers.is_superset(&BTreeSet::from([200, 401, 403])),
        "{answers:?}"
    );
}

#[tokio::test]
async fn a158_random_request_headers() {
    count_panics();
    let desk = Desk::new();
    let layer = everything(&desk);
    let plain = desk.token("carol", &["support"]).sign();
    let bearer = format!("Bearer {plain}");
    let alphabet = field_bytes();
    let mut random = Random(0x0a15_8002);
    let mut answers = BTreeSet::new();
    let names = [
        "authorization",
        "impersonate-user",
        "impersonate-group",
        "impersonate-issuer",
        "impersonate-reason",
        "impersonate_user",
        "connection",
        "upgrade",
        "te",
        "content-type",
        "origin",
        "user-agent",
        "x-request-id",
    ];
    for _ in 0..4_000 {
        let mut request = get(&plain, &[]);
        if random.below(4) == 0 {
            let value = random.spoil(bearer.as_bytes(), &alphabet);
            let value = HeaderValue::from_bytes(&value).unwrap();
            request.headers_mut().insert("authorization", value);
        }
        for _ in 0..random.below(4) {
            let name = HeaderName::from_static(names[random.below(names.len())]);
            let seeds = [
                "alice",
                "al\u{ef}ce",
                "\u{202e}ecila",
                ISSUER,
                "viewers",
                "",
                "a, b",
                "close, impersonate-user",
            ];
            let seed = seeds[random.below(seeds.len())];
            let value = random.spoil(seed.as_bytes(), &alphabet);
            let value = if random.below(2) == 0 {
                seed.as_bytes()
            } else {
                &value
            };
            let value = HeaderValue::from_bytes(value).unwrap();
            request.headers_mut().append(name, value);
        }
        answers.insert(assert_answered(&desk, &layer, request).await);
    }
    assert_eq!(answers, BTreeSet::from([200, 400, 401, 403]));
}

#[tokio::test]
async fn a158_spoiled_key_sets() {
    count_panics();
    let desk = Desk::new();
    let jwks = desk.issuer.jwks();
    let token = desk
        .token("carol", &["support"])
        .algorithm(Algorithm::EdDSA)
        .sign();
    let mut random = Random(0x0a15_8003);
    let (mut built, mut passed, mut unavailable) = (0, 0, 0);
    for _ in 0..400 {
        let spoiled = random.spoil(jwks.as_bytes(), JSON);
        // Written into the configuration.
        let text = String::from_utf8_lossy(&spoiled).into_owned();
        let issuer = Issuer::static_keys(ISSUER, StaticKeys::jwks(text)).audiences([AUDIENCE]);
        let layer = ImpersonationLayer::builder().clock(desk.clock.clone());
        if let Ok(layer) = layer.issuer(issuer).build() {
            built += 1;
            let status = assert_answered(&desk, &layer, get(&token, &[])).await;
            passed += usize::from(status == 200);
        }
        // Fetched from an issuer.
        let fetch =
            move |_: &http::Uri, _: &FetchLimits| Answer::now(Ok(Fetched::new(spoiled.clone())));
        let issuer = Issuer::jwks(ISSUER, "https://issuer.example.com/keys").audiences([AUDIENCE]);
        let layer = ImpersonationLayer::builder().clock(ManualClock::at(desk.clock.now()));
        let layer = layer.issuer(issuer).fetch_keys(fetch).build().unwrap();
        let seen = desk.send(&layer, get(&token, &[])).await;
        let status = seen.status.as_u16();
        assert!(matches!(status, 200 | 401 | 503), "{seen:?}");
        unavailable += usize::from(status == 503);
        assert_eq!(PANICS.load(Ordering::SeqCst), 0);
    }
    assert!(
        built > 0 && passed > 0 && unavailable > 0,
        "{built} {passed} {unavailable}"
    );
}
