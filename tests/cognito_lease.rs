//! Groups that are lent, against what no emulator does. The main path, and processes that are killed, stand
//! in `real_cognito_lease.rs`.
#![cfg(feature = "cognito")]

mod support;

#[path = "support/cognito.rs"]
mod cognito_pools;
#[path = "support/sinks.rs"]
mod sinks;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use cognito_pools::{Fault, FaultyPool, impersonation};
use serde_json::{Value, json};
use sinks::{Mood, Moody};
use support::{Desk, Seen, get};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::EventName;
use tower_impersonate::cognito::lease::{
    self, LeaseErrorKind, LeaseStore, Leases, LeasesBuilder, MemoryLeases, Stage,
};
use tower_impersonate::cognito::{
    self, AccountStatus, ApiError, ApiErrorKind, ConfigError, Filter, Page, Pool, PoolUser,
    RefreshToken, UserPoolApi,
};
use tower_impersonate::directory::{Directory, LookupError, MemoryDirectory};
use tower_impersonate::grant::{
    self, GrantStore, Grants, MemoryStore, Others, StartLimit, StoreError,
};
use tower_impersonate::identity::{IdentityKey, Names};
use tower_impersonate::terms::{Ask, EndReason, Strategy, TargetRef};
use tower_impersonate::testing::{TestGrant, TestIssuer, assert_lease_store};
use tower_impersonate::time::Clock;
use tower_impersonate::token::{Claims, Verified};
use tower_impersonate::{Identity, Impersonation, ImpersonationLayer, Issuer, policy, resolve};

const REGION: &str = "eu-west-1";
const POOL: &str = "eu-west-1_Ab12Cd34E";
const ISSUER: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E";

/// Carol and Dora of the support team, Carol in `org-shared` besides, before a pool that has Alice's and
/// Bob's organisations.
struct Office {
    desk: Desk,
    issuer: TestIssuer,
    pool: FaultyPool,
    store: MemoryLeases,
}

impl Office {
    async fn new() -> Self {
        let desk = Desk::new();
        let issuer = TestIssuer::start_cognito(REGION, POOL).await;
        let issuer = issuer.with_clock(desk.clock.clone());
        let user = |name: &str| {
            PoolUser::new(name, AccountStatus::Confirmed)
                .with_attribute("sub", format!("{name}-sub"))
        };
        let pool = FaultyPool::new()
            .user(user("carol"), &["support", "org-shared"])
            .user(user("dora"), &["support"])
            .user(user("alice"), &["org-acme", "org-shared", "admins"])
            .user(user("bob"), &["org-acme", "org-globex"]);
        let person = |name: &str, groups: &[&str]| {
            Identity::new(ISSUER, format!("{name}-sub"))
                .with_groups(groups.to_vec())
                .enabled_account()
        };
        for person in [
            person("carol", &["support"]),
            person("dora", &["support"]),
            person("alice", &["org-acme", "org-shared", "admins"]),
            person("bob", &["org-acme", "org-globex"]),
        ] {
            desk.users.insert(person);
        }
        Self {
            desk,
            issuer,
            pool,
            store: lease::memory(),
        }
    }

    fn configured(&self) -> LeasesBuilder {
        let pool = Pool::asked_by(REGION, POOL, self.pool.clone());
        lease::leases(pool, self.store.clone())
            .groups(["org-acme", "org-globex", "org-shared"])
            .audit(self.desk.sink.clone())
            .clock(self.desk.clock.clone())
    }

    fn leases(&self) -> Leases {
        self.configured().build().unwrap()
    }

    fn builder(&self, issuer: Issuer) -> tower_impersonate::middleware::Builder {
        { self.desk.bare().issuer(issuer) }
            .resolve(resolve::header("impersonate-user"))
            .resolve(resolve::role(["org-acme"]))
            .policy(policy::in_group("support").or(policy::machines(["bot"])))
    }

    fn layer(&self) -> ImpersonationLayer {
        self.builder(self.issuer.issuer()).build().unwrap()
    }

    fn token(&self, name: &str, groups: &[&str]) -> String {
        let token = self.issuer.token(&format!("{name}-sub")).username(name);
        let token = token.expires_in(Duration::from_secs(4 * 3600));
        token.groups(groups.iter().copied()).sign()
    }

    async fn acting(&self, actor: &str, target: &str) -> Impersonation {
        let target = format!("{target}-sub");
        let headers = [("impersonate-user", target.as_str())];
        let acting = impersonation(&self.layer(), &self.token(actor, &["support"]), &headers).await;
        self.desk.sink.clear();
        acting
    }

    fn granting(&self, grants: &Grants) -> tower_impersonate::middleware::Builder {
        { self.builder(self.issuer.issuer().trust_act().trust_grant_id()) }
            .resolve(resolve::act())
            .grants(grants)
    }

    /// Carol as Alice, under a grant of its own.
    async fn under_a_grant(
        &self,
        store: &MemoryStore,
        layer: &ImpersonationLayer,
        mode: &str,
    ) -> Impersonation {
        let agreed = TestGrant::new("", "")
            .actor(Identity::new(ISSUER, "carol-sub").with_groups(["support"]))
            .target(Identity::new(ISSUER, "alice-sub"))
            .ask(Ask::user(
                TargetRef::subject(ISSUER, "alice-sub"),
                Strategy::Header,
            ))
            .at(self.desk.clock.now())
            .build();
        let limit = StartLimit {
            per_actor: 1,
            others: Others::Replaced,
            keep_ended: 100,
            now: agreed.started_at(),
        };
        store.start(agreed.clone(), limit).await.unwrap();
        let minted = self.issuer.token("alice-sub").username("alice");
        let minted = minted.claim("act", json!({ "sub": "carol-sub" }));
        let minted = minted.claim("grant_id", agreed.id().to_string());
        let minted = minted.claim("mode", mode);
        let minted = match mode {
            "scoped" => minted.claim("scope", "orders:read"),
            _ => minted,
        };
        let acting = impersonation(layer, &minted.sign(), &[]).await;
        assert_eq!(acting.grant_id(), Some(agreed.id()));
        acting
    }

