use std::error::Error;
use std::io;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::answer::Answer;
use crate::directory::{
    CacheError, Directory, LookupError, LookupErrorKind, MemoryDirectory, cached, memory,
};
use crate::identity::Identity;
use crate::terms::TargetRef;
use crate::time::{Clock, Timestamp};

const ISSUER: &str = "https://issuer.example.com";
const OTHER: &str = "https://other.example.com";

fn alice() -> Identity {
    Identity::new(ISSUER, "alice-sub").with_username("alice")
}

fn by_sub(sub: &str) -> TargetRef {
    TargetRef::subject(ISSUER, sub)
}

fn by_name(name: &str) -> TargetRef {
    TargetRef::name(ISSUER, name)
}

fn found(directory: &dyn Directory, target: &TargetRef) -> Result<Identity, LookupErrorKind> {
    let answer = directory.find(target).try_now().expect("answers at once");
    answer.map_err(|error| error.kind())
}

const NOT_FOUND: Result<Identity, LookupErrorKind> = Err(LookupErrorKind::NotFound);

#[test]
fn memory_finds_by_sub_and_by_username_at_the_named_issuer_only() {
    let bob = Identity::new(OTHER, "bob-sub").with_username("bob");
    let users = memory([alice(), bob.clone()]);
    assert_eq!(found(&users, &by_sub("alice-sub")), Ok(alice()));
    assert_eq!(found(&users, &by_name("alice")), Ok(alice()));
    assert_eq!(found(&users, &by_name("Alice")), NOT_FOUND);
    assert_eq!(found(&users, &by_name("alice-sub")), NOT_FOUND);
    assert_eq!(found(&users, &by_sub("alice")), NOT_FOUND);
    assert_eq!(found(&users, &by_sub("bob-sub")), NOT_FOUND);
    assert_eq!(found(&users, &TargetRef::name(OTHER, "bob")), Ok(bob));
}

#[test]
fn a_shared_username_is_ambiguous_at_one_issuer_and_not_across_issuers() {
    let second = Identity::new(ISSUER, "alice-2").with_username("alice");
    let elsewhere = Identity::new(OTHER, "alice-sub").with_username("alice");
    let users = memory([alice(), elsewhere.clone()]);
    assert_eq!(found(&users, &by_name("alice")), Ok(alice()));

    users.insert(second.clone());
    let name = found(&users, &by_name("alice"));
    assert_eq!(name, Err(LookupErrorKind::Ambiguous));
    assert_eq!(found(&users, &by_sub("alice-2")), Ok(second.clone()));
    let there = found(&users, &TargetRef::name(OTHER, "alice"));
    assert_eq!(there, Ok(elsewhere));

    assert_eq!(users.remove(second.key()), Some(second));
    assert_eq!(found(&users, &by_name("alice")), Ok(alice()));
}

#[test]
fn a_changed_username_leaves_nothing_behind() {
    let users = MemoryDirectory::default();
    assert_eq!(users.insert(alice()), None);
    let renamed = alice().with_username("alicia").with_groups(["customers"]);
    let clone = users.clone();
    assert_eq!(clone.insert(renamed.clone()), Some(alice()));
    assert_eq!(found(&users, &by_name("alice")), NOT_FOUND);
    assert_eq!(found(&users, &by_name("alicia")), Ok(renamed.clone()));
    assert_eq!(found(&users, &by_sub("alice-sub")), Ok(renamed.clone()));

    assert_eq!(users.remove(alice().key()), Some(renamed));
    assert_eq!(users.remove(alice().key()), None);
    assert_eq!(found(&users, &by_name("alicia")), NOT_FOUND);
    assert_eq!(found(&users, &by_sub("alice-sub")), NOT_FOUND);
}

#[tokio::test]
async fn closures_and_shared_directories_are_directories() {
    let now = |_: &TargetRef| Ok::<_, LookupError>(alice());
    let later = |_: &TargetRef| Answer::later(async { Ok::<_, LookupError>(alice()) });
    let all: [Arc<dyn Directory>; 3] = [Arc::new(now), Arc::new(later), Arc::new(Arc::new(now))];
    for directory in all {
        let found = directory.find(&by_sub("alice-sub")).await;
        assert!(found.is_ok_and(|identity| identity == alice()));
    }
}

#[test]
fn errors_keep_their_cause_and_show_nobody() {
    let error = LookupError::unavailable(io::Error::other("no row for alice"));
    assert_eq!(error.kind(), LookupErrorKind::Unavailable);
    let cause = error.source().map(ToString::to_string);
    assert_eq!(cause.as_deref(), Some("no row for alice"));
    assert!(!format!("{error:?} {error}").contains("alice"));
    assert!(LookupError::ambiguous().source().is_none());
    assert_eq!(
        LookupError::not_found().to_string(),
        "nobody of that reference is in the directory"
    );
}

#[derive(Debug, Default)]
struct ManualClock(AtomicU64);

