//! The actor's groups never reach the principal, but for those that a role names.

use std::collections::BTreeSet;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};
use serde_json::json;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{Identity, ImpersonationLayer, policy, resolve};

use crate::support::{Desk, ISSUER, get};
use crate::{cases, wait};

/// Groups that only actors have, that only targets have, and that both may have.
const GROUPS: [&str; 7] = ["support", "staff", "customers", "beta", "gold", "a", "b"];
const ROLES: [&str; 3] = ["viewers", "auditors", "customers"];

#[derive(Debug, Clone, Copy, PartialEq)]
enum Way {
    Header,
    Claim,
    Act,
    HeaderAndClaim,
}

/// One for each test, which has a thread of its own.
fn desk() -> &'static (Desk, ImpersonationLayer) {
    thread_local!(static DESK: &'static (Desk, ImpersonationLayer) = Box::leak(Box::new(open())));
    DESK.with(|desk| *desk)
}

fn open() -> (Desk, ImpersonationLayer) {
    let desk = Desk::new();
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_claim("impersonating").trust_act())
        .resolve(resolve::act())
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::role(ROLES))
        .policy(policy::allow_all())
        .build()
        .unwrap();
    (desk, layer)
}

fn groups() -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(GROUPS.to_vec(), 0..=GROUPS.len())
}

fn set(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn seen(groups: &serde_json::Value) -> BTreeSet<String> {
    serde_json::from_value(groups.clone()).unwrap()
}

proptest! {
    #![proptest_config(cases(96))]

    #[test]
    fn a125_the_principal_has_the_groups_of_the_target(
        actor in groups(),
        target in groups(),
        narrowed in prop::option::of(any::<prop::sample::Index>()),
        way in select(vec![Way::Header, Way::Claim, Way::Act, Way::HeaderAndClaim]),
    ) {
        let (desk, layer) = desk();
        let alice = Identity::new(ISSUER, "alice").with_groups(target.clone());
        desk.users.insert(alice.enabled_account());
        let by_header = matches!(way, Way::Header | Way::HeaderAndClaim);
        let mut headers = Vec::new();
        if by_header {
            headers.push(("impersonate-user", "alice"));
        }
        let mut expected = set(&target);
        if let Some(one) = narrowed.filter(|_| by_header && !target.is_empty()) {
            let one = target[one.index(target.len())];
            headers.push(("impersonate-group", one));
            expected = set(&[one]);
        }
        let token = match way {
            // What stands in a token made for Alice are her groups.
            Way::Act => desk.token("alice", &target).claim("act", json!({ "sub": "carol" })),
            Way::Header => desk.token("carol", &actor),
            Way::Claim | Way::HeaderAndClaim => {
                desk.token("carol", &actor).claim("impersonating", json!({ "sub": "alice" }))
            }
        };
        let token = token.algorithm(Algorithm::EdDSA).sign();
        let seen_by_handler = wait(desk.send(layer, get(&token, &headers)));
        seen_by_handler.assert_ran_as("alice", Some("carol"));
        prop_assert_eq!(seen(&seen_by_handler.groups()), expected);
        desk.sink.clear();
    }

    #[test]
    fn s13_a_role_gives_exactly_what_it_names(
        actor in groups(),
        wanted in subsequence(ROLES.to_vec(), 1..=ROLES.len()),
    ) {
        let (desk, layer) = desk();
        let headers: Vec<_> = wanted.iter().map(|one| ("impersonate-group", *one)).collect();
        let token = desk.token("carol", &actor).algorithm(Algorithm::EdDSA).sign();
        let seen_by_handler = wait(desk.send(layer, get(&token, &headers)));
        seen_by_handler.assert_ran_as("carol", Some("carol"));
        prop_assert_eq!(seen(&seen_by_handler.groups()), set(&wanted));
        desk.sink.clear();
    }
}
