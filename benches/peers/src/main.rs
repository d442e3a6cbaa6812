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
//!
//! No peer remembers a token, and yet each is faster when it gets the same one again and again: the
//! processor learns the branches of that one signature. So each is measured twice: with one token, beside
//! this layer warm, and with tokens that were never there before, beside it cold. A few calls
//! that are not timed go before each batch, so that none finds its code warmer than another.

use std::convert::Infallible;
use std::rc::Rc;
use std::time::{Duration, Instant};

use allocation_counter::AllocationInfo;
use axum::body::Body;
use http::{HeaderValue, Request, Response};
use peers::call::{Variant, bearer, request};
use peers::figures::{median, p10, ratios};
use peers::tokens::{Keys, TARGET};
use peers::{BoxError, ours, peers as others};
use serde_json::json;
use tokio::runtime::Runtime;
use tower::Service;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::Algorithm;

const ROUNDS: usize = 120;
const FAST: usize = 400;
const SLOW: usize = 16;
/// Calls before each batch that are not timed.
const LEAD: usize = 3;
/// So often it is counted what a request allocates.
const COUNTS: usize = 10;

/// What a variant is compared as.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Floor,
    Plain,
    Impersonated,
    Cold,
    ColdImpersonated,
    Peer,
    PeerCold,
}

/// All that are measured with one algorithm.
struct Family {
    algorithm: Algorithm,
    runtime: Rc<Runtime>,
    token: String,
    unseen: Rc<[HeaderValue]>,
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
        runtime: Rc::clone(runtime),
        unseen: unseen(keys, rounds, false),
        token,
        subjects: Vec::new(),
        left_out: Vec::new(),
    };
    let bare = Variant::new(runtime, "bare router", FAST, ours::bare(), || {
        request::<Body>(None)
    });
    family.add(Kind::Floor, bare);
    let (plain, whole) = (ours::plain(keys)?, ours::whole(keys)?);
    let name = "tower-impersonate, warm, plain";
    let warm = Variant::checked(runtime, name, FAST, plain.clone(), &family.token)?;
    family.add(Kind::Plain, warm);
    let name = "tower-impersonate, warm, impersonated";
    let warm = Variant::checked(runtime, name, FAST, whole.clone(), &acting)?;
    family.add(Kind::Impersonated, warm);
    let name = "tower-impersonate, cold, plain";
    let cold = each_once(runtime, name, plain, Rc::clone(&family.unseen));
    family.add(Kind::Cold, cold);
    let name = "tower-impersonate, cold, impersonated";
    let cold = each_once(runtime, name, whole, unseen(keys, rounds, true));
    family.add(Kind::ColdImpersonated, cold);

    let service = others::from_fn::service(keys);
    family.peer::<_, Body, _>("from_fn + jsonwebtoken", service);
    let service = others::axum_jwt_auth::service(keys);
    family.peer::<_, Body, _>("axum-jwt-auth", service);
    let service = runtime.block_on(others::tower_oauth2_resource_server::service(keys));
    family.peer("tower-oauth2-resource-server", service);
    let service = runtime.block_on(others::jwt_authorizer::service(keys));
    family.peer("jwt-authorizer (axum 0.7)", service);
    let service = runtime.block_on(others::axum_keycloak_auth::service(keys));
    family.peer("axum-keycloak-auth", service);
    let service = runtime.block_on(others::huskarl_axum::service(keys));
    family.peer("huskarl-axum", service);
    Ok(family)
}

/// As many tokens as the rounds take, and one more batch: to warm up, to count.
fn unseen(keys: &Keys, rounds: usize, acting: bool) -> Rc<[HeaderValue]> {
    let sign = |number: usize| {
        let token = keys.token().claim("jti", format!("{number:036}"));
        let token = match acting {
            true => token.claim("impersonating", json!({ "sub": TARGET })),
            false => token,
        };
        bearer(&token.sign())
    };
    let count = (rounds + 1) * (LEAD + SLOW) + COUNTS;
    (0..count).map(sign).collect()
}

/// Never the same token twice.
fn each_once<S, In, Out>(
    runtime: &Rc<Runtime>,
    name: &str,
    service: S,
    tokens: Rc<[HeaderValue]>,
) -> Variant
where
    S: Service<Request<In>, Response = Response<Out>, Error = Infallible> + Clone + 'static,
    In: Default,
{
    let mut next = 0;
    Variant::new(runtime, name, SLOW, service, move || {
        next += 1;
        request(Some(&tokens[next - 1]))
    })
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

    /// One that was set up, or the reason why it was not.
    fn peer<S, In, Out>(&mut self, name: &str, service: Result<S, BoxError>)
    where
        S: Service<Request<In>, Response = Response<Out>, Error = Infallible> + Clone + 'static,
        In: Default,
    {
        let variant = service.and_then(|service| {
            let runtime = &self.runtime;
            let checked = Variant::checked(runtime, name, SLOW, service.clone(), &self.token)?;
            let name = format!("{name}, cold");
            let cold = each_once(runtime, &name, service, Rc::clone(&self.unseen));
            Ok((checked, cold))
        });
        match variant {
            Ok((checked, cold)) => {
                self.add(Kind::Peer, checked);
                self.add(Kind::PeerCold, cold);
            }
            Err(reason) => self.left_out.push(format!("{name}: {reason}")),
        }
    }

    fn of(&self, kind: Kind) -> Option<&Subject> {
        self.subjects.iter().find(|subject| subject.kind == kind)
    }

    fn fastest(&self, kind: Kind) -> Option<&Subject> {
        let peers = self.subjects.iter().filter(|one| one.kind == kind);
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
        // Now and then the index of a cache grows.
        let counts = (0..COUNTS).map(|_| allocation_counter::measure(|| (subject.variant.call)(1)));
        let fewest = counts.min_by_key(|info| info.count_total);
        subject.allocated = fewest.expect("it was counted");
    }
    for round in 0..rounds {
        let count = subjects.len();
        for turn in 0..count {
            let subject = &mut subjects[(turn + round) % count];
            (subject.variant.call)(LEAD);
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
    println!("\n{name}, a token of {} bytes", family.token.len());
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
    let peers = (family.fastest(Kind::Peer), family.fastest(Kind::PeerCold));
    let (Some(peer), Some(cold_peer)) = peers else {
        println!("\n{name}: no peer ran");
        return;
    };
    let aims = family.aims();
    println!("\n{name}: beside {}", peer.variant.name);
    let faster = [
        ("warm, plain", Kind::Plain, aims.plain),
        ("warm, impersonated", Kind::Impersonated, aims.impersonated),
    ];
    for (what, kind, aim) in faster {
        if let Some(own) = family.of(kind) {
            let times = median(ratios(&peer.nanos, &own.nanos));
            let met = met(times >= aim);
            println!("  {what:<20} {times:>6.1} times faster, at least {aim}: {met}");
        }
    }
    println!("{name}: beside {}", cold_peer.variant.name);
    let cold = [
        ("cold, plain", Kind::Cold),
        ("cold, impersonated", Kind::ColdImpersonated),
    ];
    for (what, kind) in cold {
        if let Some(own) = family.of(kind) {
            let share = median(ratios(&own.nanos, &cold_peer.nanos));
            let met = met(share <= aims.cold);
            let count = own.allocated.count_total;
            println!(
                "  {what:<20} {share:>6.2} of its time, at most {}: {met}; {count} allocations",
                aims.cold
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
