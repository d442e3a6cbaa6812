use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::Request;
use http::request::Parts;

use super::*;
use crate::audit::{AuditError, AuditSink, Completion, DenialLimit, Event, OfGrant, Trail};
use crate::directory::{MemoryDirectory, memory};
use crate::grant::{self, Beginning, Grant, GrantLimits, Grants, Others, Started};
use crate::identity::{IdentityKey, Login};
use crate::policy;
use crate::terms::{EndReason, GrantId, GrantSecret, Mode, Reason, Ticket};
use crate::time::{Clock, SystemClock};

const ISS: &str = "https://issuer.example.com";
const DESK: &str = "https://desk.example.com";

/// A clock that stands until it is moved.
#[derive(Debug, Clone)]
struct Hand(Arc<Mutex<Timestamp>>);

impl Hand {
    fn move_on(&self, by: Duration) {
        let mut now = self.0.lock().unwrap();
        *now = now.saturating_add(by);
    }
}

impl Clock for Hand {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap()
    }

    fn monotonic(&self) -> Duration {
        self.now().saturating_since(Timestamp::from_unix_seconds(0))
    }
}

/// The names of events, and why a grant ended.
#[derive(Clone, Default)]
struct Told(Arc<Mutex<Vec<Entry>>>);

type Entry = (&'static str, Option<EndReason>);

impl AuditSink for Told {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        let reason = event.end.map(|end| end.reason);
        self.0.lock().unwrap().push((event.name.as_str(), reason));
        Answer::now(Ok(()))
    }

    fn complete(&self, _: Completion) {}
}

struct Bench {
    gate: Arc<Gate>,
    grants: Grants,
    people: MemoryDirectory,
    clock: Hand,
    trail: Arc<Trail>,
    told: Told,
}

fn alice() -> Identity {
    Identity::new(ISS, "alice")
        .with_groups(["customers"])
        .enabled_account()
}

fn carol() -> Identity {
    Identity::new(ISS, "carol")
        .with_groups(["support"])
        .enabled_account()
}

impl Bench {
    fn new() -> Self {
        Self::with(GrantLimits::default())
    }

    fn with(limits: GrantLimits) -> Self {
        let people = memory([
            alice(),
            carol(),
            Identity::new(ISS, "bob")
                .with_groups(["customers"])
                .enabled_account(),
        ]);
        let clock = Hand(Arc::new(Mutex::new(SystemClock::new().now())));
        let told = Told::default();
        let shared: Arc<dyn Clock> = Arc::new(clock.clone());
        let trail = Arc::new(Trail::new(
            Arc::new(told.clone()),
            Arc::clone(&shared),
            DenialLimit::default(),
        ));
        let grants = Grants::with_limits(grant::memory(), limits);
        grants.bind(&trail, &shared);
        let rule = policy::in_group("support")
            .and(policy::reason_required())
            .and(policy::fresh_login(Duration::from_secs(600)))
            .except(policy::target_in_group("admins"));
        let tenants = Tenants::from([(Arc::from(ISS), Some(Arc::from("acme")))]);
        let gate = Gate::new(Arc::new(rule), Some(Arc::new(people.clone())), tenants);
        Self {
            gate: Arc::new(
                { gate.with_grants((&grants).into()) }.with_grant_issuers([DESK.into()]),
            ),
            grants,
            people,
            clock,
            trail,
            told,
        }
    }

    fn parts() -> Parts {
        Request::post("/alice/impersonate")
            .body(())
            .unwrap()
            .into_parts()
            .0
    }

    /// Carol with her own token.
    fn carol(&self) -> Verified<Identity> {
        let mut login = Login::unknown();
        login.at = Some(self.clock.now());
        Verified::for_test(
            Identity::new(ISS, "carol")
                .with_tenant("acme")
                .with_login(login),
        )
    }

    async fn start(&self) -> Grant {
        let ask = Ask::user(TargetRef::subject(ISS, "alice"), Strategy::Custom)
            .with_reason(Reason::parse("case 4711", 100).unwrap())
            .with_ticket(Ticket::parse("T-1").unwrap())
            .with_mode(Mode::ReadOnly);
        let now = self.clock.now();
        let permit = self.gate.admit(self.carol(), ask, now).await.unwrap();
        let secret = GrantSecret::new().unwrap();
        let permit = permit.under(secret.id());
        let deadline = now.saturating_add(self.grants.lifetime());
        let step = OfGrant::Starts { deadline };
        let recorded = self
            .trail
            .of_grant(step, permit, &Self::parts(), now)
            .await
            .unwrap();
        let beginning = Beginning {
            secret,
            deadline,
            actor_was_found: true,
            others: Others::Stay,
            now,
        };
        match self.grants.start(&recorded, &beginning).await.unwrap() {
            Started::New(grant, replaced) if replaced.is_empty() => grant,
            other => panic!("{other:?}"),
        }
    }

