//! What fails while a grant starts, goes on and ends: audit, store and directory.

#[path = "support/causes.rs"]
mod causes;
#[path = "support/desk_api.rs"]
mod desk_api;
#[path = "support/over_http.rs"]
mod over_http;
#[path = "support/shop.rs"]
mod shop;
#[path = "support/sinks.rs"]
mod sinks;
mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use causes::{end, person};
use desk_api::Api;
use serde_json::{Value, json};
use shop::{Acting, Shop, assert_both, assert_ended, ends, until};
use sinks::{Mood, Moody};
use support::{AUDIENCE, Desk, ISSUER};
use tower_impersonate::Identity;
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event, EventName};
use tower_impersonate::directory::{Directory, LookupError, MemoryDirectory};
use tower_impersonate::grant::{
    self, End, Ended, Filter, Grant, GrantLimits, GrantStore, Grants, MemoryStore, Page,
    StartLimit, Started, StoreError,
};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::middleware::Builder;
use tower_impersonate::terms::{EndReason, GrantId, TargetRef};
use tower_impersonate::testing::RecordingSink;
use tower_impersonate::time::Timestamp;

/// A fake for a fault: the right is lost between the decision and the store.
struct Demoting(RecordingSink, MemoryDirectory);

impl AuditSink for Demoting {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        if event.name == EventName::Started {
            self.1.insert(person("carol", &["sales"]));
        }
        self.0.record(event)
    }

    fn complete(&self, done: Completion) {
        self.0.complete(done);
    }
}

#[tokio::test]
async fn h12_a_right_that_is_lost_during_the_start_is_of_no_use() {
    let desk = Desk::new();
    let demoting = Demoting(desk.sink.clone(), desk.users.clone());
    let grants = Grants::new(grant::memory());
    let api = Api::at(
        desk,
        grants,
        |builder| builder.replacing().audit(demoting),
        |manage| manage,
    )
    .await;
    let acting = Acting::begun(api, json!({})).await;
    acting.shop.get(&acting.minted).await.assert_refused(403);
    assert_both(&acting.denials()[0]);
    assert!(acting.shop.ran().is_empty());
    acting.assert_ended("actor_demoted").await;
}

/// A fake for a fault: what the store is made to do between the event of an extension and the extension.
#[derive(Clone)]
struct Between(RecordingSink, MemoryStore, Meanwhile);

#[derive(Debug, Clone, Copy, PartialEq)]
enum Meanwhile {
    Nothing,
    Ends,
    IsForgotten,
}

impl AuditSink for Between {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        if let (EventName::Extended, Some(id)) = (event.name, event.grant) {
            let end = End {
                reason: EndReason::Revoked,
                at: event.time,
                by: None,
            };
            if self.2 != Meanwhile::Nothing {
                drop(self.1.end(&id, end));
            }
            if self.2 == Meanwhile::IsForgotten {
                drop(
                    self.1
                        .forget(event.time.saturating_add(Duration::from_secs(1))),
                );
            }
        }
        self.0.record(event)
    }

    fn complete(&self, done: Completion) {
        self.0.complete(done);
    }
}

#[tokio::test]
async fn h12_an_extension_that_does_not_happen_is_taken_back() {
    for (meanwhile, status) in [
        (Meanwhile::Nothing, 200),
        (Meanwhile::Ends, 409),
        (Meanwhile::IsForgotten, 409),
    ] {
        let (desk, store) = (Desk::new(), grant::memory());
        let between = Between(desk.sink.clone(), store.clone(), meanwhile);
        let limits = GrantLimits::default().longest(Duration::from_secs(86_400));
        let grants = Grants::with_limits(store, limits);
        let api = Api::at(
            desk,
            grants,
            |builder| builder.replacing().audit(between),
            |manage| manage,
        )
        .await;
        let (_, id) = api.begin(&api.carol(), json!({})).await;
        let path = format!("/grants/{id}/extend");
        let order = json!({ "ttl_seconds": 7200 });
        let seen = api.post(&path, &api.carol(), order).await;
        assert_eq!(seen.status, status, "{meanwhile:?}: {seen:?}");
        assert_eq!(api.desk.events(EventName::Extended).len(), 1);
        let denied = api.desk.events(EventName::Denied);
        let rules: Vec<_> = { denied.iter() }
            .map(|event| &event["impersonation.deny.rule"])
            .collect();
        match meanwhile {
            Meanwhile::Nothing => assert!(rules.is_empty(), "{rules:?}"),
            _ => assert_eq!(rules, ["grant_not_extended"], "{meanwhile:?}"),
        }
    }
}

