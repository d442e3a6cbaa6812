//! The store of grants fails, hangs, answers with other rows, forgets or is full: what a desk over HTTP does then.
//!
//! A revocation that the store does not take counts in this process at once, and is kept when the store is back.
//! Not here: A-80 of Redis, for which there is no store in this crate; what is tested is the rule behind it.

#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/faulty_store.rs"]
mod faulty_store;
#[path = "support/over_http.rs"]
mod over_http;
mod support;

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use desk_api::{Api, issued};
use faulty_store::{FaultyStore, STEPS, Step};
use http::Method;
use serde_json::{Value, json};
use support::expect::{FAULTS, Fault, RULE};
use support::{AUDIENCE, Desk, ISSUER, Seen};
use tower_impersonate::audit::EventName;
use tower_impersonate::grant::{
    self, End, Filter, Grant, GrantLimits, GrantStore, Grants, Page, Standing, State,
};
use tower_impersonate::mint::Minter;
use tower_impersonate::terms::{EndReason, GrantId};
use tower_impersonate::testing::TestGrant;
use tower_impersonate::time::Clock;
use tower_impersonate::{Identity, ImpersonationLayer, policy, resolve};

/// Short, because some tests wait for all of it.
const DEADLINE: Duration = Duration::from_millis(300);

async fn api(store: &FaultyStore) -> Api {
    let grants = Grants::new(store.clone());
    Api::at(
        Desk::new(),
        grants,
        |layer| layer.deadline(DEADLINE),
        |manage| manage.starts_per_minute(1000),
    )
    .await
}

/// 503 to be tried again, for nothing that the answer tells.
#[track_caller]
fn assert_unavailable(seen: &Seen) {
    seen.assert_refused(503);
    assert_eq!(seen.header("retry-after"), Some("1"), "{seen:?}");
    let body = seen.body.to_string();
    for told in ["token", "database", "panic", "eyJ"] {
        assert!(!body.contains(told), "{body}");
    }
}

async fn start(api: &Api, name: &str) -> Seen {
    let path = format!("/{name}/impersonate");
    let order = json!({ "audience": AUDIENCE });
    api.post(&path, &api.carol(), order).await
}

async fn delete(api: &Api, id: &str, token: &str) -> Seen {
    let path = format!("/grants/{id}");
    api.call(Method::DELETE, &path, token, Value::Null).await
}

async fn alive(api: &Api) -> Vec<Grant> {
    let now = api.desk.clock.now();
    let mut filter = Filter::default();
    filter.state = Some((Standing::Alive, now));
    api.grants.list(&filter, &Page::first()).await.unwrap()
}

fn ends(api: &Api) -> Vec<Value> {
    let named = [EventName::Ended, EventName::Revoked, EventName::Expired];
    named.map(|name| api.desk.events(name)).concat()
}

#[tokio::test]
async fn a73_without_its_store_nothing_starts() {
    for fault in FAULTS {
        for steps in [vec![Step::List], vec![Step::Start], STEPS.to_vec()] {
            let store = FaultyStore::new();
            let api = api(&store).await;
            store.fails(steps.clone(), fault);
            let seen = start(&api, "Alice").await;
            assert_unavailable(&seen);
            assert_eq!(seen.header("cache-control"), Some("no-store"));
            store.is_well();
            assert!(alive(&api).await.is_empty(), "{fault:?} {steps:?}");
            let started = api.desk.events(EventName::Started);
            let expected = usize::from(steps == [Step::Start]);
            assert_eq!(started.len(), expected, "{fault:?} {steps:?}");
            if expected == 1 && !matches!(fault, Fault::Panics) {
                let denial = api.desk.denial();
                assert_eq!(denial[RULE], "grant_not_kept");
                let id = "impersonation.grant.id";
                assert_eq!(denial[id], started[0][id]);
            }
            assert_eq!(start(&api, "Alice").await.status, 200, "it is back");
        }
    }
}

#[tokio::test]
async fn a73_a_start_that_nobody_waited_for_leaves_nothing_alive() {
    let store = FaultyStore::new();
    let api = api(&store).await;
    store.fails([Step::StartIsKept], Fault::NeverAnswers);
    assert_unavailable(&start(&api, "Alice").await);
    let kept = { store.inner.list(&Filter::default(), &Page::first()) }
        .await
        .unwrap();
    assert_eq!(kept.len(), 1, "the fake kept it");
    assert!(alive(&api).await.is_empty());
    assert_eq!(api.desk.denial()[RULE], "grant_not_kept");
}

