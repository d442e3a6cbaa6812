//! The layer on a socket before tokens and keys of a provider that shares no code with the other one:
//! glewlwyd, written in C.
//!
//! `./tests/run` starts it and runs these.

#![cfg(feature = "jwks")]

#[path = "support/counterparts.rs"]
mod counterparts;
#[path = "support/glewlwyd.rs"]
mod glewlwyd;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use counterparts::{assert_recorded, decoded, text};
use glewlwyd::Glewlwyd;
use http::Uri;
use over_http::Server;
use serde_json::json;
use support::{AUDIENCE, Seen};
use tower_impersonate::testing::{ManualClock, RecordingSink};
use tower_impersonate::time::{Clock, SystemClock};
use tower_impersonate::token::{FetchKeys, FetchLimits, HttpClient};
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, directory, policy, resolve};

const COOL_DOWN: Duration = Duration::from_secs(10);

/// A provider and what takes its tokens: Carol is in the support team, Alice is a customer.
struct Desk {
    provider: Glewlwyd,
    sink: RecordingSink,
    clock: ManualClock,
    fetches: Arc<AtomicUsize>,
    server: Server,
    /// The provider names people by what it thinks up.
    alice: String,
    carol: String,
}

impl Desk {
    async fn of(name: &'static str) -> Self {
        let provider = Glewlwyd::provider(name);
        let sub = async |username| {
            let token = provider.person(username, AUDIENCE).await;
            text(&decoded(&token).1["sub"])
        };
        let (alice, carol) = (sub("alice").await, sub("carol").await);
        let person = |sub: &str, groups: &[&str]| {
            Identity::new(provider.issuer(), sub)
                .with_groups(groups.to_vec())
                .enabled_account()
        };
        let people = [person(&alice, &["customers"]), person(&carol, &["support"])];
        let sink = RecordingSink::new();
        let clock = ManualClock::at(SystemClock::new().now());
        let fetches = Arc::<AtomicUsize>::default();
        let (count, client) = (Arc::clone(&fetches), HttpClient::new().unwrap());
        let layer = ImpersonationLayer::builder()
            .issuer(
                Issuer::jwks(provider.issuer(), format!("{}/jwks", provider.issuer()))
                    .audiences([AUDIENCE])
                    .at_jwt()
                    .insecure_loopback_http(),
            )
            .fetch_keys(move |url: &Uri, limits: &FetchLimits| {
                count.fetch_add(1, Ordering::SeqCst);
                client.fetch(url, limits)
            })
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("support"))
            .directory(directory::memory(people))
            .audit(sink.clone())
            .clock(clock.clone())
            .build()
            .unwrap();
        Self {
            server: Server::start(layer).await,
            provider,
            sink,
            clock,
            fetches,
            alice,
            carol,
        }
    }

    async fn token(&self, username: &str) -> String {
        self.provider.person(username, AUDIENCE).await
    }

    async fn get(&self, token: &str) -> Seen {
        self.server.get(token, &[]).await
    }

    /// Carol is served with this token, as herself and as Alice, and the audit says so.
    async fn assert_acts_as_alice(&self, token: &str) {
        self.get(token).await.assert_ran_as(&self.carol, None);
        assert!(self.sink.events().is_empty());
        let headers = [("impersonate-user", &*self.alice)];
        let seen = self.server.get(token, &headers).await;
        seen.assert_ran_as(&self.alice, Some(&self.carol));
        assert_eq!(seen.body["groups"], json!(["customers"]));
        let issuer = self.provider.issuer();
        let (actor, target) = ((&*issuer, &*self.carol), (&*issuer, &*self.alice));
        assert_recorded(&self.sink, "header", actor, target).await;
    }

    fn assert_invalid(&self, seen: &Seen) {
        let challenge = r#"Bearer realm="api", error="invalid_token""#;
        seen.assert_refused(401);
        assert_eq!(seen.header("www-authenticate"), Some(challenge));
        assert!(self.sink.events().is_empty());
    }

    fn fetches(&self) -> usize {
        self.fetches.load(Ordering::SeqCst)
    }
}

fn kid(token: &str) -> String {
    text(&decoded(token).0["kid"])
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn tokens_of_all_algorithms_authenticate_and_impersonate() {
    for (name, algorithm) in [("rs256", "RS256"), ("es256", "ES256"), ("eddsa", "EdDSA")] {
        let desk = Desk::of(name).await;
        let token = desk.token("carol").await;
        let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": format!("{name}-1") });
        assert_eq!(decoded(&token).0, header);
        desk.assert_acts_as_alice(&token).await;
        assert_eq!(desk.fetches(), 1);
    }
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn the_keys_are_found_by_discovery() {
    let provider = Glewlwyd::provider("rs256");
    let issuer = Issuer::oidc(provider.issuer()).audiences([AUDIENCE]);
    let layer = ImpersonationLayer::builder().issuer(issuer.insecure_loopback_http());
    let server = Server::start(layer.build().unwrap()).await;
    let token = provider.person("carol", AUDIENCE).await;
    let carol = text(&decoded(&token).1["sub"]);
    server.get(&token, &[]).await.assert_ran_as(&carol, None);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a38_a_token_for_another_service_is_refused() {
    let desk = Desk::of("es256").await;
    let other = desk.provider.person("carol", "other-api").await;
    assert_eq!(decoded(&other).1["aud"], "other-api");
    desk.assert_invalid(&desk.get(&other).await);
    let headers = [("impersonate-user", &*desk.alice)];
    desk.assert_invalid(&desk.server.get(&other, &headers).await);
    desk.assert_acts_as_alice(&desk.token("carol").await).await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a33_the_token_of_another_provider_of_the_same_server_is_refused() {
    let desk = Desk::of("eddsa").await;
    let foreign = Glewlwyd::provider("es256").person("carol", AUDIENCE).await;
    desk.assert_invalid(&desk.get(&foreign).await);
    assert_eq!(desk.fetches(), 0, "an issuer that is not configured");
    desk.assert_acts_as_alice(&desk.token("carol").await).await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a51_new_keys_cost_one_refresh_and_an_old_one_goes_with_its_set() {
    let desk = Desk::of("rotating").await;
    let (old, old_and_new_here) = (desk.token("carol").await, desk.token("carol").await);
    assert_eq!(kid(&old), "rotating-1");
    desk.assert_acts_as_alice(&old).await;
    assert_eq!(desk.fetches(), 1);

    // The next key signs, the one before is still published.
    desk.provider.rotate(0).await;
    let second = desk.token("carol").await;
    assert_eq!(kid(&second), "rotating-2");
    desk.assert_invalid(&desk.get(&second).await);
    desk.assert_acts_as_alice(&old).await;
    assert_eq!(desk.fetches(), 1, "a good set was just fetched");
    desk.clock.advance(COOL_DOWN);
    desk.assert_acts_as_alice(&second).await;
    desk.assert_acts_as_alice(&old).await;
    desk.assert_acts_as_alice(&old_and_new_here).await;
    assert_eq!(desk.fetches(), 2);

    // Only the third is published; whose key is cached goes on until somebody needs another.
    desk.provider.rotate(1).await;
    let third = desk.token("carol").await;
    assert_eq!(kid(&third), "rotating-3");
    desk.clock.advance(COOL_DOWN);
    desk.assert_acts_as_alice(&second).await;
    assert_eq!(desk.fetches(), 2);
    desk.assert_acts_as_alice(&third).await;
    for gone in [&old, &old_and_new_here, &second] {
        desk.assert_invalid(&desk.get(gone).await);
    }
    assert_eq!(desk.fetches(), 3);
}