/// A memory store that counts what is kept in it, and that can be made to fail at an end.
#[derive(Clone)]
struct Watched {
    store: Arc<MemoryStore>,
    counts: Arc<[AtomicUsize; 3]>,
    mood: Arc<Mutex<Mood>>,
}

impl Watched {
    fn new() -> Self {
        Self {
            store: Arc::new(grant::memory()),
            counts: Arc::default(),
            mood: Arc::new(Mutex::new(Mood::Well)),
        }
    }

    fn turns(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn count(&self, what: usize) -> &MemoryStore {
        self.counts[what].fetch_add(1, Ordering::SeqCst);
        &self.store
    }

    /// Starts, ends, and whatever else.
    fn kept(&self) -> [usize; 3] {
        self.counts
            .each_ref()
            .map(|count| count.load(Ordering::SeqCst))
    }
}

/// As the mood is, and then the answer.
fn moody<T: Send + 'static>(
    mood: Mood,
    then: impl FnOnce() -> Answer<T> + Send + 'static,
    failed: T,
) -> Answer<T> {
    match mood {
        Mood::Well => then(),
        Mood::Fails => Answer::now(failed),
        Mood::Hangs => Answer::later(std::future::pending()),
        Mood::Panics => panic!("a plug-in that panics"),
        Mood::PanicsLater => Answer::later(async {
            tokio::task::yield_now().await;
            panic!("a plug-in that panics later")
        }),
        Mood::Slow => Answer::later(async {
            tokio::task::yield_now().await;
            then().await
        }),
        Mood::FailsLater => Answer::later(async {
            tokio::task::yield_now().await;
            failed
        }),
    }
}

type Kept<T> = Answer<Result<T, StoreError>>;

impl GrantStore for Watched {
    fn start(&self, grant: Grant, limit: StartLimit) -> Kept<Started> {
        self.count(0).start(grant, limit)
    }
    fn find(&self, id: &GrantId) -> Kept<Option<Grant>> {
        self.store.find(id)
    }
    fn used(&self, id: &GrantId, at: Timestamp) -> Kept<()> {
        self.count(2).used(id, at)
    }
    fn extend(&self, id: &GrantId, deadline: Timestamp, now: Timestamp) -> Kept<Option<Grant>> {
        self.count(2).extend(id, deadline, now)
    }
    fn end(&self, id: &GrantId, end: End) -> Kept<Option<Ended>> {
        self.count(1);
        let (mood, store, id) = (*self.mood.lock().unwrap(), Arc::clone(&self.store), *id);
        moody(
            mood,
            move || store.end(&id, end),
            Err(StoreError::unavailable("down")),
        )
    }
    fn list(&self, filter: &Filter, page: &Page) -> Kept<Vec<Grant>> {
        self.store.list(filter, page)
    }
    fn lapsed(&self, now: Timestamp) -> Kept<Vec<Grant>> {
        self.store.lapsed(now)
    }
    fn forget(&self, ended_before: Timestamp) -> Kept<u64> {
        self.store.forget(ended_before)
    }
}