    /// By the token of the grant, which tells of Carol nothing but her key.
    async fn use_it(&self, grant: &GrantId) -> Result<Permit, String> {
        self.use_as("carol", "alice", grant).await
    }

    async fn use_as(&self, actor: &str, target: &str, grant: &GrantId) -> Result<Permit, String> {
        self.by_token_of(DESK, actor, target, grant).await
    }

    async fn by_token_of(
        &self,
        issuer: &str,
        actor: &str,
        target: &str,
        grant: &GrantId,
    ) -> Result<Permit, String> {
        let actor =
            Verified::for_test_by_act(Identity::new(ISS, actor).with_tenant("acme"), issuer);
        let ask = Ask::user(TargetRef::subject(ISS, target), Strategy::Act)
            .under(*grant)
            .vouched_for(Identity::new(ISS, target).with_groups(["customers"]));
        let admitted = self.gate.admit(actor, ask, self.clock.now()).await;
        admitted.map_err(|refusal| match refusal {
            Refusal::Denied(refused) => refused.denial.rule.into_owned(),
            other => format!("{other:?}"),
        })
    }

    async fn end_of(&self, grant: &GrantId) -> Option<EndReason> {
        let found = self.grants.find(grant).await.unwrap().unwrap();
        Some(found.state().end.as_ref()?.reason)
    }
}

#[tokio::test]
async fn what_was_agreed_at_the_start_holds() {
    let bench = Bench::new();
    let grant = bench.start().await;
    // The login grows old; what counts is the start.
    bench.clock.move_on(Duration::from_secs(3000));
    let permit = bench.use_it(grant.id()).await.unwrap();
    assert_eq!(permit.mode(), Mode::ReadOnly);
    let ask = permit.ask();
    assert_eq!(ask.reason().unwrap().as_str(), "case 4711");
    assert_eq!(ask.ticket().unwrap().as_str(), "T-1");
    assert_eq!(permit.target().unwrap().subject(), "alice");
    assert_eq!(
        permit.actor().groups().unwrap().iter().collect::<Vec<_>>(),
        ["support"]
    );
    assert!(!permit.actor().is_own() && permit.actor().speaks_for_itself());
    assert_eq!(bench.end_of(grant.id()).await, None);
}

#[tokio::test]
async fn only_who_mints_may_name_a_grant() {
    let bench = Bench::new();
    let grant = bench.start().await;
    for issuer in [ISS, "https://partner.example.com"] {
        let seen = { bench.by_token_of(issuer, "carol", "alice", grant.id()) }.await;
        assert_eq!(seen.unwrap_err(), "untrusted_grant_id", "{issuer}");
    }
    assert_eq!(bench.end_of(grant.id()).await, None);
    assert!(bench.use_it(grant.id()).await.is_ok());
}

#[tokio::test]
async fn a_new_login_does_not_end_a_grant() {
    let bench = Bench::new();
    let grant = bench.start().await;
    bench.clock.move_on(Duration::from_secs(1000));
    let by_cookie = |actor| {
        let ask = Ask::of_grant(*grant.id(), Strategy::Cookie);
        bench.gate.admit(actor, ask, bench.clock.now())
    };
    assert!(by_cookie(bench.carol()).await.is_ok());
    assert_eq!(bench.end_of(grant.id()).await, None);
    // One that is still to come is none.
    let actor = bench.carol();
    let mut login = Login::unknown();
    login.at = Some(bench.clock.now().saturating_add(Duration::from_secs(61)));
    let early = Verified::for_test((*actor).clone().with_login(login));
    assert!(by_cookie(early).await.is_err());
}

#[tokio::test]
async fn s7_a78_nobody_else_can_use_it() {
    let bench = Bench::new();
    let grant = bench.start().await;
    for (actor, target) in [("bob", "alice"), ("carol", "bob"), ("alice", "carol")] {
        let refused = bench.use_as(actor, target, grant.id()).await;
        assert_eq!(
            refused.unwrap_err(),
            "grant_of_others",
            "{actor} as {target}"
        );
    }
    let unknown = GrantId::from_bytes([7; 32]);
    assert_eq!(bench.use_it(&unknown).await.unwrap_err(), "grant_unknown");
    assert!(bench.use_it(grant.id()).await.is_ok());
}

