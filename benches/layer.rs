//! What does each kind of request cost, beside the router alone?
//!
//! ```text
//! cargo bench --bench layer                       # 120 rounds
//! cargo bench --bench layer --features sqlite     # a grant in a file, too
//! cargo bench --bench layer -- 400                # more rounds
//! ```
//!
//! In process and on one thread; how it is measured is told in `common/rounds.rs`. Floor and subjects send the same headers,
//! `authorization` included, as views of a shared buffer. Who sends one more is compared with a floor that gets it, too.
//! What a request may cost stands below the figures, with whether it holds. SQLite works on a thread of its own, whose
//! allocations are not among those that are counted.

#[path = "common/rounds.rs"]
mod rounds;
#[path = "common/subjects.rs"]
mod subjects;

use std::convert::Infallible;
use std::rc::Rc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use http::header::{COOKIE, HeaderName, HeaderValue};
use http::{Request, Response};
use rounds::{Headers, LEAD, Measured, Variant, bearer, rank};
use serde_json::json;
use subjects::{ACTOR, ISSUER, TARGET, token};
use tokio::runtime::Runtime;
use tower::util::MapRequestLayer;
use tower::{Layer, Service};
use tower_impersonate::grant::{self, GrantStore, Grants, Others, StartLimit, Started};
use tower_impersonate::testing::{TestGrant, TestIssuer};
use tower_impersonate::time::{Clock, SystemClock};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationService, resolve};

const ROUNDS: usize = 120;
const FAST: usize = 400;
const SLOW: usize = 8;

/// At most so many times the floor's time, and exactly so many allocations more.
const WARM_AIMS: [(&str, f64, i64); 3] = [
    ("warm, plain", 1.45, 2),
    ("warm, by claim", 2.0, 4),
    ("warm, by header", 2.3, 5),
];
/// At most so many allocations in all.
const COLD_AIM: (&str, u64) = ("cold, plain, RS256", 20);

fn main() {
    let runtime = rounds::runtime();
    let rounds = rounds::rounds(ROUNDS);
    let mut variants = variants(&runtime, rounds);
    let measured = rounds::measure(&mut variants, rounds);
    rounds::print(&variants, &measured);
    println!();
    let met = |holds| if holds { "met" } else { "NOT MET" };
    let of = |name: &str| {
        let index = variants.iter().position(|variant| variant.name == name);
        let index = index.expect("a variant of that name");
        (&measured[index], &measured[variants[index].against])
    };
    for (name, most, exactly) in WARM_AIMS {
        let (own, floor): (&Measured, &Measured) = of(name);
        let (ratio, more) = (rank(&own.ratios, 0.5), rounds::more(own, floor));
        println!(
            "{name}: {ratio:.2} x floor, at most {most}: {}; {more} allocations more, exactly {exactly}: {}",
            met(ratio <= most),
            met(more == exactly),
        );
    }
    let (name, most) = COLD_AIM;
    let (own, floor) = of(name);
    let (count, bare) = (own.allocated.count_total, floor.allocated.count_total);
    println!(
        "{name}: {count} allocations, at most {most} where the floor has {bare}: {}",
        met(count <= most)
    );
}

