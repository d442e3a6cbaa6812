//! OWASP ASVS 5.0 as far as a layer can meet it: S12, S13, S14 and S17, on the receiving side. S15 and
//! S16 stand in `standards_logs.rs`, S1 to S3 in `standards_asvs_tokens.rs`.
//!
//! What this crate does not have: grants, so that nothing ends an answer that is under way (half of
//! S12), and an administrative interface (8.4.2, half of S14).

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use support::expect::{BrokenSink, FAULTS, Fault, broken_directory};
use support::{AUDIENCE, Desk, ISSUER, Seen, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::middleware::Builder;
use tower_impersonate::policy::{Attempt, Ruling};
use tower_impersonate::resolve::{Resolution, ResolveError};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{FetchError, FetchLimits, Issuer, StaticKeys};
use tower_impersonate::{Identity, ImpersonationLayer, policy, resolve};

const OTHER: &str = "https://other.example.com";
const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

fn person(sub: &str, group: &str) -> Identity {
    Identity::new(ISSUER, sub).with_groups([group])
}

#[tokio::test]
async fn s12_what_changes_about_actor_or_target_counts_from_the_next_request_on() {
    let desk = Desk::new();
    // The tokens say nothing of groups, so the directory does.
    let keys = StaticKeys::jwks(desk.issuer.jwks());
    let issuer = Issuer::static_keys(ISSUER, keys).audiences([AUDIENCE]);
    let on_duty = Arc::new(AtomicBool::new(true));
    let duty = Arc::clone(&on_duty);
    let rule = policy::custom(move |_: &Attempt<'_>| match duty.load(Ordering::SeqCst) {
        true => Ruling::allow(),
        false => Ruling::deny("off_duty"),
    });
    let rule = policy::in_group("support")
        .except(policy::target_in_group("admins"))
        .and(rule);
    let layer = desk.bare().issuer(issuer).policy(rule);
    let layer = layer
        .resolve(resolve::header("impersonate-user"))
        .build()
        .unwrap();
    // One token for all, verified once and found again ever after.
    let token = desk.issuer.token("carol").audience(AUDIENCE).sign();

    let carol = || person("carol", "support").enabled_account();
    let alice = || person("alice", "customers").enabled_account();
    let admin = person("alice", "admins").enabled_account();
    for (changed, found, rule) in [
        (
            person("carol", "customers").enabled_account(),
            None,
            "in_group(support)",
        ),
        (carol().disabled_account(), None, "actor_disabled"),
        (alice().disabled_account(), Some("alice"), "target_disabled"),
        (admin, Some("alice"), "not(target_in_group(admins))"),
        (alice().with_tenant("globex"), Some("alice"), "tenant"),
    ] {
        for person in [carol(), alice()] {
            desk.users.insert(person);
        }
        let seen = desk.send(&layer, get(&token, AS_ALICE)).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
        desk.users.insert(changed);
        let seen = desk.send(&layer, get(&token, AS_ALICE)).await;
        seen.assert_refused(403);
        assert_eq!(seen.cause(), format!("denied by {rule}"));
        desk.assert_denied("carol", found, rule);
    }
    for person in [carol(), alice()] {
        desk.users.insert(person);
    }
    for (duty, status) in [(false, 403), (true, 200), (false, 403)] {
        on_duty.store(duty, Ordering::SeqCst);
        let seen = desk.send(&layer, get(&token, AS_ALICE)).await;
        assert_eq!(seen.status, status);
    }
}

#[tokio::test]
async fn s13_what_a_handler_may_do_is_the_targets_to_do() {
    /// What the application extracts, as it did before the layer came.
    #[derive(Debug, Clone, PartialEq, Eq)]
    struct CurrentUser {
        admin: bool,
        writes: bool,
    }
    let desk = Desk::new();
    let told = Arc::new(std::sync::Mutex::new(None));
    let tell = Arc::clone(&told);
    let layer = desk
        .builder()
        .map_principal(move |principal| {
            let scopes = principal.identity().scopes();
            let user = CurrentUser {
                admin: principal.is_in_group("admins"),
                writes: scopes.is_some_and(|scopes| scopes.contains("write")),
            };
            *tell.lock().unwrap() = Some(user.clone());
            user
        })
        .build()
        .unwrap();
    let boss = desk
        .token("carol", &["support", "admins"])
        .scope("write")
        .sign();
    for (headers, rights) in [(&[][..], true), (AS_ALICE, false)] {
        let seen = desk.send(&layer, get(&boss, headers)).await;
        assert_eq!(seen.status, 200);
        let user = CurrentUser {
            admin: rights,
            writes: rights,
        };
        assert_eq!(told.lock().unwrap().take(), Some(user));
    }
    // Nor does the actor's right to impersonate make it reach higher than the policy says.
    let seen = desk
        .send(&layer, get(&boss, &[("impersonate-user", "root")]))
        .await;
    seen.assert_refused(403);
    assert_eq!(seen.cause(), "denied by not(target_in_group(admins))");
    assert_eq!(*told.lock().unwrap(), None);
}