#[tokio::test]
async fn a8_what_changes_ends_it_with_its_reason() {
    type Change = fn(&Bench);
    let rows: [(&str, Change, &str, EndReason); 8] = [
        (
            "demoted",
            |b| {
                b.people.insert(
                    Identity::new(ISS, "carol")
                        .with_groups(["sales"])
                        .enabled_account(),
                );
            },
            "in_group(support)",
            EndReason::ActorDemoted,
        ),
        (
            "actor disabled",
            |b| {
                b.people.insert(carol().disabled_account());
            },
            "actor_disabled",
            EndReason::ActorDisabled,
        ),
        (
            "actor gone",
            |b| {
                b.people.remove(carol().key());
            },
            "actor_gone",
            EndReason::ActorDisabled,
        ),
        (
            "promoted",
            |b| {
                b.people.insert(alice().with_groups(["admins"]));
            },
            "target_in_group",
            EndReason::TargetPromoted,
        ),
        (
            "moved to another tenant",
            |b| {
                b.people.insert(alice().with_tenant("other"));
            },
            "tenant",
            EndReason::TargetPromoted,
        ),
        (
            "target disabled",
            |b| {
                b.people.insert(alice().disabled_account());
            },
            "target_disabled",
            EndReason::TargetDisabled,
        ),
        (
            "target gone",
            |b| {
                b.people.remove(alice().key());
            },
            "target_not_found",
            EndReason::TargetGone,
        ),
        (
            "over",
            |b| b.clock.move_on(Duration::from_secs(3600)),
            "grant_expired",
            EndReason::Expired,
        ),
    ];
    for (name, change, rule, reason) in rows {
        let bench = Bench::new();
        let grant = bench.start().await;
        assert!(bench.use_it(grant.id()).await.is_ok(), "{name}");
        change(&bench);
        let refused = bench.use_it(grant.id()).await.unwrap_err();
        assert!(refused.contains(rule), "{name}: {refused}");
        assert_eq!(bench.end_of(grant.id()).await, Some(reason), "{name}");
        // It stays over, whatever becomes of them.
        bench.people.insert(alice());
        bench.people.insert(carol());
        let again = bench.use_it(grant.id()).await.unwrap_err();
        assert_eq!(again, format!("grant_{reason}"), "{name}");
        let told = bench.told.0.lock().unwrap();
        let ends = told.iter().filter(|(_, end)| end.is_some());
        assert_eq!(ends.count(), 1, "{name}: {told:?}");
        assert_eq!(told.last().unwrap().1, Some(reason), "{name}");
    }
}

#[tokio::test]
async fn what_is_not_known_refuses_and_ends_nothing() {
    let bench = Bench::new();
    let grant = bench.start().await;
    bench
        .people
        .insert(Identity::new(ISS, "alice").enabled_account());
    let permit = bench.use_it(grant.id()).await;
    // The token tells the groups that the directory does not.
    assert!(permit.is_ok());
    bench.people.insert(Identity::new(ISS, "alice"));
    let refused = bench.use_it(grant.id()).await.unwrap_err();
    assert_eq!(refused, "unknown:target_enabled");
    assert_eq!(bench.end_of(grant.id()).await, None);
}

#[tokio::test]
async fn s8_unused_for_too_long() {
    let bench = Bench::with(GrantLimits::default().idle(Duration::from_secs(60)));
    let grant = bench.start().await;
    for _ in 0..5 {
        bench.clock.move_on(Duration::from_secs(50));
        assert!(bench.use_it(grant.id()).await.is_ok());
    }
    bench.clock.move_on(Duration::from_secs(61));
    assert_eq!(bench.use_it(grant.id()).await.unwrap_err(), "grant_idle");
    assert_eq!(bench.end_of(grant.id()).await, Some(EndReason::Idle));
}

#[tokio::test]
async fn what_goes_on_is_told_at_once() {
    let bench = Bench::new();
    let grant = bench.start().await;
    let permit = bench.use_it(grant.id()).await.unwrap();
    let clock: Arc<dyn Clock> = Arc::new(bench.clock.clone());
    let came = Verified::for_test_by_act(Identity::new(ISS, "carol").with_tenant("acme"), DESK);
    let live = Live::of(&bench.gate, &clock, came, &permit).unwrap();
    let going = tokio::spawn(async move { live.ended().await });
    tokio::task::yield_now().await;
    assert!(!going.is_finished());
    let by = IdentityKey::new(ISS, "boss");
    let ended = bench
        .grants
        .end(grant.id(), EndReason::Revoked, Some(&by))
        .await;
    assert!(ended.unwrap().unwrap().now);
    tokio::time::timeout(Duration::from_secs(5), going)
        .await
        .unwrap()
        .unwrap();
}

#[tokio::test]
async fn sessions_and_people_end_what_is_theirs() {
    let bench = Bench::new();
    let grant = bench.start().await;
    assert_eq!(bench.grants.end_session(ISS, "other").await.unwrap(), 0);
    let alice = alice();
    assert_eq!(
        bench
            .grants
            .end_grants(alice.key(), EndReason::TargetGone)
            .await
            .unwrap(),
        1
    );
    assert_eq!(bench.end_of(grant.id()).await, Some(EndReason::TargetGone));
    assert_eq!(
        bench
            .grants
            .end_grants(alice.key(), EndReason::Revoked)
            .await
            .unwrap(),
        0
    );
}
