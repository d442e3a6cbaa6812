//! What is asked when, and what happens when it fails: nothing is looked up for who has no right, no
//! decision is kept, and whatever errs, panics or is slow ends before the handler.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use support::expect::{FAULTS, Fault, broken_directory};
use support::{Desk, ISSUER, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::directory::{Directory, LookupError};
use tower_impersonate::policy::{self, Attempt, Ruling};
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::resolve::Resolution;
use tower_impersonate::terms::TargetRef;
use tower_impersonate::{Identity, ImpersonationLayer, resolve};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

#[tokio::test]
async fn nothing_is_looked_up_for_who_has_no_right() {
    let desk = Desk::new();
    let (directory, asked) = desk.counting();
    let layer = desk.builder().directory(directory).build().unwrap();
    for target in ["bob", "mallory", "root", "alice"] {
        let headers = [("impersonate-user", target)];
        desk.send(&layer, get(&desk.alice(), &headers))
            .await
            .assert_refused(403);
        desk.assert_denied("alice", None, "in_group(support)");
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", None);
    assert_eq!(
        asked.load(Ordering::SeqCst),
        0,
        "no impersonation, no look-up"
    );
    desk.as_carol(&layer, AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    assert_eq!(asked.load(Ordering::SeqCst), 2, "the actor and the target");
}

#[tokio::test]
async fn a_decision_is_never_kept() {
    let desk = Desk::new();
    let layer = desk.layer();
    let alice = || Identity::new(ISSUER, "alice").with_groups(["customers"]);
    let changes = [
        (alice().disabled_account(), "target_disabled"),
        (
            alice().with_groups(["admins"]).enabled_account(),
            "not(target_in_group(admins))",
        ),
        (alice(), "unknown:target_enabled"),
        (alice().with_tenant("globex").enabled_account(), "tenant"),
    ];
    for (changed, rule) in changes {
        desk.users.insert(alice().enabled_account());
        desk.as_carol(&layer, AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));
        desk.users.insert(changed);
        desk.as_carol(&layer, AS_ALICE).await.assert_refused(403);
        desk.assert_denied("carol", Some("alice"), rule);
    }
    desk.users.remove(alice().key());
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(403);
    desk.assert_denied("carol", None, "target_not_found");
    // Neither is a refusal.
    desk.users.insert(alice().enabled_account());
    desk.as_carol(&layer, AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn incident_a8_an_actor_who_lost_the_right_is_refused_from_the_next_request_on() {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_act())
        .resolve(resolve::act())
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let token = desk
        .token("alice", &[])
        .claim("act", json!({ "sub": "carol" }))
        .sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.sink.clear();
    let carol = Identity::new(ISSUER, "carol");
    desk.users.insert(carol.clone().with_groups(["customers"]));
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "in_group(support)");
    desk.users
        .insert(carol.with_groups(["support"]).disabled_account());
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "actor_disabled");
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_fails_is_503_before_the_handler() {
    for fault in FAULTS {
        let desk = Desk::new();
        let layer = desk
            .builder()
            .directory(broken_directory(fault))
            .build()
            .unwrap();
        let seen = desk.as_carol(&layer, AS_ALICE).await;
        seen.assert_refused(503);
        assert_eq!(seen.kind(), RejectionKind::Unavailable, "{fault:?}");
        assert_eq!(seen.header("retry-after"), Some("1"));
        desk.assert_silent();
        desk.as_carol(&layer, &[])
            .await
            .assert_ran_as("carol", None);
        // Who has no right does not even learn that.
        desk.send(&layer, get(&desk.alice(), AS_ALICE))
            .await
            .assert_refused(403);
    }
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_fails_for_the_actor_is_503_too() {
    for fault in FAULTS {
        let desk = Desk::new();
        let layer = desk
            .bare()
            .issuer(desk.accepted().trust_act())
            .directory(broken_directory(fault))
            .resolve(resolve::act())
            .policy(policy::in_group("support"))
            .build()
            .unwrap();
        let token = desk
            .token("alice", &[])
            .claim("act", json!({ "sub": "carol" }))
            .sign();
        desk.send(&layer, get(&token, &[]))
            .await
            .assert_refused(503);
        desk.assert_silent();
    }
}

/// The people of the desk, in a directory that takes its time.
fn slow(desk: &Desk, takes: Duration) -> impl Directory + 'static {
    let users = desk.users.clone();
    move |target: &TargetRef| -> Answer<Result<Identity, LookupError>> {
        let found = users.find(target);
        Answer::later(async move {
            tokio::time::sleep(takes).await;
            found.await
        })
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_directory_is_waited_for_until_the_deadline() {
    let desk = Desk::new();
    let within = slow(&desk, Duration::from_millis(499));
    let layer = desk.builder().directory(within).build().unwrap();
    desk.as_carol(&layer, AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.as_carol(&layer, &[("impersonate-user", "root")])
        .await
        .assert_refused(403);

    let beyond = || slow(&desk, Duration::from_millis(501));
    let layer = desk.builder().directory(beyond()).build().unwrap();
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(503);
    let patient = desk
        .builder()
        .directory(beyond())
        .deadline(Duration::from_secs(2));
    let layer = patient.build().unwrap();
    desk.as_carol(&layer, AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a_directory_that_gives_somebody_else_is_503() {
    for (given, wanted) in [
        (Identity::new(ISSUER, "bob"), "alice"),
        (Identity::new("https://other.example.com", "alice"), "alice"),
    ] {
        let desk = Desk::new();
        let wrong = move |_: &TargetRef| Ok::<_, LookupError>(given.clone());
        let names = resolve::header("x-name").names();
        let layer = desk
            .builder()
            .directory(wrong)
            .resolve(names)
            .build()
            .unwrap();
        desk.as_carol(&layer, &[("impersonate-user", wanted)])
            .await
            .assert_refused(503);
        desk.assert_silent();
    }
    let desk = Desk::new();
    let wrong =
        |_: &TargetRef| Ok::<_, LookupError>(Identity::new("https://other.example.com", "x"));
    let names = resolve::header("x-name").names();
    let layer = desk
        .builder()
        .directory(wrong)
        .resolve(names)
        .build()
        .unwrap();
    desk.as_carol(&layer, &[("x-name", "Alice")])
        .await
        .assert_refused(503);
}

#[tokio::test]
async fn a_policy_that_panics_in_either_step_is_503() {
    let in_step = |target: bool| {
        move |attempt: &Attempt<'_>| {
            assert_ne!(attempt.target().is_some(), target, "the policy panics");
            Ruling::allow()
        }
    };
    for step in [false, true] {
        let desk = Desk::new();
        let layer = desk.undecided().policy(in_step(step)).build().unwrap();
        let seen = desk.as_carol(&layer, AS_ALICE).await;
        seen.assert_refused(503);
        assert_eq!(seen.cause(), "a plug-in panicked");
        desk.assert_silent();
    }
}

#[tokio::test(start_paused = true)]
async fn a_strategy_of_ones_own_that_fails_is_503() {
    for fault in FAULTS {
        let desk = Desk::new();
        let strategy = resolve::custom(move |_, _| -> Answer<Resolution> {
            match fault {
                Fault::Errs => Answer::now(resolve::ResolveError::unavailable("no redis").into()),
                Fault::Panics => panic!("the strategy panics"),
                Fault::NeverAnswers => Answer::later(std::future::pending()),
            }
        });
        let layer = desk.builder().resolve(strategy).build().unwrap();
        for headers in [AS_ALICE, &[]] {
            desk.as_carol(&layer, headers).await.assert_refused(503);
        }
        desk.assert_silent();
    }
}

#[tokio::test]
async fn a_plug_in_that_panics_while_it_is_waited_for_is_503() {
    let desk = Desk::new();
    let late = |_: &TargetRef| -> Answer<Result<Identity, LookupError>> {
        Answer::later(async {
            tokio::task::yield_now().await;
            panic!("the directory panics late")
        })
    };
    let layer = desk.builder().directory(late).build().unwrap();
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(503);
}

#[tokio::test]
async fn a_mapping_that_panics_is_503_and_the_record_says_failure() {
    let desk = Desk::new();
    let layer = desk
        .builder()
        .map_principal(|_| panic!("the mapping panics"))
        .build()
        .unwrap();
    desk.as_carol(&layer, AS_ALICE).await.assert_refused(503);
    let events = desk.sink.events();
    assert_eq!(events[1]["event.name"], "impersonation.completed");
    assert_eq!(events[1]["impersonation.outcome"], "failure");
    desk.as_carol(&layer, &[]).await.assert_refused(503);
}

#[tokio::test]
async fn the_policy_is_asked_on_every_request() {
    // What lacks no fact is not asked about the actor again, once the directory was.
    for (before_the_target, asked_each_time) in [
        (Ruling::allow(), 2),
        (Ruling::unknown("a fact of the directory"), 3),
    ] {
        let desk = Desk::new();
        let asked = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&asked);
        let policy = move |attempt: &Attempt<'_>| {
            count.fetch_add(1, Ordering::SeqCst);
            match attempt.target() {
                None => before_the_target.clone(),
                Some(_) => Ruling::allow(),
            }
        };
        let layer: ImpersonationLayer = desk.undecided().policy(policy).build().unwrap();
        for requests in 1..=3 {
            desk.as_carol(&layer, AS_ALICE)
                .await
                .assert_ran_as("alice", Some("carol"));
            assert_eq!(asked.load(Ordering::SeqCst), asked_each_time * requests);
        }
    }
}

#[tokio::test]
async fn a_policy_that_allowed_too_early_decides_about_the_pair() {
    // It takes what nobody knows for a yes, and learns better from the directory.
    let desk = Desk::new();
    let hasty = |attempt: &Attempt<'_>| match attempt.actor().rank() {
        Some(rank) if rank < 5 => Ruling::deny("rank"),
        _ => Ruling::allow(),
    };
    let low = Identity::new(ISSUER, "carol").with_rank(1);
    desk.users.insert(low.enabled_account());
    let layer = desk.undecided().policy(hasty).build().unwrap();
    let refused = desk.as_carol(&layer, AS_ALICE).await;
    refused.assert_refused(403);
    assert_eq!(desk.sink.events()[0]["impersonation.deny.rule"], "rank");
}
