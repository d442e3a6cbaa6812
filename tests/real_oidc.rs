//! The layer on a socket before tokens, keys and failures of a real OpenID provider.
//!
//! `./tests/run` starts the provider and runs these.

#![cfg(feature = "jwks")]

#[path = "support/counterparts.rs"]
mod counterparts;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::time::{Duration, Instant};

use counterparts::{OidcProvider, assert_recorded, decoded};
use over_http::Server;
use serde_json::json;
use support::{AUDIENCE, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::middleware::Builder;
use tower_impersonate::testing::{ManualClock, RecordingSink, TestIssuer};
use tower_impersonate::time::{Clock, SystemClock};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, directory, policy, resolve};

const ES256: (&str, &str) = ("resource", "urn:desk-api:es256");
const EDDSA: (&str, &str) = ("resource", "urn:desk-api:eddsa");
const ED25519: (&str, &str) = ("resource", "urn:desk-api:ed25519");
const OTHER_API: (&str, &str) = ("resource", "urn:other-api:rs256");
const SUPPORT: (&str, &str) = ("groups", "support");
const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

/// A provider, and the people of an application that takes its tokens: Carol is in the support team,
/// Root an administrator, Alice and Dora are customers.
struct Desk {
    provider: OidcProvider,
    sink: RecordingSink,
    clock: ManualClock,
}

impl Desk {
    fn of(provider: OidcProvider) -> Self {
        Self {
            provider,
            sink: RecordingSink::new(),
            clock: ManualClock::at(SystemClock::new().now()),
        }
    }

    fn shared() -> Self {
        Self::of(OidcProvider::shared())
    }

    async fn own() -> Self {
        Self::of(OidcProvider::own().await)
    }

    fn url(&self) -> &str {
        self.provider.url()
    }

    fn issuer(&self) -> Issuer {
        Issuer::oidc(self.url())
            .audiences([AUDIENCE])
            .groups_claim("groups")
            .insecure_loopback_http()
    }

    /// Lacks an issuer and strategies.
    fn bare(&self) -> Builder {
        let person = |sub: &str, groups: &[&str]| {
            Identity::new(self.url(), sub)
                .with_groups(groups.to_vec())
                .enabled_account()
        };
        ImpersonationLayer::builder()
            .clock(self.clock.clone())
            .audit(self.sink.clone())
            .directory(directory::memory([
                person("alice", &["customers", "beta"]),
                person("dora", &["customers"]),
                person("carol", &["support"]),
                person("root", &["admins"]),
            ]))
            .policy(policy::in_group("support").except(policy::target_in_group("admins")))
    }

    /// The usual layer: support may act by header as everybody but administrators.
    async fn server(&self) -> Server {
        self.server_with(self.issuer()).await
    }

    async fn server_with(&self, issuer: Issuer) -> Server {
        let builder = self.bare().issuer(issuer);
        serve(builder.resolve(resolve::header("impersonate-user"))).await
    }

    async fn carol(&self) -> String {
        self.provider.person("carol", &[SUPPORT]).await
    }

    async fn alice(&self) -> String {
        self.provider
            .person("alice", &[("groups", "customers")])
            .await
    }

    /// It ran as Alice, with her groups, by this actor; the audit says so.
    async fn assert_alice(&self, seen: &Seen, actor: &str, strategy: &str) {
        seen.assert_ran_as("alice", Some(actor));
        assert_eq!(seen.body["groups"], json!(["customers", "beta"]));
        self.assert_audited(actor, "alice", strategy).await;
    }

    async fn assert_audited(&self, actor: &str, target: &str, strategy: &str) {
        let people = ((self.url(), actor), (self.url(), target));
        assert_recorded(&self.sink, strategy, people.0, people.1).await;
    }

    /// It was refused, and the audit says by which rule.
    fn assert_denied(&self, seen: &Seen, rule: &str) {
        seen.assert_refused(403);
        assert_eq!(seen.body["error"], "insufficient_scope");
        let denials = self.sink.named(EventName::Denied);
        let rules: Vec<_> = denials
            .iter()
            .map(|denial| &denial["impersonation.deny.rule"])
            .collect();
        assert_eq!(rules, [rule]);
        assert_eq!(self.sink.events().len(), 1);
        self.sink.clear();
    }
}

