//! A policy decides as three-valued logic does, and never gives more than it permits or was asked for.

use std::sync::LazyLock;

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use proptest::prelude::*;
use proptest::sample::select;
use tower_impersonate::audit::EventName;
use tower_impersonate::policy::{self, Rule};
use tower_impersonate::resolve::{Requested, Resolution};
use tower_impersonate::terms::{Ask, Strategy as Way, TargetRef};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{Identity, Mode, resolve};

use crate::support::{Desk, ISSUER, get};
use crate::{cases, wait};

/// A policy, as it is written down.
#[derive(Debug, Clone)]
enum Tree {
    Leaf(Leaf),
    Not(Box<Tree>),
    And(Box<Tree>, Box<Tree>),
    Or(Box<Tree>, Box<Tree>),
    Except(Box<Tree>, Box<Tree>),
}

/// Carol asks for Alice, a customer; nobody has a rank.
#[derive(Debug, Clone, Copy)]
enum Leaf {
    Allows,
    AllowsReading,
    Denies,
    NeedsUnknown,
    AllowsThisTarget,
    DeniesThisTarget,
}

/// Kleene's values: the first two are known.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Value {
    Yes(Mode),
    No,
    Unknown,
}

impl Tree {
    fn rule(&self) -> Rule {
        match self {
            Self::Leaf(Leaf::Allows) => policy::allow_all(),
            Self::Leaf(Leaf::AllowsReading) => policy::read_only(),
            Self::Leaf(Leaf::Denies) => policy::deny_all(),
            Self::Leaf(Leaf::NeedsUnknown) => policy::rank(Identity::rank),
            Self::Leaf(Leaf::AllowsThisTarget) => !!policy::target_in_group("customers"),
            Self::Leaf(Leaf::DeniesThisTarget) => !!policy::target_in_group("admins"),
            Self::Not(inner) => policy::not(inner.rule()),
            Self::And(left, right) => left.rule().and(right.rule()),
            Self::Or(left, right) => left.rule().or(right.rule()),
            Self::Except(left, right) => left.rule().except(right.rule()),
        }
    }

    /// The same by the tables, for somebody who knows nothing of the crate.
    fn value(&self) -> Value {
        match self {
            Self::Leaf(Leaf::Allows | Leaf::AllowsThisTarget) => Value::Yes(Mode::Full),
            Self::Leaf(Leaf::AllowsReading) => Value::Yes(Mode::ReadOnly),
            Self::Leaf(Leaf::Denies | Leaf::DeniesThisTarget) => Value::No,
            Self::Leaf(Leaf::NeedsUnknown) => Value::Unknown,
            Self::Not(inner) => opposite(inner.value()),
            Self::And(left, right) => both(left.value(), right.value()),
            Self::Or(left, right) => either(left.value(), right.value()),
            Self::Except(left, right) => both(left.value(), opposite(right.value())),
        }
    }
}

fn opposite(value: Value) -> Value {
    match value {
        Value::Yes(_) => Value::No,
        Value::No => Value::Yes(Mode::Full),
        Value::Unknown => Value::Unknown,
    }
}

fn both(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Yes(left), Value::Yes(right)) if left == right => Value::Yes(left),
        (Value::Yes(_), Value::Yes(_)) => Value::Yes(Mode::ReadOnly),
        (Value::No, _) | (_, Value::No) => Value::No,
        _ => Value::Unknown,
    }
}

fn either(left: Value, right: Value) -> Value {
    match (left, right) {
        (Value::Yes(left), Value::Yes(right)) if left == right => Value::Yes(left),
        (Value::Yes(_), Value::Yes(_)) => Value::Yes(Mode::Full),
        (Value::Yes(mode), _) | (_, Value::Yes(mode)) => Value::Yes(mode),
        (Value::No, Value::No) => Value::No,
        _ => Value::Unknown,
    }
}

fn trees() -> impl Strategy<Value = Tree> {
    let leaf = select(vec![
        Leaf::Allows,
        Leaf::AllowsReading,
        Leaf::Denies,
        Leaf::NeedsUnknown,
        Leaf::AllowsThisTarget,
        Leaf::DeniesThisTarget,
    ]);
    leaf.prop_map(Tree::Leaf).prop_recursive(4, 12, 2, |inner| {
        let two = || {
            (
                inner.clone().prop_map(Box::new),
                inner.clone().prop_map(Box::new),
            )
        };
        prop_oneof![
            inner.clone().prop_map(|inner| Tree::Not(Box::new(inner))),
            two().prop_map(|(left, right)| Tree::And(left, right)),
            two().prop_map(|(left, right)| Tree::Or(left, right)),
            two().prop_map(|(left, right)| Tree::Except(left, right)),
        ]
    })
}

static DESK: LazyLock<Desk> = LazyLock::new(Desk::new);

proptest! {
    #![proptest_config(cases(384))]

    #[test]
    fn what_is_allowed_is_what_three_valued_logic_allows(
        tree in trees(),
        asked in select(vec![Mode::Full, Mode::ReadOnly]),
        method in select(vec![Method::GET, Method::POST]),
    ) {
        let desk = &*DESK;
        desk.sink.clear();
        let strategy = resolve::custom(move |claims, _| {
            let ask = Ask::user(TargetRef::subject(ISSUER, "alice"), Way::Custom);
            Resolution::from(Requested::new(claims.caller(), ask.with_mode(asked)))
        });
        let layer = desk
            .bare()
            .issuer(desk.accepted())
            .resolve(strategy)
            .policy(policy::allow_all().and(tree.rule()))
            .build()
            .unwrap();
        let token = desk.token("carol", &["support"]).algorithm(Algorithm::EdDSA).sign();
        let mut request: Request<Full<Bytes>> = get(&token, &[]);
        *request.method_mut() = method.clone();
        let seen = wait(desk.send(&layer, request));
        match tree.value() {
            Value::Yes(permitted) => {
                let reads_only = asked == Mode::ReadOnly || permitted == Mode::ReadOnly;
                if reads_only && method == Method::POST {
                    seen.assert_refused(403);
                    desk.assert_denied("carol", Some("alice"), "read_only");
                } else {
                    seen.assert_ran_as("alice", Some("carol"));
                    let mode = if reads_only { "read_only" } else { "full" };
                    prop_assert_eq!(&seen.body["mode"], mode);
                }
            }
            value => {
                seen.assert_refused(403);
                let events = desk.events(EventName::Denied);
                prop_assert_eq!((events.len(), desk.sink.events().len()), (1, 1));
                let rule = events[0]["impersonation.deny.rule"].as_str().unwrap();
                prop_assert_eq!(rule.starts_with("unknown:"), value == Value::Unknown, "{}", rule);
            }
        }
    }
}
