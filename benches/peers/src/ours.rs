//! The bare router, and this crate around it.

use std::convert::Infallible;
use std::hint::black_box;

use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use http::Request;
use tower::{Layer, Service};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::middleware::ResponseBody;
use tower_impersonate::{
    Identity, ImpersonationLayer, Issuer, Principal, directory, policy, resolve,
};

use crate::BoxError;
use crate::tokens::{AUDIENCE, Keys, SUBJECT, TARGET};

/// Takes every event and keeps none, so that the layer is measured and no disk.
struct DiscardForBenchmark;

impl AuditSink for DiscardForBenchmark {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        black_box(event);
        Answer::now(Ok(()))
    }

    fn complete(&self, done: Completion) {
        black_box(done);
    }
}

/// A router whose handler knows nobody.
pub fn bare() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// What a service around a router answers.
pub type Answered = http::Response<ResponseBody<Body>>;

/// The layer as the peers are: it authenticates, and that is all.
///
/// # Errors
///
/// When the layer refuses the configuration.
pub fn plain(
    keys: &Keys,
) -> Result<
    impl Service<Request<Body>, Response = Answered, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
    + use<>,
    BoxError,
> {
    let layer = ImpersonationLayer::builder().issuer(issuer(keys)).build()?;
    Ok(layer.layer(routed()))
}

/// The layer with a strategy, a policy, a directory and an audit.
///
/// # Errors
///
/// When the layer refuses the configuration.
pub fn whole(
    keys: &Keys,
) -> Result<
    impl Service<Request<Body>, Response = Answered, Error = Infallible, Future: Send>
    + Clone
    + Send
    + 'static
    + use<>,
    BoxError,
> {
    let person = |subject: &str, group: &str| {
        Identity::new(keys.issuer.name(), subject)
            .with_groups([group])
            .enabled_account()
    };
    let people = [person(TARGET, "customers"), person(SUBJECT, "support")];
    let layer = ImpersonationLayer::builder()
        .issuer(issuer(keys).trust_claim("impersonating"))
        .resolve(resolve::claim("impersonating"))
        .policy(policy::in_group("support"))
        .directory(directory::memory(people))
        .audit(DiscardForBenchmark)
        .build()?;
    Ok(layer.layer(routed()))
}

fn routed() -> Router {
    let greet = async |Extension(principal): Extension<Principal>| -> &'static str {
        black_box(principal.subject());
        "hello"
    };
    Router::new().route("/", get(greet))
}

fn issuer(keys: &Keys) -> Issuer {
    keys.issuer
        .issuer()
        .audiences([AUDIENCE])
        .groups_claim("cognito:groups")
}
