//! Does a warm request stay as fast when many people ask in turn?
//!
//! ```text
//! cargo bench --bench rotation            # up to 100,000 tokens; 120 rounds
//! cargo bench --bench rotation -- 400     # more rounds
//! ```
//!
//! Whole requests, each with a token of its own, drawn as `tokens` draws them, and each beside a bare router that gets the
//! same tokens in the same order; how it is measured is told in `common/rounds.rs`. All tokens were seen before. Each request brings a copy
//! of its token, made before the batch, as a server has it in the buffer of a connection. `tokens` asks the cache
//! alone, beside a hash map.

#[path = "common/draw.rs"]
mod draw;
#[path = "common/rounds.rs"]
mod rounds;
#[path = "common/subjects.rs"]
mod subjects;

use std::rc::Rc;

use axum::Router;
use draw::{Draw, Drawn};
use rounds::{Headers, Variant, answer, bearer};
use subjects::{ISSUER, token};
use tokio::runtime::Runtime;
use tower::Layer;
use tower_impersonate::ImpersonationService;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{Algorithm, CacheLimits};

const ROUNDS: usize = 120;
const BATCH: usize = 400;
const SUBJECTS: [(usize, Drawn); 4] = [
    (1, Drawn::Zipf),
    (1_000, Drawn::Zipf),
    (100_000, Drawn::Zipf),
    (100_000, Drawn::Evenly),
];
const CHUNK: usize = 1_000;
/// A warm request allocates less often, a cold one more.
const WARM: u64 = 30;

fn main() {
    let runtime = rounds::runtime();
    let issuer = TestIssuer::offline(ISSUER);
    let sign = |number| token(&issuer, number).algorithm(Algorithm::EdDSA).sign();
    let most = SUBJECTS.map(|(size, _)| size).into_iter().max();
    let tokens: Rc<[String]> = (0..most.unwrap_or(0)).map(sign).collect();
    let mut variants = Vec::new();
    for (size, drawn) in SUBJECTS {
        let service = filled(&runtime, &issuer, &tokens[..size]);
        let name = |what| format!("{what}, {}: {size}", drawn.name());
        let floor = variants.len();
        let headers = || drawing(Rc::clone(&tokens), Draw::new(drawn, size));
        variants.push(
            Variant::new(&runtime, name("bare"), BATCH, subjects::bare(), headers()).against(floor),
        );
        variants
            .push(Variant::new(&runtime, name("warm"), BATCH, service, headers()).against(floor));
    }
    let measured = rounds::measure(&mut variants, rounds::rounds(ROUNDS));
    rounds::print(&variants, &measured);
}

/// A layer that has seen those tokens, and keeps each of them.
fn filled(
    runtime: &Runtime,
    issuer: &TestIssuer,
    tokens: &[String],
) -> ImpersonationService<Router> {
    // The cache is made of parts, and none of them is filled evenly.
    let places = tokens.len() + tokens.len() / 4 + 1_000;
    let layer = subjects::builder(issuer)
        .token_cache(CacheLimits::new(places, places * 8_192))
        .build();
    let service = layer
        .expect("a sound configuration")
        .layer(subjects::routed());
    let ask = || {
        for chunk in tokens.chunks(CHUNK) {
            let headers = chunk.iter().map(|token| bearer(token)).collect();
            runtime.block_on(answer(&service, headers));
        }
    };
    ask();
    let again = allocation_counter::measure(ask);
    let each = again.count_total / tokens.len() as u64;
    assert!(each < WARM, "none was verified again");
    service
}

/// A copy of each token that is drawn; those of the floor are the same.
fn drawing(tokens: Rc<[String]>, mut draw: Draw) -> impl FnMut() -> Headers {
    move || bearer(&tokens[draw.next()])
}