    fn named(&self, name: EventName) -> Vec<Value> {
        self.desk.sink.named(name)
    }
}

fn kinds<T>(result: Result<T, lease::LeaseError>) -> Option<LeaseErrorKind> {
    result.err().map(|error| error.kind())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_memory_store_keeps_the_contract() {
    assert_lease_store(|| {
        let store = lease::memory();
        [Arc::new(store.clone()), Arc::new(store)]
    })
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_sqlite_store_keeps_the_contract() {
    let folder = sinks::Folder::new();
    let number = std::sync::atomic::AtomicUsize::new(0);
    assert_lease_store(|| {
        let number = number.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = folder.path().join(format!("{number}.sqlite"));
        [(); 2].map(|()| Arc::new(lease::sqlite(&path)))
    })
    .await;
}

#[cfg(feature = "sqlite")]
#[tokio::test]
async fn leases_and_grants_share_a_file_and_a_damaged_one_lends_nothing() {
    let folder = sinks::Folder::new();
    let path = folder.path().join("all.sqlite");
    tower_impersonate::grant::GrantStore::check(&tower_impersonate::grant::sqlite(&path)).unwrap();
    let store = lease::sqlite(&path);
    store.check().unwrap();
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::MetadataExt::mode(&std::fs::metadata(&path).unwrap());
        assert_eq!(mode & 0o777, 0o600);
    }
    drop(store);
    for (path, cause) in [
        (folder.path().join("missing/leases.sqlite"), "No such file"),
        (folder.path().to_owned(), "directory"),
    ] {
        let error = lease::sqlite(path).check().unwrap_err();
        let told = error.source().unwrap().to_string();
        assert!(told.contains(cause), "{told}");
    }
    let damaged = folder.path().join("damaged.sqlite");
    std::fs::write(&damaged, "no database").unwrap();
    assert!(lease::sqlite(&damaged).check().is_err());
    let office = Office::new().await;
    let store = lease::sqlite(folder.path().join("leases.sqlite"));
    store.check().unwrap();
    let pool = Pool::asked_by(REGION, POOL, office.pool.clone());
    let leases = lease::leases(pool, store)
        .groups(["org-acme"])
        .audit(office.desk.sink.clone())
        .clock(office.desk.clock.clone());
    let leases = leases.build().unwrap();
    let acting = office.acting("carol", "alice").await;
    std::fs::remove_file(folder.path().join("leases.sqlite")).unwrap();
    assert_eq!(
        kinds(leases.take(&acting, ["org-acme"]).await),
        Some(LeaseErrorKind::Store)
    );
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
}

/// A store that forgets what was there before, and one that lends what is being taken back: the suite says so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_names_what_a_store_breaks() {
    for (fault, row) in [
        (Broken::NotesAgain, "what_was_there_before_is_not_lent"),
        (Broken::SettlesAll, "only_what_is_owed_is_settled"),
        (
            Broken::HoldsTooLong,
            "holding_moves_forward_only_and_stops_at_the_latest_moment",
        ),
        (Broken::LapsesEarly, "what_lapsed_is_told_until_it_ends"),
        (Broken::OwesNothing, "the_last_lease_owes"),
        (Broken::EndsAll, "nothing_is_said_of_another_pools_leases"),
    ] {
        let suite = tokio::spawn(assert_lease_store(move || {
            let store = lease::memory();
            [(); 2].map(|()| Arc::new(BrokenLeases(store.clone(), fault)))
        }));
        let panic = suite.await.unwrap_err().into_panic();
        let told = panic.downcast_ref::<String>().unwrap();
        assert!(told.contains(row), "{row}: {told}");
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Broken {
    NotesAgain,
    SettlesAll,
    HoldsTooLong,
    LapsesEarly,
    OwesNothing,
    EndsAll,
}

struct BrokenLeases(MemoryLeases, Broken);

impl LeaseStore for BrokenLeases {
    fn begin(
        &self,
        lease: lease::Lease,
        per_actor: usize,
    ) -> Answer<Result<lease::Begun, StoreError>> {
        self.0.begin(lease, per_actor)
    }

    fn note(
        &self,
        id: &tower_impersonate::terms::GrantId,
        had: &Names,
    ) -> Answer<Result<Option<Names>, StoreError>> {
        match self.1 {
            Broken::NotesAgain => self.0.note(id, &Names::default()),
            _ => self.0.note(id, had),
        }
    }

    fn hold(
        &self,
        id: &tower_impersonate::terms::GrantId,
        deadline: tower_impersonate::time::Timestamp,
        now: tower_impersonate::time::Timestamp,
    ) -> Answer<Result<Option<lease::Lease>, StoreError>> {
        let held = self.0.hold(id, deadline, now);
        let too_long = self.1 == Broken::HoldsTooLong;
        held.map(move |held| {
            Ok(held?.map(|held| {
                let mut state = held.agreed().state().clone();
                if too_long {
                    state.deadline = deadline;
                }
                let start = held.agreed().start().clone();
                lease::Lease::new(
                    tower_impersonate::grant::Grant::new(start, state),
                    held.stage(),
                )
            }))
        })
    }

    fn end(
        &self,
        issuer: &str,
        id: &tower_impersonate::terms::GrantId,
        end: tower_impersonate::grant::End,
    ) -> Answer<Result<Option<lease::Lease>, StoreError>> {
        match self.1 {
            Broken::EndsAll => {
                let (store, id) = (self.0.clone(), *id);
                Answer::later(async move {
                    let found = store.find(&id).await?;
                    let issuer = found.map(|lease| lease.member().issuer().to_owned());
                    store.end(&issuer.unwrap_or_default(), &id, end).await
                })
            }
            _ => self.0.end(issuer, id, end),
        }
    }

    fn find(
        &self,
        id: &tower_impersonate::terms::GrantId,
    ) -> Answer<Result<Option<lease::Lease>, StoreError>> {
        self.0.find(id)
    }

    fn counting(
        &self,
        issuer: &str,
        behind: Option<&tower_impersonate::terms::GrantId>,
    ) -> Answer<Result<Vec<lease::Lease>, StoreError>> {
        self.0.counting(issuer, behind)
    }

    fn last(
        &self,
        membership: &lease::Membership,
    ) -> Answer<Result<Option<lease::Lease>, StoreError>> {
        self.0.last(membership)
    }

    fn lapsed(
        &self,
        issuer: &str,
        now: tower_impersonate::time::Timestamp,
    ) -> Answer<Result<Vec<lease::Lease>, StoreError>> {
        let early = Duration::from_secs(u64::from(self.1 == Broken::LapsesEarly));
        self.0.lapsed(issuer, now.saturating_add(early))
    }

    fn owed(&self, issuer: &str) -> Answer<Result<Vec<lease::Membership>, StoreError>> {
        match self.1 {
            Broken::OwesNothing => Answer::now(Ok(Vec::new())),
            _ => self.0.owed(issuer),
        }
    }

    fn settle(
        &self,
        membership: &lease::Membership,
        at: tower_impersonate::time::Timestamp,
    ) -> Answer<Result<(), StoreError>> {
        match self.1 {
            // As if nobody had been there.
            Broken::SettlesAll => Answer::now(Ok(())),
            _ => self.0.settle(membership, at),
        }
    }

    fn loans(
        &self,
        member: &IdentityKey,
        now: tower_impersonate::time::Timestamp,
    ) -> Answer<Result<Vec<lease::Loan>, StoreError>> {
        self.0.loans(member, now)
    }

    fn forget(
        &self,
        issuer: &str,
        before: tower_impersonate::time::Timestamp,
    ) -> Answer<Result<(), StoreError>> {
        self.0.forget(issuer, before)
    }
}

#[tokio::test]
async fn what_is_lent_is_recorded_before_and_taken_back_afterwards() {
    let office = Office::new().await;
    let leases = office.leases();
    let acting = office.acting("carol", "alice").await;
    let lease = leases
        .take(&acting, ["org-acme", "org-shared", "org-acme"])
        .await
        .unwrap();
    assert_eq!(lease.stage(), Stage::Held);
    assert_eq!(lease.member(), &IdentityKey::new(ISSUER, "carol-sub"));
    assert_eq!(
        office.pool.groups("carol"),
        ["org-acme", "org-shared", "support"]
    );
    let added: Vec<_> = { office.pool.calls().into_iter() }
        .filter(|call| call.starts_with("add"))
        .collect();
    assert_eq!(
        added,
        ["add carol org-acme"],
        "what was there before is not added"
    );
    let [started] = office.named(EventName::Started).try_into().unwrap();
    for (field, value) in [
        ("impersonation.actor.sub", json!("carol-sub")),
        ("impersonation.target.sub", json!("alice-sub")),
        ("impersonation.groups", json!(["org-acme", "org-shared"])),
        ("impersonation.grant.id", json!(lease.id().to_string())),
        ("impersonation.strategy", json!("header")),
        ("url.path", json!("/lend")),
    ] {
        assert_eq!(started[field], value, "{field}");
    }

    office.desk.clock.advance(Duration::from_secs(600));
    let renewed = leases.renew(lease.id()).await.unwrap();
    assert_eq!(
        renewed.deadline(),
        office
            .desk
            .clock
            .now()
            .saturating_add(Duration::from_secs(900))
    );
    assert_eq!(office.named(EventName::Extended).len(), 1);

    leases.release(lease.id()).await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
    let [ended] = office.named(EventName::Ended).try_into().unwrap();
    assert_eq!(ended["impersonation.end.reason"], "stopped");
    assert_eq!(
        ended["impersonation.grant.id"],
        started["impersonation.grant.id"]
    );
    // Once is enough.
    leases.release(lease.id()).await.unwrap();
    assert_eq!(office.named(EventName::Ended).len(), 1);
    assert_eq!(
        kinds(leases.renew(lease.id()).await),
        Some(LeaseErrorKind::Over)
    );
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);

    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    let boss = IdentityKey::new(ISSUER, "boss-sub");
    leases.revoke(lease.id(), &boss).await.unwrap();
    let [revoked] = office.named(EventName::Revoked).try_into().unwrap();
    assert_eq!(revoked["impersonation.end.by.sub"], "boss-sub");
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
}

#[tokio::test]
async fn what_may_not_be_lent_touches_nothing() {
    let office = Office::new().await;
    let leases = office.leases();
    let alice = office.acting("carol", "alice").await;
    for groups in [
        &["admins"][..],         // not on the list
        &["org-globex"],         // not the target's
        &["org-acme", "admins"], // one of them
        &["support"],
        &["Org-Acme"],
        &["org-acme "],
        &[""],
        &[],
    ] {
        let refused = kinds(leases.take(&alice, groups.to_vec()).await);
        assert_eq!(refused, Some(LeaseErrorKind::NotOffered), "{groups:?}");
    }
    let layer = office.layer();
    let carol = office.token("carol", &["support"]);
    let role = impersonation(&layer, &carol, &[("impersonate-group", "org-acme")]).await;
    assert_eq!(
        kinds(leases.take(&role, ["org-acme"]).await),
        Some(LeaseErrorKind::OutOfReach)
    );

    let bot = office
        .issuer
        .token("bot")
        .client_id("bot")
        .without("username")
        .sign();
    let machines = office.builder(office.issuer.issuer().client_ids(["bot"]));
    let machines = machines
        .resolve(resolve::header("run-as").machines())
        .build()
        .unwrap();
    let bot = impersonation(&machines, &bot, &[("run-as", "alice-sub")]).await;
    assert_eq!(
        kinds(leases.take(&bot, ["org-acme"]).await),
        Some(LeaseErrorKind::OutOfReach)
    );

    // Staff of another pool are nobody here, whatever their groups are called.
    let staff =
        TestIssuer::offline("https://staff.example.com").with_clock(office.desk.clock.clone());
    let both = office.builder(office.issuer.issuer());
    let both = both
        .issuer(staff.issuer().groups_claim("groups").staff())
        .build()
        .unwrap();
    let sam = staff.token("sam-sub").groups(["support"]).sign();
    let headers = [
        ("impersonate-user", "alice-sub"),
        ("impersonate-issuer", ISSUER),
    ];
    let sam = impersonation(&both, &sam, &headers).await;
    assert_eq!(
        kinds(leases.take(&sam, ["org-acme"]).await),
        Some(LeaseErrorKind::OutOfReach)
    );

    let reading = office.builder(office.issuer.issuer());
    let reading = reading
        .replacing()
        .policy(policy::in_group("support").and(policy::read_only()))
        .build()
        .unwrap();
    let reader = impersonation(&reading, &carol, &[("impersonate-user", "alice-sub")]).await;
    assert_eq!(
        kinds(leases.take(&reader, ["org-acme"]).await),
        Some(LeaseErrorKind::ReadOnly)
    );
    assert_eq!(office.pool.calls(), Vec::<String>::new());
    assert_eq!(office.named(EventName::Started).len(), 0);

    // Whoever is gone or disabled in the pool gets nothing, whatever the token says.
    office.pool.remove_user("carol");
    assert_eq!(
        kinds(leases.take(&alice, ["org-acme"]).await),
        Some(LeaseErrorKind::OutOfReach)
    );
    assert!(
        office
            .pool
            .calls()
            .iter()
            .all(|call| !call.starts_with("add"))
    );
    // The control.
    let dora = office.acting("dora", "alice").await;
    assert_eq!(kinds(leases.take(&dora, ["org-acme"]).await), None);
}

/// Two administrators, two targets, groups that overlap.
#[tokio::test]
async fn incident_a17_leases_on_one_group_are_counted_and_people_are_independent() {
    let office = Office::new().await;
    let leases = office.leases();
    let carol_alice = office.acting("carol", "alice").await;
    let carol_bob = office.acting("carol", "bob").await;
    let dora_alice = office.acting("dora", "alice").await;
    let one = leases
        .take(&carol_alice, ["org-acme", "org-shared"])
        .await
        .unwrap();
    let two = leases
        .take(&carol_bob, ["org-acme", "org-globex"])
        .await
        .unwrap();
    let three = leases
        .take(&dora_alice, ["org-acme", "org-shared"])
        .await
        .unwrap();
    leases.release(one.id()).await.unwrap();
    assert_eq!(
        office.pool.groups("carol"),
        ["org-acme", "org-globex", "org-shared", "support"]
    );
    leases.release(two.id()).await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
    assert_eq!(
        office.pool.groups("dora"),
        ["org-acme", "org-shared", "support"]
    );
    leases.release(three.id()).await.unwrap();
    assert_eq!(office.pool.groups("dora"), ["support"]);
    assert_eq!(
        office.pool.groups("alice"),
        ["admins", "org-acme", "org-shared"]
    );

    // Many at once, and all of them released at once.
    let mut taken = Vec::new();
    for _ in 0..8 {
        let (leases, acting) = (leases.clone(), carol_alice.clone());
        taken.push(tokio::spawn(async move {
            leases.take(&acting, ["org-acme"]).await
        }));
    }
    let mut released = Vec::new();
    for lease in taken {
        let lease = lease.await.unwrap().unwrap();
        let leases = leases.clone();
        released.push(tokio::spawn(
            async move { leases.release(lease.id()).await },
        ));
    }
    for done in released {
        done.await.unwrap().unwrap();
    }
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
}

#[tokio::test]
async fn a_lease_ends_by_itself_and_never_beyond_its_limit() {
    let office = Office::new().await;
    let leases = office
        .configured()
        .longest(Duration::from_secs(1800))
        .build()
        .unwrap();
    let acting = office.acting("carol", "alice").await;
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    let latest = office
        .desk
        .clock
        .now()
        .saturating_add(Duration::from_secs(1800));
    for _ in 0..3 {
        office.desk.clock.advance(Duration::from_secs(599));
        leases.sweep().await.unwrap();
        assert!(leases.renew(lease.id()).await.unwrap().deadline() <= latest);
        assert_eq!(office.pool.groups("carol").len(), 3);
    }
    office.desk.clock.advance(Duration::from_secs(3));
    assert_eq!(
        kinds(leases.renew(lease.id()).await),
        Some(LeaseErrorKind::Over)
    );
    leases.sweep().await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
    let [expired] = office.named(EventName::Expired).try_into().unwrap();
    assert_eq!(expired["impersonation.end.reason"], "expired");
}

/// What was lent under a grant is not lent any more when the grant is over, whatever ended it.
#[tokio::test]
async fn a_lease_ends_with_its_grant() {
    let office = Office::new().await;
    let store = grant::memory();
    let grants = Grants::new(store.clone());
    let leases = office.configured().grants(&grants).build().unwrap();
    let layer = office.granting(&grants).build().unwrap();
    for reason in [
        EndReason::Stopped,
        EndReason::Revoked,
        EndReason::ActorDisabled,
    ] {
        let acting = office.under_a_grant(&store, &layer, "full").await;
        let grant = *acting.grant_id().unwrap();
        let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
        assert_eq!((lease.grant(), *lease.id() == grant), (Some(&grant), false));
        assert_eq!(office.pool.groups("carol").len(), 3);
        grants.end(&grant, reason, None).await.unwrap();
        let gone = || async { office.pool.groups("carol").len() == 2 };
        cognito_pools::until("the lease ends", gone).await;
        let over = kinds(leases.renew(lease.id()).await);
        assert_eq!(over, Some(LeaseErrorKind::Over), "{reason}");
    }
}

/// A group is taken off the tokens that were minted while it was lent, and off no others.
#[tokio::test]
async fn incident_a14_a_token_minted_meanwhile_loses_what_is_not_lent_any_more() {
    let office = Office::new().await;
    let leases = office.leases();
    let layer = { office.builder(office.issuer.issuer()) }
        .recheck_groups(leases.recheck())
        .replacing()
        .policy(policy::in_group("org-acme"))
        .build()
        .unwrap();
    let seen = async |token: &str| {
        let seen = office.desk.send(&layer, get(token, &[])).await;
        assert_eq!(seen.status.as_u16(), 200);
        seen.body["groups"].clone()
    };
    // By the policy, too: who acts by a group that was lent cannot any more.
    let acts = async |token: &str| -> Seen {
        let headers = [("impersonate-user", "bob-sub")];
        office.desk.send(&layer, get(token, &headers)).await
    };
    let acting = office.acting("carol", "alice").await;
    let lease = leases
        .take(&acting, ["org-acme", "org-shared"])
        .await
        .unwrap();
    let all = json!(["support", "org-acme", "org-shared"]);
    let left = json!(["support", "org-shared"]);
    let meanwhile = office.token("carol", &["support", "org-acme", "org-shared"]);
    assert_eq!(seen(&meanwhile).await, all);
    assert_eq!(acts(&meanwhile).await.status.as_u16(), 200);

    // At its deadline, before anybody swept; then released; then settled long ago.
    office.desk.clock.advance(Duration::from_secs(901));
    assert_eq!(seen(&meanwhile).await, left);
    acts(&meanwhile).await.assert_refused(403);
    leases.release(lease.id()).await.unwrap();
    assert_eq!(seen(&meanwhile).await, left);
    office.desk.clock.advance(Duration::from_secs(1800));
    leases.sweep().await.unwrap();
    assert_eq!(seen(&meanwhile).await, left);
    acts(&meanwhile).await.assert_refused(403);

    // Minted afterwards, it comes from somebody else. Another person's was never lent.
    let fresh = office.token("carol", &["support", "org-acme", "org-shared"]);
    assert_eq!(seen(&fresh).await, all);
    assert_eq!(
        seen(&office.token("dora", &["support", "org-acme"])).await,
        json!(["support", "org-acme"])
    );
    // Lent again, the old token names what is so.
    leases.take(&acting, ["org-acme"]).await.unwrap();
    assert_eq!(seen(&meanwhile).await, all);
}

#[tokio::test]
async fn who_cannot_say_which_groups_lapsed_lets_nobody_through() {
    let desk = Desk::new();
    let layer = |recheck: fn() -> Answer<Result<Names, LookupError>>| {
        let builder = desk.builder().deadline(Duration::from_millis(50));
        builder
            .recheck_groups(move |_: &Verified<Claims>| recheck())
            .build()
            .unwrap()
    };
    let fails = || Answer::now(Err(LookupError::unavailable("the store is gone")));
    let hangs = || Answer::later(std::future::pending());
    for broken in [
        layer(fails),
        layer(hangs),
        layer(|| panic!("a recheck that panics")),
    ] {
        let seen = desk.as_carol(&broken, &[]).await;
        seen.assert_refused(503);
        // A token without a group has none to lose.
        let plain = desk.token("alice", &[]).sign();
        desk.send(&broken, get(&plain, &[]))
            .await
            .assert_ran_as("alice", None);
    }
    let waits = layer(|| {
        Answer::later(async {
            tokio::task::yield_now().await;
            Ok(["support"].into())
        })
    });
    let seen = desk.as_carol(&waits, &[]).await;
    seen.assert_ran_as("carol", None);
    assert_eq!(seen.body["groups"], json!([]));
    desk.as_carol(&waits, &[("impersonate-user", "alice")])
        .await
        .assert_refused(403);
    let none = layer(|| Answer::now(Ok(Names::default())));
    desk.as_carol(&none, &[("impersonate-user", "alice")])
        .await
        .assert_ran_as("alice", Some("carol"));
}

#[tokio::test]
async fn without_a_record_nothing_is_lent_and_an_end_needs_none() {
    let office = Office::new().await;
    let sink = Moody::new(Mood::Fails);
    let leases = office
        .configured()
        .audit(sink.clone())
        .patience(Duration::from_secs(1));
    let leases = leases.build().unwrap();
    let acting = office.acting("carol", "alice").await;
    for mood in [Mood::Fails, Mood::FailsLater, Mood::Hangs] {
        sink.turns(mood);
        assert_eq!(
            kinds(leases.take(&acting, ["org-acme"]).await),
            Some(LeaseErrorKind::Audit)
        );
        assert!(
            office
                .pool
                .calls()
                .iter()
                .all(|call| !call.starts_with("add")),
            "{mood:?}"
        );
    }
    for mood in [Mood::Fails, Mood::FailsLater, Mood::Hangs] {
        sink.turns(Mood::Slow);
        let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
        sink.turns(mood);
        leases.renew(lease.id()).await.unwrap();
        leases.release(lease.id()).await.unwrap();
        assert_eq!(
            office.pool.groups("carol"),
            ["org-shared", "support"],
            "{mood:?}"
        );
    }
}

/// Whatever the pool does, the group is gone in the end.
#[tokio::test(start_paused = true)]
async fn a_pool_that_fails_is_left_as_it_was() {
    use ApiErrorKind::{NoResource, NoUser, Throttled, Unavailable};
    let before = ["org-shared", "support"];
    for operation in ["list", "get", "groups", "add"] {
        for fault in [
            Fault::Fails(Unavailable),
            Fault::Fails(NoResource),
            Fault::Fails(NoUser),
            Fault::DoneAndFails,
            Fault::Hangs,
        ] {
            let office = Office::new().await;
            let leases = office.leases();
            let acting = office.acting("carol", "alice").await;
            office.pool.faults(operation, &[fault]);
            let refused = kinds(leases.take(&acting, ["org-acme"]).await);
            assert_eq!(refused, Some(LeaseErrorKind::Pool), "{operation} {fault:?}");
            assert_eq!(office.pool.groups("carol"), before, "{operation} {fault:?}");
        }
    }
    for fault in [
        Fault::Fails(Unavailable),
        Fault::DoneAndFails,
        Fault::Hangs,
        Fault::Fails(NoResource),
    ] {
        let office = Office::new().await;
        let leases = office.leases();
        let acting = office.acting("carol", "alice").await;
        let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
        office.pool.faults("remove", &[fault]);
        let told = kinds(leases.release(lease.id()).await);
        // What was done is seen to be done, where the pool can be asked once more.
        let expected = (fault != Fault::DoneAndFails).then_some(LeaseErrorKind::Pool);
        assert_eq!(told, expected, "{fault:?}");
        // It is over: nothing is lent anew before it was taken back, and no end is told twice.
        assert_eq!(
            kinds(leases.renew(lease.id()).await),
            Some(LeaseErrorKind::Over)
        );
        leases.sweep().await.unwrap();
        assert_eq!(office.pool.groups("carol"), before, "{fault:?}");
        assert_eq!(office.named(EventName::Ended).len(), 1);
        leases.take(&acting, ["org-acme"]).await.unwrap();
    }
    let office = Office::new().await;
    let leases = office.leases();
    let acting = office.acting("carol", "alice").await;
    office.pool.faults("add", &[Fault::Fails(Throttled); 3]);
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    office
        .pool
        .faults("remove", &[Fault::Fails(Throttled); 100]);
    assert_eq!(
        kinds(leases.release(lease.id()).await),
        Some(LeaseErrorKind::Pool)
    );
    let busy = kinds(leases.take(&acting, ["org-acme"]).await);
    assert_eq!(busy, Some(LeaseErrorKind::Busy), "while it is owed");
    office.pool.well_again();
    leases.sweep().await.unwrap();
    assert_eq!(office.pool.groups("carol"), before);
    // Who was deleted owes nothing.
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    office.pool.remove_user("carol");
    leases.release(lease.id()).await.unwrap();
    leases.sweep().await.unwrap();
}

/// Who leaves while the groups are added leaves a lease that is held or taken back, and none half done.
#[tokio::test]
async fn nobody_has_to_wait_for_a_lease() {
    let office = Office::new().await;
    let leases = office.leases();
    let acting = office.acting("carol", "bob").await;
    for polls in 1..12 {
        let mut taking = Box::pin(leases.take(&acting, ["org-acme", "org-globex"]));
        for _ in 0..polls {
            let polled = std::future::poll_fn(|cx| {
                std::task::Poll::Ready(taking.as_mut().poll(cx).is_ready())
            });
            if polled.await {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(taking);
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        office.desk.clock.advance(Duration::from_secs(901));
        leases.sweep().await.unwrap();
        assert_eq!(
            office.pool.groups("carol"),
            ["org-shared", "support"],
            "{polls}"
        );
    }
}

#[tokio::test]
async fn the_background_takes_back_too() {
    tokio::time::pause();
    let office = Office::new().await;
    let leases = office.leases();
    leases.start().await.unwrap();
    leases.start().await.unwrap();
    let acting = office.acting("carol", "alice").await;
    leases.take(&acting, ["org-acme"]).await.unwrap();
    office.desk.clock.advance(Duration::from_secs(901));
    tokio::time::sleep(Duration::from_secs(31)).await;
    cognito_pools::until("the sweep", || async {
        office.pool.groups("carol").len() == 2
    })
    .await;
}

/// What a pool finds is its own: another one's people it cannot take out of anything.
#[tokio::test]
async fn pools_that_share_a_store_leave_each_others_leases_alone() {
    let office = Office::new().await;
    let leases = office.leases();
    let elsewhere = FaultyPool::new();
    let pool = Pool::asked_by(REGION, "eu-west-1_Zz99Zz99Z", elsewhere.clone());
    let others = lease::leases(pool, office.store.clone())
        .groups(["org-acme"])
        .audit(office.desk.sink.clone())
        .clock(office.desk.clock.clone())
        .build()
        .unwrap();
    let acting = office.acting("carol", "alice").await;
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    let boss = IdentityKey::new(ISSUER, "boss-sub");
    for refused in [
        kinds(others.release(lease.id()).await),
        kinds(others.revoke(lease.id(), &boss).await),
        kinds(others.renew(lease.id()).await),
    ] {
        assert_eq!(refused, Some(LeaseErrorKind::OutOfReach));
    }
    leases.renew(lease.id()).await.unwrap();
    // Past its deadline, and owed.
    office.desk.clock.advance(Duration::from_secs(901));
    others.sweep().await.unwrap();
    assert_eq!(office.named(EventName::Expired).len(), 0);
    let fails = [Fault::Fails(ApiErrorKind::Unavailable)];
    office.pool.faults("remove", &fails);
    // It says so, and takes it back when it comes to what is owed.
    assert_eq!(kinds(leases.sweep().await), Some(LeaseErrorKind::Pool));
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    office.pool.faults("remove", &fails);
    let owed = kinds(leases.release(lease.id()).await);
    assert_eq!(owed, Some(LeaseErrorKind::Pool));
    others.sweep().await.unwrap();
    assert_eq!(elsewhere.calls(), Vec::<String>::new());
    assert_eq!(office.pool.groups("carol").len(), 3);
    leases.sweep().await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
}

/// The process that took it is dead when the grant ends: the next one asks.
#[tokio::test]
async fn a_lease_ends_with_a_grant_that_ended_when_nobody_watched() {
    let office = Office::new().await;
    let store = grant::memory();
    let grants = Grants::new(store.clone());
    let layer = office.granting(&grants).build().unwrap();
    let leases = || office.configured().grants(&grants).build().unwrap();
    for sweeps in [true, false] {
        let dead = leases();
        let acting = office.under_a_grant(&store, &layer, "full").await;
        let grant = *acting.grant_id().unwrap();
        let lease = dead.take(&acting, ["org-acme"]).await.unwrap();
        drop(dead);
        let next = leases();
        next.sweep().await.unwrap();
        next.renew(lease.id()).await.unwrap();
        assert_eq!(office.pool.groups("carol").len(), 3, "the control");
        let ended = grants.end(&grant, EndReason::Revoked, None).await.unwrap();
        assert!(ended.unwrap().now);
        if sweeps {
            next.sweep().await.unwrap();
        } else {
            let over = kinds(next.renew(lease.id()).await);
            assert_eq!(over, Some(LeaseErrorKind::Over));
        }
        assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
    }
    let acting = office.under_a_grant(&store, &layer, "full").await;
    let refused = kinds(office.leases().take(&acting, ["org-acme"]).await);
    assert_eq!(refused, Some(LeaseErrorKind::NoGrants));
}

#[tokio::test]
async fn a_lease_that_nobody_waited_for_ends_with_its_grant() {
    let office = Office::new().await;
    let store = grant::memory();
    let grants = Grants::new(store.clone());
    let layer = office.granting(&grants).build().unwrap();
    let leases = office.configured().grants(&grants).build().unwrap();
    let acting = office.under_a_grant(&store, &layer, "full").await;
    let waiting = tokio::spawn({
        let (leases, acting) = (leases.clone(), acting.clone());
        async move { leases.take(&acting, ["org-acme"]).await }
    });
    let added = || async {
        let calls = office.pool.calls();
        calls.iter().any(|call| call == "add carol org-acme")
    };
    while !added().await {
        tokio::task::yield_now().await;
    }
    waiting.abort();
    drop(waiting.await);
    let grant = *acting.grant_id().unwrap();
    grants.end(&grant, EndReason::Stopped, None).await.unwrap();
    let gone = || async { office.pool.groups("carol").len() == 2 };
    cognito_pools::until("the lease ends", gone).await;
}

/// People in memory, and how often somebody asked.
#[derive(Clone)]
struct Counted(MemoryDirectory, Arc<AtomicUsize>);

impl Directory for Counted {
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.find(target)
    }
}

#[tokio::test]
async fn what_waits_for_a_grant_stops_with_the_lease() {
    let office = Office::new().await;
    let store = grant::memory();
    let grants = Grants::new(store.clone());
    let counted = Counted(office.desk.users.clone(), Arc::default());
    let layer = office.granting(&grants).directory(counted.clone());
    let layer = layer.build().unwrap();
    let leases = office.configured().grants(&grants).build().unwrap();
    let acting = office.under_a_grant(&store, &layer, "full").await;
    tokio::time::pause();
    let looks = || counted.1.load(Ordering::SeqCst);
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    let before = looks();
    tokio::time::sleep(Duration::from_secs(10)).await;
    assert!(looks() > before, "the control");
    // Another process ended it, and a sweep sees it.
    let end = grant::End {
        reason: EndReason::Stopped,
        at: office.desk.clock.now(),
        by: None,
    };
    let one = leases.take(&acting, ["org-acme"]).await.unwrap();
    office.store.end(ISSUER, one.id(), end).await.unwrap();
    leases.sweep().await.unwrap();
    leases.release(lease.id()).await.unwrap();
    let after = looks();
    tokio::time::sleep(Duration::from_secs(25)).await;
    assert_eq!(looks(), after);
}

#[tokio::test]
async fn a_mode_that_is_not_full_lends_nothing() {
    let office = Office::new().await;
    let store = grant::memory();
    let grants = Grants::new(store.clone());
    let layer = office.granting(&grants).build().unwrap();
    let leases = office.configured().grants(&grants).build().unwrap();
    for (mode, refused) in [
        ("scoped", Some(LeaseErrorKind::Scoped)),
        ("read_only", Some(LeaseErrorKind::ReadOnly)),
        ("full", None),
    ] {
        let acting = office.under_a_grant(&store, &layer, mode).await;
        let told = kinds(leases.take(&acting, ["org-acme"]).await);
        assert_eq!(told, refused, "{mode}");
    }
}

#[tokio::test]
async fn an_actor_has_so_many_leases_and_no_more() {
    let office = Office::new().await;
    let leases = office.configured().per_actor(2).build().unwrap();
    let acting = office.acting("carol", "alice").await;
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    leases.take(&acting, ["org-shared"]).await.unwrap();
    let refused = kinds(leases.take(&acting, ["org-acme"]).await);
    assert_eq!(refused, Some(LeaseErrorKind::TooMany));
    let dora = office.acting("dora", "alice").await;
    leases.take(&dora, ["org-acme"]).await.unwrap();
    leases.release(lease.id()).await.unwrap();
    leases.take(&acting, ["org-acme"]).await.unwrap();
}

/// What was lent to the target goes to nobody else with it.
#[tokio::test]
async fn a_group_that_is_lent_is_not_lent_on() {
    let office = Office::new().await;
    let leases = office.leases();
    let alice = office.acting("dora", "alice").await;
    let lease = leases.take(&alice, ["org-acme"]).await.unwrap();
    let dora = Identity::new(ISSUER, "dora-sub").with_groups(["org-acme", "org-globex"]);
    office.desk.users.insert(dora.enabled_account());
    let dora = office.acting("carol", "dora").await;
    let lent_on = async || kinds(leases.take(&dora, ["org-acme"]).await);
    assert_eq!(lent_on().await, Some(LeaseErrorKind::NotOffered));
    let own = leases.take(&dora, ["org-globex"]).await;
    assert_eq!(kinds(own), None, "the control");
    leases.release(lease.id()).await.unwrap();
    assert_eq!(lent_on().await, Some(LeaseErrorKind::NotOffered));
    office.desk.clock.advance(Duration::from_secs(61));
    assert_eq!(lent_on().await, None);
}

#[derive(Clone, Copy, PartialEq)]
enum Oddity {
    ListsNobody,
    PanicsAtRemoval,
    IsSomebodyElseAtTheAddition,
}

/// A fake that goes wrong where no pool in memory does, once it is told to.
struct OddPool(FaultyPool, Oddity, Arc<AtomicBool>);

impl OddPool {
    fn is(&self, oddity: Oddity) -> bool {
        self.1 == oddity && self.2.load(Ordering::SeqCst)
    }
}

impl UserPoolApi for OddPool {
    fn list_users(&self, filter: &Filter, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        if self.is(Oddity::ListsNobody) {
            return Answer::now(Ok(Page::default()));
        }
        self.0.list_users(filter, page)
    }

    fn get_user(&self, username: &str) -> Answer<Result<Option<PoolUser>, ApiError>> {
        self.0.get_user(username)
    }

    fn groups_of(&self, username: &str, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        self.0.groups_of(username, page)
    }

    fn add_to_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        if self.is(Oddity::IsSomebodyElseAtTheAddition) {
            self.0.remove_user(username);
            let other = PoolUser::new(username, AccountStatus::Confirmed);
            let other = other.with_attribute("sub", "other-sub");
            drop(self.0.clone().user(other, &["customers"]));
        }
        self.0.add_to_group(username, group)
    }

    fn remove_from_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        if self.is(Oddity::PanicsAtRemoval) {
            self.2.store(false, Ordering::SeqCst);
            panic!("a pool that panics");
        }
        self.0.remove_from_group(username, group)
    }

    fn sign_out(&self, username: &str) -> Answer<Result<(), ApiError>> {
        self.0.sign_out(username)
    }

    fn revoke_token(&self, token: &RefreshToken) -> Answer<Result<(), ApiError>> {
        self.0.revoke_token(token)
    }
}