async fn serve(builder: Builder) -> Server {
    Server::start(builder.build().unwrap()).await
}

#[track_caller]
fn assert_invalid(seen: &Seen) {
    seen.assert_refused(401);
    assert_eq!(
        seen.header("www-authenticate"),
        Some(r#"Bearer realm="api", error="invalid_token""#)
    );
}

/// Says that it is not the token's fault, and when to come again.
#[track_caller]
fn assert_unavailable(seen: &Seen) {
    seen.assert_refused(503);
    let after: u64 = seen.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=10).contains(&after), "{after}");
    assert_eq!(seen.header("www-authenticate"), None);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn tokens_of_all_algorithms_authenticate_and_impersonate() {
    let desk = Desk::shared();
    for strict in [false, true] {
        let issuer = if strict {
            desk.issuer().at_jwt()
        } else {
            desk.issuer()
        };
        let server = desk.server_with(issuer).await;
        for (algorithm, kid, form) in [
            ("RS256", "rs256-1", &[SUPPORT][..]),
            ("ES256", "es256-1", &[SUPPORT, ES256]),
            ("EdDSA", "ed25519-1", &[SUPPORT, EDDSA]),
        ] {
            let carol = desk.provider.person("carol", form).await;
            let header = json!({ "alg": algorithm, "typ": "at+jwt", "kid": kid });
            assert_eq!(decoded(&carol).0, header);

            let seen = server.get(&carol, &[]).await;
            seen.assert_ran_as("carol", None);
            assert_eq!(seen.body["groups"], json!(["support"]));
            assert!(desk.sink.events().is_empty());
            let seen = server.get(&carol, AS_ALICE).await;
            desk.assert_alice(&seen, "carol", "header").await;
        }
    }
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn k02_without_the_right_nobody_is_impersonated() {
    let desk = Desk::shared();
    let server = desk.server().await;
    let alice = desk.alice().await;
    server.get(&alice, &[]).await.assert_ran_as("alice", None);
    let seen = server.get(&alice, &[("impersonate-user", "dora")]).await;
    desk.assert_denied(&seen, "in_group(support)");
    let seen = server
        .get(&desk.carol().await, &[("impersonate-user", "root")])
        .await;
    desk.assert_denied(&seen, "not(target_in_group(admins))");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn machines_act_only_where_header_and_policy_name_them() {
    let desk = Desk::shared();
    let bot = desk.provider.machine("support-bot", &[]).await;
    let app = desk.provider.machine("plain-app", &[]).await;

    let server = desk.server().await;
    server
        .get(&bot, &[])
        .await
        .assert_ran_as("support-bot", None);
    let seen = server.get(&bot, AS_ALICE).await;
    desk.assert_denied(&seen, "machine_by_header");

    let header = || resolve::header("impersonate-user").machines();
    let unnamed = serve(desk.bare().issuer(desk.issuer()).resolve(header())).await;
    let seen = unnamed.get(&bot, AS_ALICE).await;
    desk.assert_denied(&seen, "machine");

    let named = desk.bare().issuer(desk.issuer()).resolve(header());
    let named = serve(named.replacing().policy(policy::machines(["support-bot"]))).await;
    let seen = named.get(&bot, AS_ALICE).await;
    desk.assert_alice(&seen, "support-bot", "header").await;
    let seen = named.get(&app, AS_ALICE).await;
    desk.assert_denied(&seen, "machine");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn an_exchanged_token_runs_as_its_subject_with_the_actor_recorded() {
    let desk = Desk::shared();
    let exchanged = desk
        .provider
        .exchanged(&desk.alice().await, &desk.carol().await)
        .await;
    assert_eq!(decoded(&exchanged).1["act"], json!({ "sub": "carol" }));
    let acting = || {
        desk.bare()
            .issuer(desk.issuer().trust_act())
            .resolve(resolve::act())
    };

    // The directory knows that Carol may; her groups are not in a token for Alice.
    let looked_up = serve(acting()).await;
    let seen = looked_up.get(&exchanged, &[]).await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.assert_audited("carol", "alice", "act").await;

    let vouched = serve(acting().replacing().policy(policy::vouched_by(desk.url()))).await;
    let seen = vouched.get(&exchanged, &[]).await;
    seen.assert_ran_as("alice", Some("carol"));
    desk.assert_audited("carol", "alice", "act").await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a_token_exchanged_twice_is_decided_by_the_outermost_actor() {
    let desk = Desk::shared();
    let acting = desk.bare().issuer(desk.issuer().trust_act());
    let server = serve(acting.resolve(resolve::act())).await;
    let (alice, carol) = (desk.alice().await, desk.carol().await);
    let dora = desk.provider.person("dora", &[]).await;

    let by_dora = desk.provider.exchanged(&alice, &dora).await;
    let by_carol = desk.provider.exchanged(&by_dora, &carol).await;
    let nested = json!({ "sub": "carol", "act": { "sub": "dora" } });
    assert_eq!(decoded(&by_carol).1["act"], nested);
    server
        .get(&by_carol, &[])
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.assert_audited("carol", "alice", "act").await;

    let by_carol = desk.provider.exchanged(&alice, &carol).await;
    let by_dora = desk.provider.exchanged(&by_carol, &dora).await;
    let seen = server.get(&by_dora, &[]).await;
    desk.assert_denied(&seen, "in_group(support)");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn act_of_an_issuer_that_is_not_trusted_for_it_is_refused() {
    let desk = Desk::shared();
    let exchanged = desk
        .provider
        .exchanged(&desk.alice().await, &desk.carol().await)
        .await;
    let other = TestIssuer::offline("https://other.example.com").issuer();
    let both = desk.bare().issuer(desk.issuer()).issuer(other.trust_act());
    let asked = serve(both.resolve(resolve::act())).await;
    let seen = asked.get(&exchanged, &[]).await;
    desk.assert_denied(&seen, "untrusted_act");
    let by_header_only = desk.server().await;
    let seen = by_header_only.get(&exchanged, &[]).await;
    desk.assert_denied(&seen, "untrusted_act");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn an_impersonating_claim_counts_only_where_the_issuer_is_trusted_for_it() {
    let desk = Desk::shared();
    let claims = ("claims", r#"{"impersonating":{"sub":"alice"}}"#);
    let by_carol = desk.provider.person("carol", &[SUPPORT, claims]).await;
    let by_dora = desk.provider.person("dora", &[claims]).await;

    let trusted = desk.issuer().trust_claim("impersonating");
    let claim = || resolve::claim("impersonating");
    let server = serve(desk.bare().issuer(trusted).resolve(claim())).await;
    let seen = server.get(&by_carol, &[]).await;
    desk.assert_alice(&seen, "carol", "claim").await;
    let seen = server.get(&by_dora, &[]).await;
    desk.assert_denied(&seen, "in_group(support)");

    // Another issuer is trusted for it.
    let other = TestIssuer::offline("https://other.example.com");
    let other = other.issuer().trust_claim("impersonating");
    let both = desk.bare().issuer(desk.issuer()).issuer(other);
    let untrusted = serve(both.resolve(claim())).await;
    let seen = untrusted.get(&by_carol, &[]).await;
    desk.assert_denied(&seen, "untrusted_claim");
    let by_header_only = desk.server().await;
    let seen = by_header_only.get(&by_carol, &[]).await;
    desk.assert_denied(&seen, "untrusted_claim");
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a38_a_token_for_another_service_is_refused() {
    let desk = Desk::shared();
    let server = desk.server().await;
    let token = desk.provider.person("carol", &[SUPPORT, OTHER_API]).await;
    assert_eq!(decoded(&token).1["aud"], "other-api");
    assert_invalid(&server.get(&token, &[]).await);
    assert_invalid(&server.get(&token, AS_ALICE).await);
    assert!(desk.sink.events().is_empty());
}

/// RFC 9864 gives EdDSA with this curve a name of its own; it is the same algorithm and the same key.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn the_newer_name_of_an_algorithm_is_known() {
    let desk = Desk::shared();
    let token = desk.provider.person("carol", &[SUPPORT, ED25519]).await;
    assert_eq!(decoded(&token).0["alg"], "Ed25519");
    let seen = desk.server().await.get(&token, AS_ALICE).await;
    desk.assert_alice(&seen, "carol", "header").await;

    let only_rsa = desk.issuer().algorithms([Algorithm::RS256]);
    let server = desk.server_with(only_rsa).await;
    assert_invalid(&server.get(&token, AS_ALICE).await);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn an_algorithm_that_the_issuer_may_not_use_is_refused() {
    let desk = Desk::shared();
    let server = desk
        .server_with(desk.issuer().algorithms([Algorithm::ES256]))
        .await;
    assert_invalid(&server.get(&desk.carol().await, AS_ALICE).await);
    let allowed = desk.provider.person("carol", &[SUPPORT, ES256]).await;
    let seen = server.get(&allowed, AS_ALICE).await;
    desk.assert_alice(&seen, "carol", "header").await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a33_a_key_of_another_issuer_with_the_same_kid_is_not_taken() {
    let (desk, other) = (Desk::shared(), Desk::own().await);
    let (ours, theirs) = (desk.carol().await, other.carol().await);
    assert_eq!(decoded(&ours).0, decoded(&theirs).0, "the same kid");

    let server = serve(
        desk.bare()
            .issuer(desk.issuer())
            .issuer(other.issuer())
            .resolve(resolve::header("impersonate-user")),
    )
    .await;
    server.get(&ours, &[]).await.assert_ran_as("carol", None);
    server.get(&theirs, &[]).await.assert_ran_as("carol", None);

    let (signed, _) = ours.rsplit_once('.').unwrap();
    let (_, signature) = theirs.rsplit_once('.').unwrap();
    assert_invalid(&server.get(&format!("{signed}.{signature}"), &[]).await);
    let impostor = TestIssuer::offline(desk.url());
    let forged = impostor
        .token("carol")
        .audience(AUDIENCE)
        .groups(["support"]);
    assert_invalid(
        &server
            .get(&forged.header("kid", "rs256-1").sign(), AS_ALICE)
            .await,
    );

    let keys_of_other = Issuer::jwks(desk.url(), format!("{}/jwks", other.url()));
    let keys_of_other = keys_of_other.audiences([AUDIENCE]).insecure_loopback_http();
    let wrong_keys = desk.server_with(keys_of_other).await;
    assert_invalid(&wrong_keys.get(&ours, &[]).await);

    let alone = desk.server().await;
    assert_invalid(&alone.get(&theirs, &[]).await);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a51_a_new_key_costs_one_refresh_and_an_old_one_goes_with_its_set() {
    let desk = Desk::own().await;
    let server = desk.server().await;
    let old = desk.carol().await;
    let old_and_new_here = desk.carol().await;
    server.get(&old, &[]).await.assert_ran_as("carol", None);
    assert_eq!(desk.provider.key_requests().await, 1);

    desk.provider.rotate().await;
    let second = desk.carol().await;
    assert_eq!(decoded(&second).0["kid"], "rs256-2");
    assert_invalid(&server.get(&second, &[]).await);
    assert_eq!(
        desk.provider.key_requests().await,
        1,
        "a good set was just fetched"
    );

    desk.clock.advance(Duration::from_secs(10));
    let seen = server.get(&second, AS_ALICE).await;
    desk.assert_alice(&seen, "carol", "header").await;
    server.get(&old, &[]).await.assert_ran_as("carol", None);
    server
        .get(&old_and_new_here, &[])
        .await
        .assert_ran_as("carol", None);
    assert_eq!(desk.provider.key_requests().await, 2);

    desk.provider.rotate().await;
    desk.provider.drop_old().await;
    server.get(&old, &[]).await.assert_ran_as("carol", None);
    let third = desk.carol().await;
    desk.clock.advance(Duration::from_secs(10));
    server.get(&third, &[]).await.assert_ran_as("carol", None);
    for gone in [&old, &old_and_new_here, &second] {
        assert_invalid(&server.get(gone, &[]).await);
    }
    assert_eq!(desk.provider.key_requests().await, 3);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a51_a_dropped_key_is_noticed_by_age_alone() {
    let desk = Desk::own().await;
    let server = desk.server().await;
    let token = desk.provider.person("carol", &[("ttl", "3600")]).await;
    server.get(&token, &[]).await.assert_ran_as("carol", None);
    desk.provider.rotate().await;
    desk.provider.drop_old().await;

    desk.clock.advance(Duration::from_secs(15 * 60 - 1));
    server.get(&token, &[]).await.assert_ran_as("carol", None);
    assert_eq!(desk.provider.key_requests().await, 1);
    desk.clock.advance(Duration::from_secs(1));
    server.get(&token, &[]).await.assert_ran_as("carol", None);
    let began = Instant::now();
    while server.get(&token, &[]).await.ran {
        assert!(began.elapsed() < Duration::from_secs(5), "the key stays");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_invalid(&server.get(&token, &[]).await);
    assert_eq!(desk.provider.key_requests().await, 2);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a46_while_the_key_set_hangs_known_keys_go_on_and_others_wait_five_seconds() {
    let desk = Desk::own().await;
    let server = desk.server().await;
    let (cached, fresh) = (desk.carol().await, desk.carol().await);
    server.get(&cached, &[]).await.assert_ran_as("carol", None);
    desk.provider.rotate().await;
    let unknown = desk.carol().await;
    desk.provider.keys("hang").await;
    desk.clock.advance(Duration::from_secs(10));

    let began = Instant::now();
    let waiting = async {
        let seen = server.get(&unknown, &[]).await;
        (seen, began.elapsed())
    };
    let meanwhile = async {
        while desk.provider.key_requests().await < 2 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        for _ in 0..50 {
            server.get(&cached, &[]).await.assert_ran_as("carol", None);
        }
        let seen = server.get(&fresh, AS_ALICE).await;
        desk.assert_alice(&seen, "carol", "header").await;
        began.elapsed()
    };
    let ((refused, refused_after), served_by) = tokio::join!(waiting, meanwhile);
    assert_unavailable(&refused);
    assert!(
        (4.5..7.0).contains(&refused_after.as_secs_f64()),
        "{refused_after:?}"
    );
    assert!(served_by < Duration::from_secs(4), "{served_by:?}");

    // Inside the cool-down nobody waits again, although the keys are to be had.
    desk.provider.keys("ok").await;
    let began = Instant::now();
    assert_unavailable(&server.get(&unknown, &[]).await);
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(desk.provider.key_requests().await, 2);
    desk.clock.advance(Duration::from_secs(10));
    server.get(&unknown, &[]).await.assert_ran_as("carol", None);
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a46_before_the_first_keys_everybody_waits_five_seconds_at_most() {
    let desk = Desk::own().await;
    let server = desk.server().await;
    let carol = desk.carol().await;
    desk.provider.keys("hang").await;
    let began = Instant::now();
    let (one, other) = tokio::join!(server.get(&carol, &[]), server.get(&carol, AS_ALICE));
    let waited = began.elapsed();
    assert_unavailable(&one);
    assert_unavailable(&other);
    assert!((4.5..7.0).contains(&waited.as_secs_f64()), "{waited:?}");
    assert_eq!(desk.provider.key_requests().await, 1);
    assert!(desk.sink.events().is_empty());
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a49_while_the_key_set_fails_known_keys_go_on_and_others_are_told_at_once() {
    let desk = Desk::own().await;
    let server = desk.server().await;
    let carol = desk.carol().await;
    desk.provider.keys("error").await;
    assert_unavailable(&server.get(&carol, &[]).await);
    desk.provider.keys("ok").await;
    desk.clock.advance(Duration::from_secs(10));
    server.get(&carol, &[]).await.assert_ran_as("carol", None);

    desk.provider.rotate().await;
    let unknown = desk.carol().await;
    desk.provider.keys("error").await;
    desk.clock.advance(Duration::from_secs(10));
    assert_unavailable(&server.get(&unknown, &[]).await);
    let seen = server.get(&carol, AS_ALICE).await;
    desk.assert_alice(&seen, "carol", "header").await;
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a49_when_the_provider_is_gone_its_keys_go_on() {
    let desk = Desk::own().await;
    let server = desk.server().await;
    let (cached, fresh) = (desk.carol().await, desk.carol().await);
    server.get(&cached, &[]).await.assert_ran_as("carol", None);
    desk.provider.rotate().await;
    let unknown = desk.carol().await;
    desk.provider.stop().await;

    desk.clock.advance(Duration::from_secs(10));
    assert_unavailable(&server.get(&unknown, &[]).await);
    server.get(&cached, &[]).await.assert_ran_as("carol", None);
    let seen = server.get(&fresh, AS_ALICE).await;
    desk.assert_alice(&seen, "carol", "header").await;
    assert_unavailable(&desk.server().await.get(&cached, &[]).await);
}