fn variants(runtime: &Rc<Runtime>, rounds: usize) -> Vec<Variant> {
    let issuer = TestIssuer::offline(ISSUER);
    let layer = subjects::builder(&issuer).build();
    let layer = layer.expect("a sound configuration");
    let outside = layer.layer(subjects::routed());
    let inside = subjects::routed().layer(layer);
    let noop = MapRequestLayer::new(|request: Request<Body>| request);
    let noop_inside = subjects::bare().layer(noop.clone());
    let noop = noop.layer(subjects::bare());
    let bare = subjects::bare();

    let own = bearer(&token(&issuer, 0).sign());
    let with = |claim: &str, sub: &str| {
        let token = token(&issuer, 0).claim(claim, json!({ "sub": sub }));
        bearer(&token.sign())
    };
    let (named, act) = (with("impersonating", TARGET), with("act", "admin-sub"));
    let target = (
        HeaderName::from_static("impersonate-user"),
        HeaderValue::from_static(TARGET),
    );
    let asking = and(&own, target);
    let (in_memory, cookie) = under_a_grant(runtime, &issuer, grant::memory());
    let cookie = and(&own, cookie);

    let mut all = vec![
        warm(runtime, "bare router", bare.clone(), &own),
        warm(
            runtime,
            "bare router, impersonate-user",
            bare.clone(),
            &asking,
        ),
        warm(runtime, "bare router, cookie", bare, &cookie),
        warm(runtime, "no-op layer", noop, &own),
        warm(runtime, "no-op layer, by Router::layer", noop_inside, &own),
        warm(runtime, "warm, plain", outside.clone(), &own),
        warm(runtime, "warm, plain, by Router::layer", inside, &own),
        warm(runtime, "warm, by claim", outside.clone(), &named),
        warm(runtime, "warm, by act", outside.clone(), &act),
        warm(runtime, "warm, by header", outside.clone(), &asking).against(1),
        warm(runtime, "warm, by a grant in memory", in_memory, &cookie).against(2),
    ];
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        // To warm up, to count, and to measure.
        let count = (rounds + 2) * (LEAD + SLOW);
        let sign = |number| bearer(&token(&issuer, number).algorithm(algorithm).sign());
        let mut fresh: Vec<_> = (1..=count).map(sign).collect();
        let name = format!("cold, plain, {}", algorithm.name());
        let fresh = move || fresh.pop().expect("a token that was not there before");
        all.push(Variant::new(runtime, name, SLOW, outside.clone(), fresh));
    }
    #[cfg(feature = "sqlite")]
    all.push(file::variant(runtime, &issuer, &own));
    all
}

fn warm<S, B>(runtime: &Rc<Runtime>, name: &str, service: S, headers: &Headers) -> Variant
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone + 'static,
{
    let headers = Rc::clone(headers);
    Variant::new(runtime, name, FAST, service, move || Rc::clone(&headers))
}

fn and(headers: &Headers, one: (HeaderName, HeaderValue)) -> Headers {
    headers.iter().cloned().chain([one]).collect()
}

/// The layer over a store, and the cookie that names the actor's grant in it.
fn under_a_grant(
    runtime: &Runtime,
    issuer: &TestIssuer,
    store: impl GrantStore + 'static,
) -> (ImpersonationService<Router>, (HeaderName, HeaderValue)) {
    let now = SystemClock::new().now();
    let grant = TestGrant::new(ACTOR, TARGET).at(now);
    let (grant, secret) = grant.lives(Duration::from_secs(3600)).build_with_secret();
    let limit = StartLimit {
        per_actor: 1,
        others: Others::Stay,
        keep_ended: 10,
        now,
    };
    let started = runtime.block_on(async { store.start(grant, limit).await });
    assert!(matches!(started, Ok(Started::New(..))));
    let layer = subjects::builder(issuer)
        .resolve(resolve::cookie(["https://desk.example.com"]))
        .grants(Grants::new(store))
        .build()
        .expect("a sound configuration");
    let cookie = format!("__Host-impersonation={}", secret.expose().expose());
    let cookie = HeaderValue::try_from(cookie).expect("a header value");
    drop(cookie.clone());
    (layer.layer(subjects::routed()), (COOKIE, cookie))
}

#[cfg(feature = "sqlite")]
mod file {
    use std::path::PathBuf;

    use super::{Headers, Rc, Runtime, SLOW, TestIssuer, Variant, and, grant, under_a_grant};

    /// Gone when nobody uses it any more.
    struct Folder(PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    pub(super) fn variant(runtime: &Rc<Runtime>, issuer: &TestIssuer, own: &Headers) -> Variant {
        let name = format!("tower-impersonate-bench-layer-{}", std::process::id());
        let folder = Folder(std::env::temp_dir().join(name));
        std::fs::create_dir_all(&folder.0).expect("a folder");
        let store = grant::sqlite(folder.0.join("grants.sqlite"));
        let (service, cookie) = under_a_grant(runtime, issuer, store);
        let used = (and(own, cookie), folder);
        let headers = move || Rc::clone(&{ &used }.0);
        Variant::new(
            runtime,
            "warm, by a grant in SQLite",
            SLOW,
            service,
            headers,
        )
        .against(2)
    }
}