impl ManualClock {
    fn set(&self, millis: u64) {
        self.0.store(millis, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_unix_seconds(0)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

/// Counts how often people in memory are asked for.
#[derive(Clone, Default)]
struct Counted {
    users: MemoryDirectory,
    asked: Arc<AtomicU32>,
}

impl Counted {
    fn asked(&self) -> u32 {
        self.asked.swap(0, Ordering::Relaxed)
    }
}

impl Directory for Counted {
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        self.users.find(target)
    }
}

#[test]
fn the_cache_holds_people_until_their_time_is_over() {
    let (inner, clock) = (Counted::default(), Arc::new(ManualClock::default()));
    inner.users.insert(alice());
    let users = cached(inner.clone()).clock(clock.clone());
    for millis in [0, 1, 4_999] {
        clock.set(millis);
        assert_eq!(found(&users, &by_sub("alice-sub")), Ok(alice()));
        assert_eq!(found(&users.clone(), &by_sub("alice-sub")), Ok(alice()));
    }
    assert_eq!(inner.asked(), 1);
    clock.set(5_000);
    assert_eq!(found(&users, &by_sub("alice-sub")), Ok(alice()));
    assert_eq!(inner.asked(), 1);
    assert_eq!(found(&users, &by_name("alice")), Ok(alice()));
    assert_eq!(inner.asked(), 1, "another reference is another question");
}

#[test]
fn a_person_is_found_by_its_key_as_by_its_sub() {
    let inner = Counted::default();
    inner.users.insert(alice());
    let stranger = Identity::new(ISSUER, "mallory-sub");
    let users: Arc<dyn Directory> = Arc::new(cached(inner.clone()));
    let person = |users: &dyn Directory, of: &Identity| users.find_person(of.key()).try_now();
    for _ in 0..2 {
        assert_eq!(person(&users, &alice()).unwrap().ok(), Some(alice()));
    }
    assert_eq!(inner.asked(), 1, "what wraps it is asked, and remembers");
    for users in [&users as &dyn Directory, &inner.users] {
        assert_eq!(person(users, &alice()).unwrap().ok(), Some(alice()));
        let missing = person(users, &stranger).unwrap();
        assert_eq!(missing.map_err(|e| e.kind()), NOT_FOUND);
    }
}

#[test]
fn the_cache_holds_neither_misses_nor_errors_nor_the_disabled() {
    let inner = Counted::default();
    let users = cached(inner.clone());
    for _ in 0..2 {
        assert_eq!(found(&users, &by_sub("alice-sub")), NOT_FOUND);
    }
    let disabled = alice().disabled_account();
    inner.users.insert(disabled.clone());
    for _ in 0..2 {
        assert_eq!(found(&users, &by_sub("alice-sub")), Ok(disabled.clone()));
    }
    inner.users.insert(alice().enabled_account());
    inner
        .users
        .insert(Identity::new(ISSUER, "alice-2").with_username("alice"));
    for _ in 0..2 {
        let name = found(&users, &by_name("alice"));
        assert_eq!(name, Err(LookupErrorKind::Ambiguous));
    }
    assert_eq!(inner.asked(), 6);
    for _ in 0..2 {
        assert!(found(&users, &by_sub("alice-sub")).is_ok());
    }
    assert_eq!(inner.asked(), 1);
}

#[test]
fn forget_removes_somebody_by_every_reference_and_nobody_else() {
    let inner = Counted::default();
    inner.users.insert(alice());
    inner.users.insert(Identity::new(ISSUER, "bob-sub"));
    let users = cached(inner.clone());
    let all = [by_sub("alice-sub"), by_name("alice"), by_sub("bob-sub")];
    for target in &all {
        assert!(found(&users, target).is_ok());
    }
    assert_eq!(inner.asked(), 3);
    let clone = users.clone();
    clone.forget(alice().key());
    for target in &all {
        assert!(found(&users, target).is_ok());
    }
    assert_eq!(inner.asked(), 2);
}

#[tokio::test]
async fn forget_defeats_a_look_up_under_way() {
    let (send, receive) = oneshot::channel();
    let first = Mutex::new(Some(receive));
    let asked = Arc::new(AtomicU32::new(0));
    let count = asked.clone();
    let users = cached(move |_: &TargetRef| {
        count.fetch_add(1, Ordering::Relaxed);
        let waits = first.lock().ok().and_then(|mut first| first.take());
        Answer::later(async move {
            match waits {
                Some(stale) => stale.await.map_err(LookupError::unavailable),
                None => Ok(alice().with_groups(["fresh"])),
            }
        })
    });

    let under_way = users.find(&by_sub("alice-sub"));
    users.forget(alice().key());
    let stale = alice().with_groups(["stale"]);
    send.send(stale.clone()).expect("is awaited");
    assert!(under_way.await.is_ok_and(|found| found == stale));

    let fresh = users.find(&by_sub("alice-sub")).await;
    assert!(fresh.is_ok_and(|found| found.groups().is_some_and(|g| g.contains("fresh"))));
    assert_eq!(asked.load(Ordering::Relaxed), 2);
}

#[test]
fn the_cache_is_bounded() {
    let inner = Counted::default();
    let users = cached(inner.clone()).entries(40).expect("is allowed");
    let subs: Vec<String> = (0..2_000).map(|i| format!("sub-{i}")).collect();
    for sub in &subs {
        inner.users.insert(Identity::new(ISSUER, sub.as_str()));
        assert!(found(&users, &by_sub(sub)).is_ok());
    }
    inner.asked();
    for sub in &subs {
        assert!(found(&users, &by_sub(sub)).is_ok());
    }
    assert!(inner.asked() >= 1_900);
}

#[test]
fn settings_out_of_bounds_are_refused() {
    let users = || cached(MemoryDirectory::default());
    let refused = |ttl| users().ttl(ttl).err();
    assert_eq!(refused(Duration::ZERO), Some(CacheError::Ttl));
    assert_eq!(
        refused(Duration::from_millis(60_001)),
        Some(CacheError::Ttl)
    );
    assert_eq!(refused(Duration::from_secs(60)), None);
    assert_eq!(users().entries(0).err(), Some(CacheError::Entries));
    assert_eq!(users().entries(usize::MAX).err(), Some(CacheError::Entries));
    let shown = format!("{:?}", users());
    assert_eq!(shown, "CachedDirectory { ttl: 5s, entries: 10000, .. }");
}
