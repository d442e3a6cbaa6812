//! What holds of every request and of every policy, tried on random ones through the whole layer.

#[path = "properties/identities.rs"]
mod identities;
#[path = "properties/policies.rs"]
mod policies;
#[path = "properties/requests.rs"]
mod requests;
mod support;

use std::future::Future;

use proptest::test_runner::Config;

/// Nothing is written beside the tests: a failure prints what it was about.
fn cases(count: u32) -> Config {
    Config {
        failure_persistence: None,
        ..Config::with_cases(count)
    }
}

/// Runs a request; every case has a runtime of its own.
fn wait<T>(work: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build();
    runtime.unwrap().block_on(work)
}