impl Office {
    fn odd(&self, oddity: Oddity) -> (Leases, Arc<AtomicBool>) {
        let switch = Arc::new(AtomicBool::new(false));
        let odd = OddPool(self.pool.clone(), oddity, Arc::clone(&switch));
        let leases = lease::leases(Pool::asked_by(REGION, POOL, odd), self.store.clone())
            .groups(["org-acme"])
            .audit(self.desk.sink.clone())
            .clock(self.desk.clock.clone());
        (leases.build().unwrap(), switch)
    }
}

/// Nobody called `start`, and the first sweep panics.
#[tokio::test]
async fn who_takes_a_lease_sweeps_and_a_panic_ends_one_sweep() {
    tokio::time::pause();
    let office = Office::new().await;
    let (leases, switch) = office.odd(Oddity::PanicsAtRemoval);
    let acting = office.acting("carol", "alice").await;
    leases.take(&acting, ["org-acme"]).await.unwrap();
    switch.store(true, Ordering::SeqCst);
    office.desk.clock.advance(Duration::from_secs(901));
    let gone = || async { office.pool.groups("carol").len() == 2 };
    for _ in 0..200 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        if gone().await {
            break;
        }
    }
    assert!(gone().await && !switch.load(Ordering::SeqCst));
}

/// A list that is late, or shows somebody under another `sub`, is no proof that a user is gone.
#[tokio::test]
async fn who_is_not_listed_is_asked_for_by_name_before_a_debt_is_settled() {
    let office = Office::new().await;
    let (leases, switch) = office.odd(Oddity::ListsNobody);
    let acting = office.acting("carol", "alice").await;
    let lease = leases.take(&acting, ["org-acme"]).await.unwrap();
    switch.store(true, Ordering::SeqCst);
    leases.release(lease.id()).await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
}