#[tokio::test]
async fn s23_s27_s28_a_start_and_an_end_are_kept_once_each_and_nothing_else_is() {
    let store = Watched::new();
    let (kept, grants) = (|| store.kept(), Grants::new(store.clone()));
    let api = Api::at(Desk::new(), grants, |builder| builder, |manage| manage).await;
    let shop = Shop::behind(api.layer.clone()).await;
    shop.get(&api.carol()).await.assert_ran_as("carol", None);
    assert!(
        api.desk.sink.events().is_empty(),
        "a plain request is no business of ours"
    );
    let refused = api
        .post(
            "/Root/impersonate",
            &api.carol(),
            json!({ "audience": AUDIENCE }),
        )
        .await;
    assert_eq!((refused.status.as_u16(), kept()), (403, [0, 0, 0]));
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    assert_eq!(kept(), [1, 0, 0]);
    for _ in 0..3 {
        shop.get(&minted)
            .await
            .assert_ran_as("alice", Some("carol"));
    }
    assert_eq!(
        kept(),
        [1, 0, 0],
        "a request keeps nothing where there is no idle limit"
    );
    assert_eq!(
        api.post("/grants/stop", &minted, Value::Null).await.status,
        204
    );
    assert_eq!(kept(), [1, 1, 0]);
    shop.get(&minted).await.assert_refused(401);
    assert_eq!(kept(), [1, 1, 0]);
    assert_ended(&api, &id, "stopped").await;
}

#[tokio::test]
async fn incident_a11_what_cannot_be_recorded_does_not_start_and_ends_all_the_same() {
    for mood in MOODS {
        let sink = Moody::new(mood);
        let audit = sink.clone();
        let builder = |builder: Builder| {
            builder
                .replacing()
                .audit(audit)
                .deadline(Duration::from_millis(200))
        };
        let api = Api::with(
            builder,
            |manage| manage.starts_per_minute(1000),
            GrantLimits::default(),
        )
        .await;
        let order = json!({ "audience": AUDIENCE });
        let seen = api.post("/Alice/impersonate", &api.carol(), order).await;
        assert_eq!(
            (seen.status.as_u16(), seen.body.get("data")),
            (503, None),
            "{mood:?}"
        );
        let all = api
            .grants
            .list(&Filter::default(), &Page::first())
            .await
            .unwrap();
        assert!(all.is_empty(), "{mood:?}");
        for how in ["stop", "revoke", "application"] {
            sink.turns(Mood::Well);
            let (minted, id) = api.begin(&api.carol(), json!({})).await;
            let shop = Shop::behind(api.layer.clone()).await;
            let going = shop.open("/ticks", &minted).await;
            sink.turns(mood);
            let since = Instant::now();
            match how {
                "stop" => {
                    let stopped = api.post("/grants/stop", &minted, Value::Null).await;
                    assert_eq!(stopped.status, 204, "{mood:?}");
                }
                "revoke" => assert_eq!(end(&api, &id, &api.security()).await, 204, "{mood:?}"),
                _ => {
                    let alice = IdentityKey::new(ISSUER, "alice");
                    let ending = api.grants.end_grants(&alice, EndReason::TargetGone);
                    assert_eq!(ending.await.unwrap(), 1, "{mood:?}");
                }
            }
            going.cut(since).await;
            let kept = shop::grant(&api, &id).await.state().end.clone();
            assert!(kept.is_some(), "{mood:?} {how}");
            sink.turns(Mood::Well);
            shop.get(&minted).await.assert_refused(401);
        }
    }
}

#[tokio::test]
async fn incident_a11_a_store_that_keeps_no_end_keeps_nobody_acting() {
    for mood in MOODS {
        for how in ["stop", "revoke", "demotion"] {
            let store = Watched::new();
            let grants = Grants::new(store.clone());
            let quick = |builder: Builder| builder.deadline(Duration::from_millis(200));
            let api = Api::at(Desk::new(), grants, quick, |manage| manage).await;
            let acting = Acting::begun(api, json!({})).await;
            let (api, shop) = (&acting.api, &acting.shop);
            let going = shop.open("/silent", &acting.minted).await;
            store.turns(mood);
            let since = Instant::now();
            let status = match how {
                "stop" => {
                    api.post("/grants/stop", &acting.minted, Value::Null)
                        .await
                        .status
                }
                "revoke" => end(api, &acting.id, &api.security()).await,
                _ => {
                    let carol = person("carol", &["sales"]);
                    api.desk.users.insert(carol);
                    shop.get(&acting.minted).await.status
                }
            };
            assert!(
                status == 503 || (how == "demotion" && status == 403),
                "{mood:?} {how}: {status}"
            );
            going.cut(since).await;
            // The right is back, the store is not.
            api.desk.users.insert(person("carol", &["support"]));
            let ran = shop.ran();
            acting.assert_over().await;
            assert_eq!(shop.ran(), ran, "{mood:?} {how}");
            assert!(
                ends(api, &acting.id).is_empty(),
                "{mood:?} {how}: not kept, not told"
            );
            store.turns(Mood::Well);
            api.grants.sweep().await.unwrap();
            let reason = match how {
                "stop" => "stopped",
                "revoke" => "revoked",
                _ => "actor_demoted",
            };
            assert_both(&acting.assert_ended(reason).await);
        }
    }
}