#[tokio::test]
async fn s14_nobody_reaches_into_another_tenant() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    desk.users.insert(
        Identity::new(OTHER, "tina")
            .with_groups(["customers"])
            .enabled_account(),
    );
    let token = desk.token("carol", &["support"]);
    let tina = [("impersonate-user", "tina"), ("impersonate-issuer", OTHER)];
    let headers = |issuer: Issuer, there: Issuer, asked: usize, allowed: bool| {
        let (directory, count) = desk.counting();
        let layer = desk
            .bare()
            .issuer(issuer)
            .issuer(there)
            .directory(directory);
        let layer = layer.resolve(resolve::header("impersonate-user"));
        let layer = layer.policy(policy::in_group("support")).build().unwrap();
        (layer, count, asked, allowed)
    };
    for (layer, count, asked, allowed) in [
        headers(desk.accepted(), other.issuer(), 0, false),
        headers(desk.accepted().tenant("acme"), other.issuer(), 0, false),
        headers(
            desk.accepted().tenant("acme"),
            other.issuer().tenant("globex"),
            0,
            false,
        ),
        headers(
            desk.accepted().tenant("acme"),
            other.issuer().tenant("acme"),
            2,
            true,
        ),
        headers(desk.accepted().staff(), other.issuer(), 2, true),
    ] {
        let seen = desk.send(&layer, get(&token.clone().sign(), &tina)).await;
        if allowed {
            seen.assert_ran_as("tina", Some("carol"));
            desk.assert_recorded("carol", Some("tina"));
        } else {
            seen.assert_refused(403);
            assert_eq!(seen.cause(), "denied by tenant");
            desk.assert_denied("carol", None, "tenant");
        }
        assert_eq!(
            count.load(Ordering::SeqCst),
            asked,
            "nobody is looked up in vain"
        );
    }
}

/// Everything that an application can plug in and that can fail, failing.
fn failing(desk: &Desk, fault: Fault) -> Vec<(&'static str, Builder)> {
    let builder = || {
        desk.builder()
            .deadline(std::time::Duration::from_millis(20))
    };
    let strategy = resolve::custom(move |_, _| -> Answer<Resolution> {
        match fault {
            Fault::Errs => Answer::now(ResolveError::unavailable("no redis at 10.0.0.7").into()),
            Fault::Panics => panic!("the strategy panics"),
            Fault::NeverAnswers => Answer::later(std::future::pending()),
        }
    });
    vec![
        ("directory", builder().directory(broken_directory(fault))),
        ("audit", builder().replacing().audit(BrokenSink(fault))),
        ("strategy", builder().resolve(strategy)),
    ]
}

#[tokio::test(start_paused = true)]
async fn s17_what_fails_fails_closed_and_tells_nothing() {
    let desk = Desk::new();
    let mut answers = Vec::new();
    let mut refused = |what: &str, seen: &Seen| {
        seen.assert_challenge(503, None);
        let retry_after = seen.header("retry-after").expect("a time").to_owned();
        assert!((1..=60).contains(&retry_after.parse().unwrap()), "{what}");
        let (status, mut headers, body) = seen.answer();
        headers.retain(|(name, _)| !matches!(name.as_str(), "retry-after" | "vary"));
        answers.push((status, headers, body));
    };
    for fault in FAULTS {
        for (what, builder) in failing(&desk, fault) {
            let seen = desk.as_carol(&builder.build().unwrap(), AS_ALICE).await;
            refused(what, &seen);
        }
    }
    let panicking = |_: &Attempt<'_>| -> Ruling { panic!("the policy panics") };
    let layer = desk.undecided().policy(panicking).build().unwrap();
    refused("policy", &desk.as_carol(&layer, AS_ALICE).await);
    let layer = desk
        .builder()
        .map_principal(|_| panic!("the mapping panics"));
    let layer = layer.build().unwrap();
    for headers in [&[][..], AS_ALICE] {
        refused("mapping", &desk.as_carol(&layer, headers).await);
    }
    let no_keys = |_: &http::Uri, _: &FetchLimits| {
        Answer::now(Err(FetchError::connection("refused by 10.0.0.7")))
    };
    let issuer = Issuer::jwks(ISSUER, "https://issuer.example.com/keys").audiences([AUDIENCE]);
    let layer = ImpersonationLayer::builder()
        .issuer(issuer)
        .clock(desk.clock.clone());
    let layer = layer.fetch_keys(no_keys).build().unwrap();
    refused("keys", &desk.as_carol(&layer, &[]).await);
    // One body for all, and it is the same whoever is to blame.
    answers.dedup();
    let told = json!({
        "status": 503, "title": "the service is temporarily unavailable", "type": "about:blank",
    });
    let headers = [
        ("content-type", "application/problem+json"),
        ("cache-control", "no-store"),
    ];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(answers, [(503, headers.to_vec(), told)]);
    assert_eq!(desk.ran.load(Ordering::SeqCst), 0);
    // A rule that cannot tell denies.
    let unsure = |_: &Attempt<'_>| Ruling::unknown("database");
    let layer = desk.undecided().policy(unsure).build().unwrap();
    desk.sink.clear();
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(403);
    desk.assert_denied("carol", Some("alice"), "unknown:database");
    let seen = desk.as_carol(&desk.layer(), AS_ALICE).await;
    seen.assert_ran_as("alice", Some("carol"));
}