/// An addition that was given up may be done after the group was taken back.
#[tokio::test]
async fn what_may_still_be_added_is_taken_back_twice() {
    let office = Office::new().await;
    let leases = office.leases();
    let acting = office.acting("carol", "alice").await;
    office
        .pool
        .faults("add", &[Fault::Fails(ApiErrorKind::Unavailable)]);
    let failed = kinds(leases.take(&acting, ["org-acme"]).await);
    assert_eq!(failed, Some(LeaseErrorKind::Pool));
    office
        .pool
        .set_groups("carol", &["org-acme", "org-shared", "support"]);
    office.desk.clock.advance(Duration::from_secs(61));
    leases.sweep().await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-shared", "support"]);
    // Settled now: somebody else gives it.
    office.pool.set_groups("carol", &["org-acme"]);
    leases.sweep().await.unwrap();
    assert_eq!(office.pool.groups("carol"), ["org-acme"]);
}

#[tokio::test]
async fn a_username_that_became_somebody_elses_gets_nothing() {
    let office = Office::new().await;
    let (leases, switch) = office.odd(Oddity::IsSomebodyElseAtTheAddition);
    let acting = office.acting("carol", "alice").await;
    switch.store(true, Ordering::SeqCst);
    let refused = kinds(leases.take(&acting, ["org-acme"]).await);
    assert_eq!(refused, Some(LeaseErrorKind::Pool));
    assert_eq!(office.pool.groups("carol"), ["customers"]);
}