#[tokio::test]
async fn a74_a75_without_its_store_no_impersonated_request_runs_and_every_plain_one_does() {
    for fault in FAULTS {
        let store = FaultyStore::new();
        let api = api(&store).await;
        let (minted, _) = api.begin(&api.carol(), json!({})).await;
        assert_eq!(api.get("/me", &minted).await.body["sub"], "alice");
        api.desk.sink.clear();
        store.fails(STEPS, fault);
        for method in [Method::GET, Method::POST] {
            let seen = api.call(method, "/write", &minted, Value::Null).await;
            assert_unavailable(&seen);
        }
        assert_eq!(api.desk.events(EventName::Request), Vec::<Value>::new());

        // Nobody revokes a plain token here: it needs no store, and nobody asks one.
        let asked = store.asked.load(Ordering::SeqCst);
        let plain = api.get("/me", &api.carol()).await;
        plain.assert_ran_as("carol", None);
        assert_eq!(store.asked.load(Ordering::SeqCst), asked);
        store.is_well();
        api.get("/me", &minted)
            .await
            .assert_ran_as("alice", Some("carol"));
    }
}

#[tokio::test]
async fn a75_a_token_of_a_grant_is_no_good_where_nobody_can_be_asked_about_grants() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    let other = |builder: tower_impersonate::middleware::Builder| {
        let builder = builder
            .clock(api.desk.clock.clone())
            .issuer(api.minter.issuer().audiences([AUDIENCE]))
            .resolve(resolve::act())
            .policy(policy::vouched_by(desk_api::MINTER))
            .audit(api.desk.sink.clone());
        builder.build().unwrap()
    };
    let without = other(ImpersonationLayer::builder());
    let seen = api.desk.send(&without, support::get(&minted, &[])).await;
    seen.assert_refused(401);
    // The control: it says that it believes the token until it expires.
    let trusting = ImpersonationLayer::builder().grants(grant::danger::until_exp());
    let trusting = other(trusting);
    let seen = api.desk.send(&trusting, support::get(&minted, &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a76_a_store_that_hangs_is_given_up_after_a_second() {
    let store = FaultyStore::new();
    let api = Api::at(Desk::new(), Grants::new(store.clone()), |l| l, |m| m).await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    store.fails(STEPS, Fault::NeverAnswers);
    let begun = Instant::now();
    assert_unavailable(&api.get("/me", &minted).await);
    println!("a request was answered after {:?}", begun.elapsed());
    let begun = Instant::now();
    assert_unavailable(&delete(&api, &id, &api.security()).await);
    println!("a revocation was answered after {:?}", begun.elapsed());
    store.is_well();
    api.get("/me", &minted).await.assert_refused(401);
}

/// Whoever ends a grant, and the reason that is kept.
const WAYS: [(&str, &str); 4] = [
    ("stop", "stopped"),
    ("the actor", "stopped"),
    ("security", "revoked"),
    ("the client", "revoked"),
];

#[tokio::test]
async fn a74_v1_a_revocation_that_the_store_does_not_take_counts_here_and_is_kept_later() {
    for fault in FAULTS {
        for (way, reason) in WAYS {
            let store = FaultyStore::new();
            let api = api(&store).await;
            let (minted, id) = api.begin(&api.carol(), json!({})).await;
            assert_eq!(api.get("/me", &minted).await.status, 200);
            // Whose grant it is only the store knows.
            match way {
                "the actor" => store.fails([Step::End], fault),
                _ => store.fails(STEPS, fault),
            }
            let seen = match way {
                "stop" => api.post("/grants/stop", &minted, Value::Null).await,
                "the actor" => delete(&api, &id, &api.carol()).await,
                "security" => delete(&api, &id, &api.security()).await,
                _ => {
                    let form = [("token", &*minted)];
                    let secret = api.auditor.expose();
                    api.form("/oauth2/revoke", "auditor", secret, &form).await
                }
            };
            assert_unavailable(&seen);

            // The store is back, and knows nothing of it.
            store.is_well();
            let parsed = id.parse().unwrap();
            let kept = store.inner.find(&parsed).await.unwrap().unwrap();
            assert!(kept.state().end.is_none(), "{way} {fault:?}");
            api.get("/me", &minted).await.assert_refused(401);
            assert_eq!(
                api.introspect(&minted).await.body,
                json!({ "active": false }),
                "{way} {fault:?}"
            );
            assert_eq!(ends(&api), Vec::<Value>::new());

            api.grants.sweep().await.unwrap();
            api.grants.sweep().await.unwrap();
            let kept = store.inner.find(&parsed).await.unwrap().unwrap();
            let end = kept.state().end.clone().unwrap();
            assert_eq!(end.reason.as_str(), reason, "{way} {fault:?}");
            let told = ends(&api);
            assert_eq!(told.len(), 1, "{way} {fault:?}: {told:?}");
            assert_eq!(told[0]["impersonation.grant.id"], json!(id));
            assert_eq!(told[0]["impersonation.end.reason"], reason);
            api.get("/me", &minted).await.assert_refused(401);
        }
    }
}

#[tokio::test]
async fn a74_a_list_shows_nobody_acting_whose_end_is_not_kept() {
    let store = FaultyStore::new();
    let api = api(&store).await;
    let dora = api.desk.token("dora", &["support"]).sign();
    let order = json!({ "audience": AUDIENCE });
    let (_, older) = issued(&api.post("/Bob/impersonate", &dora, order).await);
    api.advance(1);
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    store.fails([Step::End], Fault::Errs);
    assert_unavailable(&delete(&api, &id, &api.carol()).await);
    let security = api.security();
    let list = async |query: &str| {
        let seen = api.get(&format!("/grants{query}"), &security).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        let data = seen.body["data"].as_array().unwrap().clone();
        data.into_iter()
            .map(|grant| (grant["id"].clone(), grant["state"].clone()))
            .collect::<Vec<_>>()
    };
    let (active, ended) = ((json!(older), json!("active")), (json!(id), json!("ended")));
    assert_eq!(list("").await, [ended.clone(), active.clone()]);
    // A page is as full as without it.
    for query in ["?state=active", "?state=active&limit=1"] {
        assert_eq!(list(query).await, std::slice::from_ref(&active), "{query}");
    }
    store.is_well();
    api.grants.sweep().await.unwrap();
    assert_eq!(list("?state=ended").await, [ended]);
}

/// A desk that comes up with a store in which a grant ran out while nobody was there.
fn after_a_restart(desk: &Desk) -> Grants {
    let store = grant::memory();
    let limit = grant::StartLimit {
        per_actor: 1,
        others: grant::Others::Stay,
        keep_ended: 1_000,
        now: desk.clock.now(),
    };
    let long_ago = desk.clock.now().saturating_sub(Duration::from_secs(4000));
    let grant = TestGrant::new("carol", "alice").at(long_ago).build();
    drop(store.start(grant, limit));
    Grants::new(store)
}

/// By a clock that stands until nobody has anything else to do.
#[tokio::test(start_paused = true)]
async fn a80_after_a_restart_what_ran_out_ends_though_nobody_starts_anything() {
    let (desk, id) = (Desk::new(), GrantId::from_bytes([7; 32]));
    let expired = || desk.events(EventName::Expired).len();
    // Built in the runtime.
    let layer = desk.builder().grants(after_a_restart(&desk)).build();
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(expired(), 1);
    drop(layer);

    // Built before there was one: from the first look on.
    let grants = after_a_restart(&desk);
    let builder = desk.builder().grants(&grants);
    let layer = std::thread::scope(|scope| scope.spawn(|| builder.build()).join());
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(expired(), 1);
    grants.find(&id).await.unwrap();
    tokio::time::sleep(Duration::from_secs(31)).await;
    assert_eq!(expired(), 2);
    drop(layer);
}

#[tokio::test]
async fn a74_without_the_right_a_silent_store_ends_nothing() {
    let store = FaultyStore::new();
    let api = api(&store).await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    store.fails(STEPS, Fault::Errs);
    let dora = api.desk.token("dora", &["support"]).sign();
    delete(&api, &id, &dora).await.assert_refused(403);
    assert_eq!(api.desk.denial()[RULE], "right:grants.revoke");
    store.is_well();
    assert_eq!(api.get("/me", &minted).await.status, 200);
}

#[tokio::test]
async fn a64_s9_a_token_that_is_known_ends_with_its_session_and_with_either_person() {
    for (what, reason) in [
        ("jti", "actor_session_ended"),
        ("origin_jti", "actor_session_ended"),
        ("sid", "actor_session_ended"),
        ("actor", "actor_disabled"),
        ("target", "target_disabled"),
    ] {
        let api = Api::start().await;
        let carol = { api.desk.token("carol", &["support"]) }
            .claim("jti", "carols-jti")
            .claim("origin_jti", "carols-origin")
            .claim("sid", "carols-sid")
            .sign();
        let (minted, _) = api.begin(&carol, json!({})).await;
        let dora = api.desk.token("dora", &["support"]).sign();
        let order = json!({ "audience": AUDIENCE });
        let (others, _) = issued(&api.post("/Bob/impersonate", &dora, order).await);
        for _ in 0..3 {
            for (token, sub) in [(&minted, "alice"), (&others, "bob")] {
                assert_eq!(api.get("/me", token).await.body["sub"], sub);
            }
        }
        let person = |sub: &str| Identity::new(ISSUER, sub).key().clone();
        let grants = &api.grants;
        let ended = match what {
            "jti" => grants.end_session(ISSUER, "carols-jti").await,
            "origin_jti" => grants.end_session(ISSUER, "carols-origin").await,
            "sid" => grants.end_session(ISSUER, "carols-sid").await,
            "actor" => {
                grants
                    .end_grants(&person("carol"), EndReason::ActorDisabled)
                    .await
            }
            _ => {
                grants
                    .end_grants(&person("alice"), EndReason::TargetDisabled)
                    .await
            }
        };
        assert_eq!(ended.unwrap(), 1, "{what}");
        let seen = api.get("/me", &minted).await;
        seen.assert_refused(401);
        assert_eq!(seen.body["error"], "invalid_token", "{what}");
        let told = ends(&api);
        assert_eq!(told.len(), 1);
        assert_eq!(told[0]["impersonation.end.reason"], reason);
        assert_eq!(api.get("/me", &others).await.body["sub"], "bob", "{what}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a77_a_start_against_its_own_end_leaves_no_token_of_what_ended() {
    let store = FaultyStore::new();
    let api = api(&store).await;
    for round in 0..15 {
        let (minted, id) = api.begin(&api.carol(), json!({})).await;
        api.desk.sink.clear();
        let (carol, security) = (api.carol(), api.security());
        let (again, first, second, stop) = tokio::join!(
            start(&api, "Alice"),
            delete(&api, &id, &carol),
            delete(&api, &id, &security),
            api.post("/grants/stop", &minted, Value::Null),
        );
        assert_eq!([first.status, second.status], [204, 204], "{round}");
        assert!([204, 401].contains(&stop.status.as_u16()), "{stop:?}");
        assert_eq!(api.get("/me", &minted).await.status, 401, "{round}");
        let told = ends(&api);
        assert_eq!(told.len(), 1, "{round}: {told:?}");
        assert_eq!(told[0]["impersonation.grant.id"], json!(id));
        match again.status.as_u16() {
            200 => {
                let (token, other) = issued(&again);
                let expected = if other == id { 401 } else { 200 };
                assert_eq!(api.get("/me", &token).await.status, expected, "{round}");
                assert_eq!(alive(&api).await.len(), usize::from(other != id));
            }
            409 => assert!(alive(&api).await.is_empty()),
            other => panic!("{other}: {again:?}"),
        }
        let carol = Identity::new(ISSUER, "carol").key().clone();
        { api.grants.end_grants(&carol, EndReason::Revoked) }
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a77_s6_of_starts_at_once_one_person_has_one_grant() {
    let store = FaultyStore::new();
    let api = api(&store).await;
    let (a, b, c, d) = tokio::join!(
        start(&api, "Alice"),
        start(&api, "Bob"),
        start(&api, "Alice"),
        start(&api, "Bob"),
    );
    let seen = [a, b, c, d];
    assert_eq!(alive(&api).await.len(), 1, "{seen:?}");
    let id = alive(&api).await[0].id().to_string();
    for seen in &seen {
        match seen.status.as_u16() {
            200 => assert_eq!(issued(seen).1, id),
            409 => assert_eq!(seen.body["grant"], json!(id)),
            other => panic!("{other}: {seen:?}"),
        }
    }
    assert!(seen.iter().any(|seen| seen.status == 200));
}

#[tokio::test]
async fn a78_what_the_store_answers_with_must_be_the_grant_that_was_asked_for() {
    let store = FaultyStore::new();
    let api = api(&store).await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let id: GrantId = id.parse().unwrap();
    let now = api.desk.clock.now();
    let of = |actor: &str, target: &str| TestGrant::new(actor, target).id(id).at(now);
    let elsewhere = |sub: &str| Identity::new("https://other.example.com", sub).enabled_account();
    let right = of("carol", "alice").build();
    let ended = State {
        end: Some(End {
            reason: EndReason::Revoked,
            at: now,
            by: None,
        }),
        ..right.state().clone()
    };
    let long_ago = now.saturating_sub(Duration::from_secs(4000));
    for (what, row, status) in [
        ("the right one", right.clone(), 200),
        ("another actor's", of("dora", "alice").build(), 401),
        ("another target's", of("carol", "bob").build(), 401),
        ("changed about", of("alice", "carol").build(), 401),
        (
            "an actor of another issuer",
            of("x", "alice").actor(elsewhere("carol")).build(),
            401,
        ),
        (
            "a target of another issuer",
            of("carol", "x").target(elsewhere("alice")).build(),
            401,
        ),
        (
            "expired",
            TestGrant::new("carol", "alice").id(id).at(long_ago).build(),
            401,
        ),
        (
            "idle",
            TestGrant::new("carol", "alice")
                .id(id)
                .at(now.saturating_sub(Duration::from_secs(60)))
                .idle(Duration::from_secs(30))
                .build(),
            401,
        ),
        ("ended", Grant::new(right.start().clone(), ended), 401),
        (
            "the same people's under another id",
            TestGrant::new("carol", "alice").at(now).build(),
            503,
        ),
    ] {
        store.answers_with(Some(row));
        let before = api.desk.events(EventName::Request).len();
        let seen = api.get("/me", &minted).await;
        assert_eq!(
            (seen.status.as_u16(), seen.ran),
            (status, status == 200),
            "{what}: {seen:?}"
        );
        let runs = api.desk.events(EventName::Request).len() - before;
        assert_eq!(runs, usize::from(status == 200), "{what}");
    }
}

#[tokio::test]
async fn a80_a_store_that_lost_its_grants_ends_them_all() {
    let api = Api::start().await;
    let (minted, _) = api.begin(&api.carol(), json!({})).await;
    let after_a_restart = |minter: &Minter, grants: Grants| {
        let builder = api.desk.builder().grants(grants).mint(minter);
        builder.build().unwrap()
    };
    let empty = after_a_restart(&api.minter, Grants::new(grant::memory()));
    let seen = api.desk.send(&empty, support::get(&minted, &[])).await;
    seen.assert_refused(401);
    assert_eq!(api.desk.denial()[RULE], "grant_unknown");
    // The control: the same keys, and the grants are there.
    let same = after_a_restart(&api.minter, api.grants.clone());
    let seen = api.desk.send(&same, support::get(&minted, &[])).await;
    seen.assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn a80_a82_a_store_that_is_full_refuses_the_new_and_keeps_the_old() {
    let grants = Grants::new(grant::MemoryStore::bounded(1));
    let api = Api::at(Desk::new(), grants, |l| l, |m| m).await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    let dora = api.desk.token("dora", &["support"]).sign();
    let order = json!({ "audience": AUDIENCE });
    let seen = api.post("/Bob/impersonate", &dora, order.clone()).await;
    assert_unavailable(&seen);
    assert_eq!(api.get("/me", &minted).await.status, 200);
    // One that ended makes room, and stays over.
    delete(&api, &id, &api.carol()).await;
    let seen = api.post("/Bob/impersonate", &dora, order).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    api.get("/me", &minted).await.assert_refused(401);
}

#[tokio::test]
async fn a82_nobody_fills_the_store_alone() {
    let limits = GrantLimits::default().ended_per_actor(2);
    let store = grant::MemoryStore::bounded(5);
    let grants = Grants::with_limits(store.clone(), limits);
    let api = Api::at(Desk::new(), grants, |l| l, |m| m).await;
    let dora = api.desk.token("dora", &["support"]).sign();
    let order = json!({ "audience": AUDIENCE });
    let (_, others) = issued(&api.post("/Bob/impersonate", &dora, order).await);
    delete(&api, &others, &dora).await;
    for target in ["Alice", "Bob", "Alice", "Bob", "Alice", "Bob"] {
        let order = json!({ "audience": AUDIENCE, "replace": true });
        let path = format!("/{target}/impersonate");
        let seen = api.post(&path, &api.carol(), order).await;
        assert_eq!(seen.status, 200, "{seen:?}");
    }
    // Carol's own three, and what was Dora's.
    assert!(format!("{store:?}").contains("grants: 4"), "{store:?}");
    let kept = api.get(&format!("/grants/{others}"), &dora).await;
    assert_eq!(kept.status, 200, "{kept:?}");
}

#[tokio::test]
async fn a82_sweeping_forgets_what_ended_long_ago_and_nothing_that_is_alive() {
    let limits = GrantLimits::default()
        .lifetime(Duration::from_secs(86_400))
        .longest(Duration::from_secs(86_400))
        .keep_ended(Duration::from_secs(3600));
    let store = FaultyStore::new();
    let grants = Grants::with_limits(store.clone(), limits);
    let api = Api::at(Desk::new(), grants, |l| l, |m| m).await;
    let (_, id) = api.begin(&api.carol(), json!({})).await;
    let now = api.desk.clock.now();
    let limit = grant::StartLimit {
        per_actor: 1,
        others: grant::Others::Stay,
        keep_ended: 1_000,
        now,
    };
    for n in 0..500 {
        let grant = TestGrant::new(format!("agent-{n}"), "bob").at(now).build();
        store.start(grant, limit).await.unwrap();
    }
    let count = async || {
        { store.list(&Filter::default(), &Page::first()) }
            .await
            .unwrap()
            .len()
    };
    assert_eq!(count().await, Page::MAX);
    // Nobody swept, and what is over is over.
    api.advance(3600);
    assert_eq!(alive(&api).await.len(), 1);
    // Ended now, at their own deadline, and kept for another hour.
    api.grants.sweep().await.unwrap();
    assert_eq!(count().await, Page::MAX);
    assert_eq!(api.desk.events(EventName::Expired).len(), 500);
    for _ in 0..3 {
        api.advance(1801);
        api.grants.sweep().await.unwrap();
    }
    assert_eq!(count().await, 1);
    assert_eq!(alive(&api).await[0].id().to_string(), id);
    let fresh = api.carol();
    let order = json!({ "audience": AUDIENCE });
    let again = api.post("/Alice/impersonate", &fresh, order).await;
    assert_eq!(issued(&again).1, id, "it is alive as before");
}

#[tokio::test]
async fn a162_a_hundred_thousand_idle_grants_are_bounded_and_swept() {
    const MANY: usize = 100_000;
    let store = grant::MemoryStore::bounded(MANY);
    let grants = Grants::new(store.clone());
    let begun = Instant::now();
    let mut limit = grant::StartLimit {
        per_actor: 1,
        others: grant::Others::Stay,
        keep_ended: 1_000,
        now: TestGrant::new("", "").build().started_at(),
    };
    for n in 0..MANY {
        let grant = TestGrant::new(format!("agent-{n}"), format!("user-{n}"));
        let grant = grant.idle(Duration::from_secs(60)).build();
        store.start(grant, limit).await.unwrap();
    }
    println!("{MANY} grants started in {:?}", begun.elapsed());
    let one_more = TestGrant::new("one", "more").build();
    assert!(store.start(one_more, limit).await.is_err());

    // The clock of the system is years after their idle limit.
    let begun = Instant::now();
    grants.sweep().await.unwrap();
    println!("swept in {:?}", begun.elapsed());
    assert!(format!("{store:?}").contains("grants: 0"), "{store:?}");
    limit.now = limit.now.saturating_add(Duration::from_secs(1));
    let one_more = TestGrant::new("one", "more").build();
    assert!(store.start(one_more, limit).await.is_ok());
}
