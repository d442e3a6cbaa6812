//! What does a whole request cost below this layer, and below the others that check JWTs?
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml              # 120 rounds
//! cargo run --release --manifest-path benches/peers/Cargo.toml -- 400       # more
//! ```
//!
//! In process and on one thread. Each variant is called in batches of about a millisecond, in turn, in
//! one run; who begins moves on from round to round. The figures are medians over the rounds and their
//! tenth percentile; each ratio is the median of the ratios within a round, so that a slow moment of the
//! machine weighs on all alike. Allocations are counted exactly, for one call after warming up. Who
//! cannot be built offline, or does not check, is left out, and the reason is printed.

use std::rc::Rc;
use std::time::{Duration, Instant};

use allocation_counter::AllocationInfo;
use axum::body::Body;
use peers::call::{Variant, bearer, request};
use peers::figures::{median, p10, ratios};
use peers::tokens::{Keys, TARGET};
use peers::{BoxError, ours, peers as others};
use serde_json::json;
use tokio::runtime::Runtime;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;

const ROUNDS: usize = 120;
const FAST: usize = 400;
const SLOW: usize = 16;

/// What a variant is compared as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Floor,
    Plain,
    Impersonated,
    Cold,
    ColdImpersonated,
    Peer,
}

/// All that are measured with one algorithm.
struct Family {
    algorithm: Algorithm,
    token_bytes: usize,
    subjects: Vec<Subject>,
    left_out: Vec<String>,
}

struct Subject {
    kind: Kind,
    variant: Variant,
    allocated: AllocationInfo,
    nanos: Vec<f64>,
}

/// At least so many times faster than the fastest peer: plain, impersonated; and what a cold request
/// may take of it.
struct Aims {
    plain: f64,
    impersonated: f64,
    cold: f64,
}

fn main() -> Result<(), BoxError> {
    let rounds = std::env::args().find_map(|argument| argument.parse().ok());
    let rounds = rounds.unwrap_or(ROUNDS);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let runtime = Rc::new(runtime);
    let issuer = TestIssuer::offline("https://issuer.example.com");
    println!("load of the machine: {}", load());
    let mut families = Vec::new();
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        let keys = Keys {
            issuer: issuer.clone(),
            algorithm,
        };
        families.push(family(&runtime, &keys, rounds)?);
    }
    measure(&mut families, rounds);
    families.iter().for_each(print);
    families.iter().for_each(compare);
    println!("\nload of the machine: {}", load());
    Ok(())
}

fn family(runtime: &Rc<Runtime>, keys: &Keys, rounds: usize) -> Result<Family, BoxError> {
    let token = keys.token().sign();
    let acting = keys
        .token()
        .claim("impersonating", json!({ "sub": TARGET }))
        .sign();
    let mut family = Family {
        algorithm: keys.algorithm,
        token_bytes: token.len(),
        subjects: Vec::new(),
        left_out: Vec::new(),
    };
    let bare = Variant::new(runtime, "bare router", FAST, ours::bare(), || {
        request::<Body>(None)
    });
    family.add(Kind::Floor, bare);
    let warm = |name, service, token| Variant::checked(runtime, name, FAST, service, token);
    let name = "tower-impersonate, warm, plain";
    family.add(Kind::Plain, warm(name, ours::plain(keys)?, &token)?);
    let whole = ours::whole(keys)?;
    let name = "tower-impersonate, warm, impersonated";
    let variant = Variant::checked(runtime, name, FAST, whole.clone(), &acting)?;
    family.add(Kind::Impersonated, variant);

    let mut fresh = unseen(keys, rounds, false);
    let name = "tower-impersonate, cold, plain";
    let service = ours::plain(keys)?;
    let cold = Variant::new(runtime, name, SLOW, service, move || {
        request(fresh.pop().as_ref())
    });
    family.add(Kind::Cold, cold);
    let mut fresh = unseen(keys, rounds, true);
    let name = "tower-impersonate, cold, impersonated";
    let cold = Variant::new(runtime, name, SLOW, whole, move || {
        request(fresh.pop().as_ref())
    });
    family.add(Kind::ColdImpersonated, cold);

    family.peer("from_fn + jsonwebtoken", |name| {
        let service = others::from_fn::service(keys)?;
        Variant::checked::<_, Body, _>(runtime, name, SLOW, service, &token)
    });
    family.peer("axum-jwt-auth", |name| {
        let service = others::axum_jwt_auth::service(keys)?;
        Variant::checked::<_, Body, _>(runtime, name, SLOW, service, &token)
    });
    family.peer("tower-oauth2-resource-server", |name| {
        let service = others::tower_oauth2_resource_server::service(keys);
        Variant::checked(runtime, name, SLOW, runtime.block_on(service)?, &token)
    });
    family.peer("jwt-authorizer (axum 0.7)", |name| {
        let service = others::jwt_authorizer::service(keys);
        Variant::checked(runtime, name, SLOW, runtime.block_on(service)?, &token)
    });
    family.peer("axum-keycloak-auth", |name| {
        let service = others::axum_keycloak_auth::service(keys);
        Variant::checked(runtime, name, SLOW, runtime.block_on(service)?, &token)
    });
    family.peer("huskarl-axum", |name| {
        let service = others::huskarl_axum::service(keys);
        Variant::checked(runtime, name, SLOW, runtime.block_on(service)?, &token)
    });
    Ok(family)
}

