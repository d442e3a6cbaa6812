//! Several strategies in one layer, strategies of one's own, and tokens that say more than one thing.

mod support;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::HeaderName;
use http::request::Parts;
use serde_json::{Value, json};
use support::expect::keeping;
use support::{Desk, ISSUER, Seen, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::middleware::Builder;
use tower_impersonate::resolve::{
    self, Nature, Reads, Requested, Resolution, Resolve, ResolveError,
};
use tower_impersonate::terms::{Ask, Mode, Strategy, TargetRef};
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{Claims, Verified};
use tower_impersonate::{ImpersonationLayer, policy};

const OTHER: &str = "https://other.example.com";

fn trusting(desk: &Desk) -> Builder {
    let issuer = desk.accepted().trust_claim("impersonating").trust_act();
    desk.bare()
        .issuer(issuer)
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
}

fn by_claim(desk: &Desk) -> ImpersonationLayer {
    let claim = resolve::claim("impersonating");
    trusting(desk).resolve(claim).build().unwrap()
}

fn by_act(desk: &Desk) -> ImpersonationLayer {
    trusting(desk).resolve(resolve::act()).build().unwrap()
}

/// Alice's token with that actor, and these headers.
async fn acting(
    desk: &Desk,
    layer: &ImpersonationLayer,
    act: impl serde::Serialize,
    headers: &[(&str, &str)],
) -> Seen {
    let token = desk.token("alice", &["customers"]).claim("act", act);
    desk.send(layer, get(&token.sign(), headers)).await
}

#[tokio::test]
async fn a123_act_and_impersonating_in_one_token_are_401_whatever_they_say() {
    let desk = Desk::new();
    let both = |claim: &str, sub: &str| {
        let token = desk.token("alice", &["customers"]);
        let token = token.claim("act", json!({ "sub": "carol" }));
        token.claim(claim, json!({ "sub": sub })).sign()
    };
    let layer = trusting(&desk)
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    for sub in ["alice", "bob", "carol"] {
        for layer in [&layer, &plain, &by_act(&desk), &by_claim(&desk)] {
            desk.send(layer, get(&both("impersonating", sub), &[]))
                .await
                .assert_refused(401);
        }
    }
    // Whatever the claim is called.
    let renamed = desk
        .bare()
        .issuer(desk.accepted().trust_claim("acting_for").trust_act())
        .policy(policy::vouched_by(ISSUER))
        .resolve(resolve::claim("acting_for"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    for sub in ["alice", "bob"] {
        let seen = desk
            .send(&renamed, get(&both("acting_for", sub), &[]))
            .await;
        seen.assert_refused(401);
    }
}

#[tokio::test]
async fn a_token_of_a_grant_is_401_where_no_grants_are_configured() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    let plain = desk.bare().issuer(desk.accepted()).build().unwrap();
    let carol = || desk.token("carol", &["support"]);
    for token in [
        carol().claim("grant_id", "g-1"),
        carol().claim("grant_id", Value::Null),
        carol().claim(
            "impersonating",
            json!({ "sub": "alice", "grant_id": "g-1" }),
        ),
        desk.token("alice", &[])
            .claim("act", json!({ "sub": "carol", "grant_id": "g-1" })),
    ] {
        for layer in [&layer, &plain] {
            let seen = desk.send(layer, get(&token.clone().sign(), &[])).await;
            seen.assert_refused(401);
            assert_eq!(
                seen.cause(),
                "a token of a grant where no grants are configured"
            );
        }
    }
}

#[tokio::test]
async fn a109_header_and_claim_must_name_the_same_target() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .build()
        .unwrap();
    let token = || {
        desk.token("carol", &["support"])
            .claim("impersonating", json!({ "sub": "alice" }))
            .sign()
    };
    let same = [("impersonate-user", "alice"), ("impersonate-group", "beta")];
    let seen = desk.send(&layer, get(&token(), &same)).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.groups(), json!(["beta"]));
    assert_eq!(seen.body["strategy"], "claim");
    desk.assert_recorded("carol", Some("alice"));
    let another = [("impersonate-user", "bob")];
    desk.send(&layer, get(&token(), &another))
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "two strategies ask for different things");
    // Headers without a user are nothing that the claim could use.
    let stray = [("impersonate-group", "beta")];
    desk.send(&layer, get(&token(), &stray))
        .await
        .assert_refused(400);
    desk.assert_denied("carol", None, "a group header without a user header");
}