const MOODS: [Mood; 5] = [
    Mood::Fails,
    Mood::FailsLater,
    Mood::Hangs,
    Mood::Panics,
    Mood::PanicsLater,
];

/// A fake for a fault: a directory that takes somebody else for the actor.
#[tokio::test]
async fn a_directory_that_gives_somebody_else_for_the_actor_neither_lets_through_nor_ends() {
    let desk = Desk::new();
    let (users, errs) = (desk.users.clone(), Arc::new(AtomicUsize::new(0)));
    let told = Arc::clone(&errs);
    let directory = move |wanted: &TargetRef| -> Answer<Result<Identity, LookupError>> {
        match wanted.as_subject() {
            Some("carol") if told.load(Ordering::SeqCst) > 0 => {
                Answer::now(Ok(person("eve", &["support"])))
            }
            _ => users.find(wanted),
        }
    };
    let api = Api::at(
        desk,
        Grants::new(grant::memory()),
        |builder| builder.directory(directory),
        |manage| manage,
    )
    .await;
    let (minted, id) = api.begin(&api.carol(), json!({})).await;
    assert_eq!(api.get("/me", &minted).await.status, 200);
    errs.store(1, Ordering::SeqCst);
    let seen = api.get("/me", &minted).await;
    assert_eq!((seen.status.as_u16(), seen.ran), (503, false), "{seen:?}");
    errs.store(0, Ordering::SeqCst);
    assert!(shop::grant(&api, &id).await.state().end.is_none());
    assert_eq!(api.get("/me", &minted).await.status, 200);
}

/// What goes on without anybody who could say whether it may: not for long, and an end counts all the same.
#[tokio::test]
async fn incident_a8_a_directory_that_says_nothing_holds_up_no_end() {
    for mood in MOODS {
        for how in ["revoke", "nothing"] {
            let (desk, feels) = (Desk::new(), Arc::new(Mutex::new(Mood::Well)));
            let (users, felt) = (desk.users.clone(), Arc::clone(&feels));
            let asked = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&asked);
            let directory = move |wanted: &TargetRef| -> Answer<Result<Identity, LookupError>> {
                let (users, wanted, mood) = (users.clone(), wanted.clone(), *felt.lock().unwrap());
                count.fetch_add(usize::from(mood != Mood::Well), Ordering::SeqCst);
                moody(
                    mood,
                    move || users.find(&wanted),
                    Err(LookupError::unavailable("down")),
                )
            };
            let quick = |builder: Builder| {
                builder
                    .directory(directory)
                    .deadline(Duration::from_millis(200))
            };
            let api = Api::at(desk, Grants::new(grant::memory()), quick, |manage| manage).await;
            let acting = Acting::begun(api, json!({})).await;
            let api = &acting.api;
            let going = acting.shop.open("/ticks", &acting.minted).await;
            *feels.lock().unwrap() = mood;
            let refused = acting.shop.get(&acting.minted).await;
            refused.assert_refused(503);
            // The stream asks in vain, too.
            until("it is asked", || asked.load(Ordering::SeqCst) > 1).await;
            let since = Instant::now();
            match how {
                "revoke" => assert_eq!(end(api, &acting.id, &api.security()).await, 204),
                _ => api.advance(5),
            }
            let cut = going.cut(since).await;
            println!("{mood:?}, {how}: cut after {cut:.0?}");
            if how == "revoke" {
                acting.assert_ended("revoked").await;
            } else {
                assert!(
                    acting.grant().await.state().end.is_none(),
                    "nobody ended it"
                );
            }
        }
    }
}