/// As many tokens as the rounds take and one more batch: to warm up, to count.
fn unseen(keys: &Keys, rounds: usize, acting: bool) -> Vec<http::HeaderValue> {
    let sign = |number: usize| {
        let token = keys.token().claim("jti", format!("{number:036}"));
        let token = match acting {
            true => token.claim("impersonating", json!({ "sub": TARGET })),
            false => token,
        };
        bearer(&token.sign())
    };
    (0..(rounds + 1) * SLOW + 1).map(sign).collect()
}

impl Family {
    fn add(&mut self, kind: Kind, variant: Variant) {
        self.subjects.push(Subject {
            kind,
            variant,
            allocated: AllocationInfo::default(),
            nanos: Vec::new(),
        });
    }

    fn peer(&mut self, name: &str, make: impl FnOnce(&str) -> Result<Variant, BoxError>) {
        match make(name) {
            Ok(variant) => self.add(Kind::Peer, variant),
            Err(reason) => self.left_out.push(format!("{name}: {reason}")),
        }
    }

    fn of(&self, kind: Kind) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.kind == kind)
    }

    fn fastest_peer(&self) -> Option<&Subject> {
        let peers = self.subjects.iter().filter(|one| one.kind == Kind::Peer);
        peers.min_by(|a, b| f64::total_cmp(&median(a.nanos.clone()), &median(b.nanos.clone())))
    }

    fn aims(&self) -> Aims {
        let (plain, impersonated, cold) = match self.algorithm {
            Algorithm::RS256 => (25.0, 18.0, 0.80),
            Algorithm::ES256 => (60.0, 45.0, 0.95),
            _ => (45.0, 32.0, 0.95),
        };
        Aims {
            plain,
            impersonated,
            cold,
        }
    }
}

fn measure(families: &mut [Family], rounds: usize) {
    let subjects = families.iter_mut().flat_map(|family| &mut family.subjects);
    let mut subjects: Vec<&mut Subject> = subjects.collect();
    for subject in &mut subjects {
        (subject.variant.call)(subject.variant.batch);
        subject.allocated = allocation_counter::measure(|| (subject.variant.call)(1));
    }
    for round in 0..rounds {
        let count = subjects.len();
        for turn in 0..count {
            let subject = &mut subjects[(turn + round) % count];
            let start = Instant::now();
            (subject.variant.call)(subject.variant.batch);
            let took = per_call(start.elapsed(), subject.variant.batch);
            subject.nanos.push(took);
        }
    }
}

fn per_call(took: Duration, batch: usize) -> f64 {
    took.as_nanos() as f64 / batch as f64
}

fn print(family: &Family) {
    let name = family.algorithm.name();
    println!("\n{name}, a token of {} bytes", family.token_bytes);
    println!(
        "{:<38} {:>9} {:>9} {:>8} {:>7} {:>8}",
        "variant", "ns", "p10", "x bare", "allocs", "bytes"
    );
    let bare = &family.subjects[0].nanos;
    for subject in &family.subjects {
        println!(
            "{:<38} {:>9.0} {:>9.0} {:>8.2} {:>7} {:>8}",
            subject.variant.name,
            median(subject.nanos.clone()),
            p10(subject.nanos.clone()),
            median(ratios(&subject.nanos, bare)),
            subject.allocated.count_total,
            subject.allocated.bytes_total,
        );
    }
    for reason in &family.left_out {
        println!("left out: {reason}");
    }
}

fn compare(family: &Family) {
    let name = family.algorithm.name();
    let Some(peer) = family.fastest_peer() else {
        println!("\n{name}: no peer ran");
        return;
    };
    let aims = family.aims();
    println!("\n{name}: the fastest peer is {}", peer.variant.name);
    let faster = [
        ("warm, plain", Kind::Plain, aims.plain),
        ("warm, impersonated", Kind::Impersonated, aims.impersonated),
    ];
    for (what, kind, aim) in faster {
        if let Some(own) = family.of(kind) {
            let times = median(ratios(&peer.nanos, &own.nanos));
            println!(
                "  {what:<20} {times:>6.1} times faster, at least {aim}: {}",
                met(times >= aim)
            );
        }
    }
    let cold = [
        ("cold, plain", Kind::Cold),
        ("cold, impersonated", Kind::ColdImpersonated),
    ];
    for (what, kind) in cold {
        if let Some(own) = family.of(kind) {
            let share = median(ratios(&own.nanos, &peer.nanos));
            let count = own.allocated.count_total;
            println!(
                "  {what:<20} {share:>6.2} of its time, at most {}: {}; {count} allocations",
                aims.cold,
                met(share <= aims.cold),
            );
        }
    }
}

fn met(holds: bool) -> &'static str {
    if holds { "met" } else { "NOT MET" }
}

/// How many want to run besides this, as Linux tells it.
fn load() -> String {
    std::fs::read_to_string("/proc/loadavg").unwrap_or_else(|_| "unknown".into())
}