#[tokio::test]
async fn header_against_act_is_400_and_the_record_names_the_actor_not_the_target() {
    let desk = Desk::new();
    let layer = trusting(&desk)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::act())
        .build()
        .unwrap();
    let carol = || json!({ "sub": "carol" });
    let same = [("impersonate-user", "alice")];
    acting(&desk, &layer, carol(), &same)
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.assert_recorded("carol", Some("alice"));
    for (headers, rule) in [
        (
            [("impersonate-user", "bob")],
            "two strategies ask for different things",
        ),
        (
            [("impersonate-group", "beta")],
            "a group header without a user header",
        ),
        (
            [("impersonate-reason", "")],
            "the reason is blank, too long or malformed",
        ),
        (
            [("impersonate_user", "alice")],
            "a twin of an impersonation header",
        ),
        (
            [("connection", "impersonate-user")],
            "an impersonation header listed in connection",
        ),
    ] {
        acting(&desk, &layer, carol(), &headers)
            .await
            .assert_refused(400);
        desk.assert_denied("carol", None, rule);
    }
}

#[tokio::test]
async fn a_nested_impersonation_is_409() {
    let desk = Desk::new();
    let role_by_header = resolve::custom(|claims, parts: &Parts| -> Resolution {
        if !parts.headers.contains_key("x-role") {
            return Resolution::NotRequested;
        }
        Requested::new(claims.caller(), Ask::role(["admins"].into())).into()
    });
    let layer = trusting(&desk)
        .resolve(resolve::act())
        .resolve(role_by_header)
        .build()
        .unwrap();
    let seen = acting(&desk, &layer, json!({ "sub": "carol" }), &[("x-role", "1")]).await;
    seen.assert_challenge(409, None);
    desk.assert_denied("carol", None, "a role beside another impersonation");

    let nested = resolve::custom(|_, _| Resolution::from(ResolveError::nested("ours")));
    let layer = trusting(&desk).resolve(nested).build().unwrap();
    desk.as_carol(&layer, &[]).await.assert_refused(409);
    desk.assert_denied("carol", None, "ours");
}

/// A strategy of one's own that waits before it answers.
struct Waiting([HeaderName; 1]);

impl Resolve for Waiting {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        let Some(sub) = parts.headers.get(&self.0[0]) else {
            return Resolution::NotRequested.into();
        };
        let target = TargetRef::subject(claims.issuer(), sub.to_str().unwrap());
        let ask = Ask::user(target, Strategy::Custom).with_mode(Mode::ReadOnly);
        let requested = Requested::new(claims.caller(), ask);
        Answer::later(async {
            tokio::task::yield_now().await;
            requested.into()
        })
    }

    fn headers(&self) -> &[HeaderName] {
        &self.0
    }
}

#[tokio::test]
async fn a_strategy_of_ones_own_may_wait_and_is_decided_like_any_other() {
    let desk = Desk::new();
    let waiting = Waiting([HeaderName::from_static("x-view-as")]);
    let layer = trusting(&desk).resolve(waiting).build().unwrap();
    let seen = desk.as_carol(&layer, &[("x-view-as", "alice")]).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(
        [&seen.body["strategy"], &seen.body["mode"]],
        ["custom", "read_only"]
    );
    assert!(!seen.handler_got("x-view-as"));
    assert!(seen.header("vary").unwrap().contains("x-view-as"));
    desk.assert_recorded("carol", Some("alice"));
    desk.as_carol(&layer, &[("x-view-as", "root")])
        .await
        .assert_refused(403);
    desk.assert_denied("carol", Some("root"), "not(target_in_group(admins))");
    desk.as_carol(&layer, &[("x_view_as", "alice")])
        .await
        .assert_refused(400);
}

/// Counts how often it is asked, and has nothing to say.
struct Counting {
    asked: Arc<AtomicUsize>,
    headers: [HeaderName; 1],
    reads: Reads,
}