/// The token of an administrator outlives the account.
#[tokio::test]
async fn who_was_deleted_impersonates_nobody() {
    let office = Office::new().await;
    let users = cognito::directory([Pool::asked_by(REGION, POOL, office.pool.clone())]);
    let layer = { office.builder(office.issuer.issuer()) }
        .directory(users.build().unwrap())
        .build()
        .unwrap();
    let carol = office.token("carol", &["support"]);
    let headers = [("impersonate-user", "alice-sub")];
    let seen = office.desk.send(&layer, get(&carol, &headers)).await;
    assert_eq!(seen.status.as_u16(), 200, "the control");
    office.pool.remove_user("carol");
    let seen = office.desk.send(&layer, get(&carol, &headers)).await;
    seen.assert_refused(403);
}

#[test]
fn leases_that_cannot_work_are_refused_when_they_are_built() {
    let minute = Duration::from_secs(60);
    let pool = || Pool::asked_by(REGION, POOL, FaultyPool::new());
    let bare = || lease::leases(pool(), lease::memory());
    let fine = || {
        bare()
            .groups(["a"])
            .audit(tower_impersonate::audit::tracing())
    };
    assert!(fine().build().is_ok());
    let malformed = Pool::asked_by(REGION, "x", FaultyPool::new());
    let malformed = lease::leases(malformed, lease::memory()).groups(["a"]);
    let malformed = malformed.audit(tower_impersonate::audit::tracing());
    for (built, told) in [
        (
            malformed,
            r#""eu-west-1/x" is not a region and the id of a user pool"#,
        ),
        (
            bare().groups(["a"]),
            "leases are not recorded: call `audit`",
        ),
        (
            fine().groups(Names::default()),
            "no group may be leased: call `groups`",
        ),
        (fine().groups([""]), "no group may be leased: call `groups`"),
        (
            fine().lifetime(minute / 2),
            "lifetime must be between 1 min and 12 h",
        ),
        (
            fine().lifetime(721 * minute),
            "lifetime must be between 1 min and 12 h",
        ),
        (
            fine().longest(minute),
            "longest must be between the lifetime and 24 h",
        ),
        (
            fine().longest(1441 * minute),
            "longest must be between the lifetime and 24 h",
        ),
        (
            fine().token_lifetime(minute),
            "token_lifetime must be between 5 min and 24 h",
        ),
        (
            fine().patience(minute),
            "patience must be between 1 s and 25 s",
        ),
        (fine().per_actor(0), "per_actor must be between 1 and 1,000"),
        (
            fine().per_actor(1001),
            "per_actor must be between 1 and 1,000",
        ),
    ] {
        let error: ConfigError = built.build().unwrap_err();
        assert_eq!(error.to_string(), told);
    }
}
