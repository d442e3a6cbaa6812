//! The router that is the floor, the one that a principal reaches, and the layer around it.

use std::hint::black_box;
use std::time::Duration;

use axum::routing::get;
use axum::{Extension, Router};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::middleware::Builder;
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::{Identity, ImpersonationLayer, Principal, directory, policy, resolve};

pub(crate) const ISSUER: &str = "https://issuer.example.com";
pub(crate) const ACTOR: &str = "90f7b2d4-8041-70e3-5a55-6f1c0f2f3c11";
pub(crate) const TARGET: &str = "f47ac10b-58cc-4372-a567-0e02b2c3d479";

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

/// A handler that knows nobody.
pub(crate) fn bare() -> Router {
    Router::new().route("/", get(async || "hello"))
}

/// A handler that takes the principal.
pub(crate) fn routed() -> Router {
    let greet = async |Extension(principal): Extension<Principal>| {
        black_box(principal.subject());
        "hello"
    };
    Router::new().route("/", get(greet))
}

/// Strategies, a policy, a directory in memory, and the sink that keeps nothing.
pub(crate) fn builder(issuer: &TestIssuer) -> Builder {
    let person = |sub: &str, group: &str| {
        Identity::new(issuer.name(), sub)
            .with_groups([group])
            .enabled_account()
    };
    ImpersonationLayer::builder()
        .issuer(issuer.issuer().trust_claim("impersonating").trust_act())
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .policy(policy::in_group("support").or(policy::vouched_by(issuer.name())))
        .directory(directory::memory([
            person(TARGET, "customers"),
            person(ACTOR, "support"),
        ]))
        .audit(DiscardForBenchmark)
}

/// An access token of the size that Cognito's have, for one of many people; the actor is number 0.
pub(crate) fn token(issuer: &TestIssuer, number: usize) -> TokenBuilder {
    let person = match number {
        0 => ACTOR.to_owned(),
        _ => format!("{number:08}-8041-70e3-5a55-6f1c0f2f3c11"),
    };
    issuer
        .token(&person)
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
}