impl Resolve for Counting {
    fn resolve(&self, _: &Verified<Claims>, _: &Parts) -> Answer<Resolution> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        Resolution::NotRequested.into()
    }

    fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    fn nature(&self) -> Nature<'_> {
        let nature = Nature::default().reads_claim("on_behalf");
        match self.reads {
            Reads::WhatItNames => nature.reads_nothing_else(),
            _ => nature,
        }
    }
}

#[tokio::test]
async fn a_strategy_is_asked_unless_it_reads_nothing_that_is_there() {
    for (reads, plain, named) in [(Reads::Anything, 1, 1), (Reads::WhatItNames, 0, 1)] {
        let desk = Desk::new();
        let counting = Counting {
            asked: Arc::default(),
            headers: [HeaderName::from_static("x-view-as")],
            reads,
        };
        let asked = Arc::clone(&counting.asked);
        let issuer = desk.accepted().trust_claim("on_behalf");
        let builder = desk
            .bare()
            .issuer(issuer)
            .policy(policy::in_group("support"));
        let layer = builder.resolve(counting).build().unwrap();
        let own = desk.token("carol", &["support"]);
        let claim = own.clone().claim("on_behalf", "alice").sign();
        let own = own.sign();
        for (what, token, headers, times) in [
            ("a plain request", &own, &[][..], plain),
            ("its header", &own, &[("x-view-as", "alice")], named),
            ("its claim", &claim, &[], named),
            ("another of ours", &own, &[("impersonate-reason", "why")], 1),
        ] {
            asked.store(0, Ordering::SeqCst);
            desk.send(&layer, get(token, headers)).await;
            assert_eq!(asked.load(Ordering::SeqCst), times, "{reads:?}: {what}");
        }
    }
}

#[tokio::test]
async fn what_a_strategy_of_ones_own_cannot_tell_is_answered_by_kind() {
    for (error, status) in [
        (ResolveError::token as fn(&'static str) -> ResolveError, 401),
        (ResolveError::request, 400),
        (ResolveError::nested, 409),
        (ResolveError::forbidden, 403),
        (|detail| ResolveError::unavailable(detail), 503),
    ] {
        let desk = Desk::new();
        let failing = resolve::custom(move |_, _| Resolution::from(error("ours")));
        let layer = trusting(&desk).resolve(failing).build().unwrap();
        desk.as_carol(&layer, &[]).await.assert_refused(status);
        if status == 503 {
            desk.assert_silent();
        } else {
            desk.assert_denied("carol", None, "ours");
        }
    }
}

#[tokio::test]
async fn no_strategy_can_name_an_actor_whom_the_token_does_not_name() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let forging = resolve::custom(|claims, _| -> Resolution {
        let root = IdentityKey::new(claims.issuer(), "root");
        match claims.acting(root) {
            Some(actor) => {
                let target = TargetRef::subject(claims.issuer(), "alice");
                Requested::new(actor, Ask::user(target, Strategy::Custom)).into()
            }
            None => ResolveError::forbidden("not believed").into(),
        }
    });
    let builder = trusting(&desk).issuer(other.issuer()).resolve(forging);
    let layer = builder.build().unwrap();
    let token = other.token("carol").sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_refused(403);
    desk.assert_denied("carol", None, "not believed");
}

#[tokio::test]
async fn the_principal_is_the_target_and_tells_the_actor_only_when_asked() {
    let desk = Desk::new();
    let (builder, principal) = keeping(trusting(&desk).resolve(resolve::claim("impersonating")));
    let layer = builder.build().unwrap();
    let token = desk.token("carol", &["support"]).scope("admin");
    let token = token
        .claim("impersonating", json!({ "sub": "alice" }))
        .sign();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("alice", Some("carol"));
    let principal = principal();
    let identity = principal.identity();
    assert_eq!(identity.scopes(), None);
    assert_eq!(identity.attribute("scope"), None);
    assert_eq!(identity.attribute("impersonating"), None);
    assert!(!principal.is_in_group("support"));
    assert!(principal.actor().groups().unwrap().contains("support"));
    let impersonation = principal.impersonation().unwrap();
    assert_eq!(impersonation.target(), Some(identity));
}
