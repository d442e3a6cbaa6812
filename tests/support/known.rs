//! Nothing tells a request whether its token was found in the cache but what it costs, so that is
//! counted: allocations.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::testing::TokenBuilder;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, Principal};

use crate::keys::{so_far, token};
use crate::support::{Desk, get};

/// Takes the tokens of the desk, which are signed for it beforehand.
pub fn plain(desk: &Desk) -> ImpersonationLayer {
    desk.bare().issuer(desk.accepted()).build().unwrap()
}

/// A token that takes little time to sign.
pub fn quick(desk: &Desk) -> TokenBuilder {
    token(desk).algorithm(Algorithm::EdDSA)
}

/// How much a request with this token allocates; it is served.
pub fn cost(layer: &ImpersonationLayer, token: &str) -> u64 {
    cost_with(layer, token, |_| {})
}

/// The same, with a handler that wants to know a claim.
pub fn cost_of_claims(layer: &ImpersonationLayer, token: &str) -> u64 {
    cost_with(layer, token, |principal| {
        assert!(principal.identity().attribute("sub").is_some());
    })
}

fn cost_with(layer: &ImpersonationLayer, token: &str, handler: fn(&Principal)) -> u64 {
    let service = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
        handler(request.extensions().get().unwrap());
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    let request = get(token, &[]);
    let mut served = None;
    let cost = allocation_counter::measure(|| {
        let mut asked = Box::pin(service.oneshot(request));
        served = so_far(&mut asked);
    });
    let response = served.expect("there is nothing to wait for").unwrap();
    assert_eq!(response.status(), 200);
    cost.count_total
}

/// Whether a token is known: then nothing of it is read.
pub fn is_known(layer: &ImpersonationLayer, token: &str) -> bool {
    cost(layer, token) < COST_OF_VERIFYING
}

/// Less than this no token costs that has to be read: its text, its claims and whose they are, beside what each request
/// costs.
pub const COST_OF_VERIFYING: u64 = 4 + 3;
