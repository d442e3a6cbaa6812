//! Who a user pool says people are. The main path stands in `real_cognito_admin.rs`; this is about what no
//! emulator does.
#![cfg(feature = "cognito")]

#[path = "support/cognito.rs"]
mod cognito_pools;

use std::error::Error;
use std::time::Duration;

use cognito_pools::{Fault, FaultyPool, REGION};
use serde_json::json;
use tower_impersonate::Identity;
use tower_impersonate::cognito::{
    self, AccountStatus, ApiErrorKind, ConfigError, DirectoryBuilder, Pool, PoolUser,
};
use tower_impersonate::directory::{Directory, LookupError, LookupErrorKind};
use tower_impersonate::terms::TargetRef;

const POOL: &str = "us-east-1_Ab12Cd34E";
const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab12Cd34E";

fn person(name: &str) -> PoolUser {
    with_status(name, AccountStatus::Confirmed)
}

fn with_status(name: &str, status: AccountStatus) -> PoolUser {
    PoolUser::new(name, status)
        .with_attribute("sub", format!("{name}-sub"))
        .with_attribute("email", format!("{name}@example.com"))
        .with_attribute("email_verified", "true")
}

fn over(pool: &FaultyPool) -> DirectoryBuilder {
    let pool = Pool::asked_by(REGION, POOL, pool.clone());
    cognito::directory([pool]).deadline(Duration::from_secs(20))
}

async fn by_sub(pool: &FaultyPool, sub: &str) -> Result<Identity, LookupError> {
    let directory = over(pool).build().unwrap();
    directory.find(&TargetRef::subject(ISSUER, sub)).await
}

async fn by_name(pool: &FaultyPool, name: &str) -> Result<Identity, LookupError> {
    let directory = over(pool).build().unwrap();
    directory.find(&TargetRef::name(ISSUER, name)).await
}

/// Whoever is not there by its `sub` is an account of which nothing is known but that nobody may use it.
fn assert_gone(found: Result<Identity, LookupError>, sub: &str) {
    let gone = found.unwrap();
    assert_eq!((gone.issuer(), gone.subject()), (ISSUER, sub));
    assert_eq!(gone.enabled(), Some(false), "{sub}");
    assert!(gone.groups().is_none() && gone.username().is_none());
}

/// Who was found, or why nobody was.
fn told(found: Result<Identity, LookupError>) -> Result<String, LookupErrorKind> {
    found
        .map(|who| who.subject().to_owned())
        .map_err(|error| error.kind())
}

#[tokio::test]
async fn a_person_comes_with_all_that_the_pool_knows() {
    let alice = person("alice")
        .with_attribute("custom:plan", "gold")
        .with_attribute("phone_number_verified", "false")
        .with_attribute("identities", r#"[{"userId":"1","providerName":"Okta"}]"#);
    let pool = FaultyPool::new().user(alice, &["a", "b", "c"]);
    let found = by_sub(&pool, "alice-sub").await.unwrap();
    assert_eq!((found.issuer(), found.subject()), (ISSUER, "alice-sub"));
    assert_eq!(found.username(), Some("alice"));
    assert_eq!(found.enabled(), Some(true));
    let groups: Vec<_> = found.groups().unwrap().iter().collect();
    assert_eq!(groups, ["a", "b", "c"], "all pages of them");
    for (name, value) in [
        ("email", json!("alice@example.com")),
        ("email_verified", json!(true)),
        ("phone_number_verified", json!(false)),
        ("custom:plan", json!("gold")),
        (
            "identities",
            json!([{ "userId": "1", "providerName": "Okta" }]),
        ),
    ] {
        assert_eq!(found.attribute(name), Some(&value), "{name}");
    }
    assert_eq!(found.attribute("sub"), None);
    assert_eq!((found.tenant(), found.rank()), (None, None));

    let ranked = over(&pool).complete(|user, identity| {
        assert_eq!(user.username(), "alice");
        identity.with_rank(3)
    });
    let alice = TargetRef::subject(ISSUER, "alice-sub");
    let found = ranked.build().unwrap().find(&alice).await.unwrap();
    assert_eq!(found.rank(), Some(3));
}

#[tokio::test]
async fn accounts_that_nobody_may_use_are_disabled() {
    use AccountStatus as Status;
    for (status, usable, admitted) in [
        (Status::Confirmed, true, true),
        (Status::ExternalProvider, true, true),
        (Status::Unconfirmed, false, true),
        (Status::ForceChangePassword, false, true),
        (Status::ResetRequired, false, true),
        (Status::Archived, false, true),
        (Status::Compromised, false, true),
        (Status::Unknown, false, true),
    ] {
        let pool = FaultyPool::new().user(with_status("alice", status), &[]);
        let found = by_sub(&pool, "alice-sub").await.unwrap();
        assert_eq!(found.enabled(), Some(usable), "{status:?}");
        let alice = TargetRef::subject(ISSUER, "alice-sub");
        let lenient = over(&pool).admit(status).build().unwrap();
        let found = lenient.find(&alice).await.unwrap();
        assert_eq!(found.enabled(), Some(admitted), "{status:?}");
        // Whatever is admitted, who is disabled stays so.
        let pool = FaultyPool::new().user(with_status("alice", status).disabled(), &[]);
        let lenient = over(&pool).admit(status).build().unwrap();
        let found = lenient.find(&alice).await.unwrap();
        assert_eq!(found.enabled(), Some(false), "{status:?}");
    }
    for name in ["", "confirmed", "CONFIRMED ", "ENABLED"] {
        assert_eq!(AccountStatus::named(name), AccountStatus::Unknown, "{name}");
    }
    assert_eq!(
        AccountStatus::named("RESET_REQUIRED"),
        AccountStatus::ResetRequired
    );
}

/// A username can be anybody's tomorrow, and a user may choose one that looks like somebody's `sub`.
#[tokio::test]
async fn a130_a_sub_is_a_sub_and_a_name_is_no_key() {
    let impostor = PoolUser::new("alice-sub", AccountStatus::Confirmed)
        .with_attribute("sub", "mallory-sub")
        .with_attribute("preferred_username", "alice-sub");
    let pool = FaultyPool::new().user(impostor, &["admins"]);
    assert_gone(by_sub(&pool, "alice-sub").await, "alice-sub");
    let pool = pool.user(person("alice"), &["customers"]);
    assert_eq!(
        told(by_sub(&pool, "alice-sub").await).as_deref(),
        Ok("alice-sub")
    );
    assert_eq!(
        told(by_sub(&pool, "mallory-sub").await).as_deref(),
        Ok("mallory-sub")
    );
    // A sub is not taken for a name, where the pool would take it for one.
    let pool = FaultyPool::new()
        .user(person("alice"), &[])
        .alias("alice-sub", "alice");
    assert_eq!(
        told(by_name(&pool, "alice-sub").await),
        Err(LookupErrorKind::NotFound)
    );

    // The name went to somebody else: what was found by name is bound by sub.
    let pool = FaultyPool::new().user(person("sam"), &[]);
    let before = by_name(&pool, "sam").await.unwrap();
    pool.remove_user("sam");
    let other = PoolUser::new("sam", AccountStatus::Confirmed).with_attribute("sub", "other-sub");
    let pool = pool.user(other, &["admins"]);
    let after = by_name(&pool, "sam").await.unwrap();
    assert_ne!(before.key(), after.key());
    assert_gone(by_sub(&pool, "sam-sub").await, "sam-sub");
}

/// A profile that was linked to another one is still listed, under the `sub` that it had.
#[tokio::test]
async fn who_a_linked_profile_was_is_nobody() {
    let alice = person("alice").with_attribute(
        "identities",
        r#"[{"userId":"104","providerName":"Google"}]"#,
    );
    let pool = FaultyPool::new()
        .user(alice, &["customers"])
        .alias("Google_104", "alice")
        .lists("google-sub", "Google_104")
        .lists("alice@example.com", "Google_104");
    assert_gone(by_sub(&pool, "google-sub").await, "google-sub");
    for name in ["alice", "ALICE", "alice@example.com", "Google_104"] {
        let pool = pool.clone().alias("ALICE", "alice");
        let found = by_name(&pool, name).await;
        assert_eq!(told(found).as_deref(), Ok("alice-sub"), "{name}");
    }
    for other in ["Google_10", "Facebook_104", "104", "google-sub"] {
        let pool = pool.clone().alias(other, "alice");
        assert_eq!(
            told(by_name(&pool, other).await),
            Err(LookupErrorKind::NotFound),
            "{other}"
        );
    }
    // A user of another provider that is linked to nobody is an account of its own.
    let federated = PoolUser::new("Okta_dave@corp.example", AccountStatus::ExternalProvider)
        .with_attribute("sub", "okta-sub");
    let pool = FaultyPool::new().user(federated, &[]);
    let found = by_name(&pool, "Okta_dave@corp.example").await.unwrap();
    assert_eq!((found.subject(), found.enabled()), ("okta-sub", Some(true)));
}

#[tokio::test]
async fn an_address_finds_who_was_seen_to_own_it_and_nobody_where_several_do() {
    let claims = |verified: &str| {
        PoolUser::new("mallory", AccountStatus::Confirmed)
            .with_attribute("sub", "mallory-sub")
            .with_attribute("email", "alice@example.com")
            .with_attribute("email_verified", verified)
    };
    let pool = |other| {
        FaultyPool::new()
            .user(person("alice"), &[])
            .user(other, &["admins"])
    };
    let address = "alice@example.com";
    let found = by_name(&pool(claims("false")), address).await;
    assert_eq!(told(found).as_deref(), Ok("alice-sub"));
    let both = pool(claims("true"));
    assert_eq!(
        told(by_name(&both, address).await),
        Err(LookupErrorKind::Ambiguous)
    );
    // The pool answers with one of them, because it is an alias there.
    for username in ["alice", "mallory"] {
        let both = both.clone().alias(address, username);
        assert_eq!(
            told(by_name(&both, address).await),
            Err(LookupErrorKind::Ambiguous)
        );
    }
    // The address of one is the username of another one.
    let squatter =
        PoolUser::new(address, AccountStatus::Confirmed).with_attribute("sub", "squatter");
    let found = by_name(&pool(squatter), address).await;
    assert_eq!(told(found), Err(LookupErrorKind::Ambiguous));
    let alone = FaultyPool::new()
        .user(claims("false"), &[])
        .alias(address, "mallory");
    assert_eq!(
        told(by_name(&alone, address).await),
        Err(LookupErrorKind::NotFound)
    );
}

/// A preferred username is what its user chose, and a name only where the pool takes it for one.
#[tokio::test]
async fn a130_who_is_only_listed_for_an_address_must_own_it() {
    let address = "alice@example.com";
    let mallory = PoolUser::new("mallory", AccountStatus::Confirmed)
        .with_attribute("sub", "mallory-sub")
        .with_attribute("email", address)
        .with_attribute("email_verified", "false")
        .with_attribute("preferred_username", address);
    let pool = FaultyPool::new().user(mallory, &["admins"]);
    let found = told(by_name(&pool, address).await);
    assert_eq!(found, Err(LookupErrorKind::NotFound));
    let both = pool.clone().user(person("alice"), &[]);
    let found = told(by_name(&both, address).await);
    assert_eq!(found.as_deref(), Ok("alice-sub"));
    // The control: the pool itself knows her by that name.
    let pool = pool.alias(address, "mallory");
    pool.remove_user("alice");
    let found = told(by_name(&pool, address).await);
    assert_eq!(found.as_deref(), Ok("mallory-sub"));
}

/// An address that many accounts claim costs no call for each of them.
#[tokio::test]
async fn of_more_than_ten_candidates_nobody_is_asked_for() {
    for (others, expected) in [(9, Ok("alice-sub")), (10, Err(LookupErrorKind::Ambiguous))] {
        let mut pool = FaultyPool::new();
        for number in 1..others {
            let claims = PoolUser::new(format!("user-{number}"), AccountStatus::Confirmed)
                .with_attribute("sub", format!("sub-{number}"))
                .with_attribute("email", "alice@example.com");
            pool = pool.user(claims, &[]);
        }
        let pool = pool.user(person("alice"), &[]);
        let found = told(by_name(&pool, "alice@example.com").await);
        assert_eq!(found.as_deref().map_err(|kind| *kind), expected, "{others}");
        let asked = pool
            .calls()
            .into_iter()
            .filter(|call| call.starts_with("get "));
        assert_eq!(asked.count(), if expected.is_ok() { 10 } else { 0 });
    }
}

#[tokio::test]
async fn two_users_of_one_sub_are_nobody() {
    let twin = PoolUser::new("twin", AccountStatus::Confirmed).with_attribute("sub", "alice-sub");
    let pool = FaultyPool::new().user(person("alice"), &[]).user(twin, &[]);
    assert_eq!(
        told(by_sub(&pool, "alice-sub").await),
        Err(LookupErrorKind::Ambiguous)
    );
    let nameless = PoolUser::new("nameless", AccountStatus::Confirmed);
    let pool = FaultyPool::new().user(nameless, &[]);
    assert_eq!(
        told(by_name(&pool, "nameless").await),
        Err(LookupErrorKind::NotFound)
    );
}

#[tokio::test]
async fn what_would_break_out_of_a_filter_asks_nothing() {
    let pool = FaultyPool::new().user(person("alice"), &[]);
    for sub in [
        r#"x" or sub ^= ""#,
        r#"alice-sub" "#,
        "\"",
        "alice-sub\\",
        "alice\nsub",
        "",
        &"a".repeat(300),
    ] {
        assert_gone(by_sub(&pool, sub).await, sub);
    }
    assert_eq!(pool.calls(), Vec::<String>::new());
    for name in ["", "a\u{0}b", &"a".repeat(129)] {
        assert_eq!(
            told(by_name(&pool, name).await),
            Err(LookupErrorKind::NotFound),
            "{name}"
        );
    }
    assert_eq!(pool.calls(), Vec::<String>::new());
    // An address of that kind is asked for as a username alone, which goes into no filter.
    let name = r#"x"@example.com"#;
    assert_eq!(
        told(by_name(&pool, name).await),
        Err(LookupErrorKind::NotFound)
    );
    assert_eq!(pool.calls(), [format!("get {name}")]);
}

#[tokio::test]
async fn a_pool_answers_for_itself_alone() {
    let pool = FaultyPool::new().user(person("alice"), &[]);
    let directory = over(&pool).build().unwrap();
    for issuer in [
        "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Zz99Zz99Z",
        "https://cognito-idp.eu-west-1.amazonaws.com/us-east-1_Ab12Cd34E",
        "https://issuer.example.com",
        "",
    ] {
        let alice = TargetRef::subject(issuer, "alice-sub");
        assert_eq!(
            told(directory.find(&alice).await),
            Err(LookupErrorKind::NotFound),
            "{issuer}"
        );
    }
    assert_eq!(pool.calls(), Vec::<String>::new());
}

#[tokio::test(start_paused = true)]
async fn what_is_throttled_is_asked_again_and_other_faults_are_faults() {
    let throttled = Fault::Fails(ApiErrorKind::Throttled);
    for operation in ["list", "get", "groups"] {
        let pool = FaultyPool::new().user(person("alice"), &["a"]);
        pool.faults(operation, &[throttled; 5]);
        let found = by_sub(&pool, "alice-sub").await;
        assert_eq!(told(found).as_deref(), Ok("alice-sub"), "{operation}");
        let asked = pool
            .calls()
            .iter()
            .filter(|call| call.starts_with(operation))
            .count();
        assert!(asked > 5, "{operation}: {asked}");

        for fault in [
            Fault::Fails(ApiErrorKind::Unavailable),
            Fault::Fails(ApiErrorKind::NoResource),
            Fault::Hangs,
        ] {
            let pool = FaultyPool::new().user(person("alice"), &["a"]);
            pool.faults(operation, &[fault]);
            let error = by_sub(&pool, "alice-sub").await.unwrap_err();
            assert_eq!(
                error.kind(),
                LookupErrorKind::Unavailable,
                "{operation} {fault:?}"
            );
            assert!(error.source().is_some());
            let asked = pool
                .calls()
                .iter()
                .filter(|call| call.starts_with(operation))
                .count();
            assert_eq!(asked, 1, "{operation} {fault:?}");
        }
        let pool = FaultyPool::new().user(person("alice"), &["a"]);
        pool.faults(operation, &[throttled; 10_000]);
        let began = tokio::time::Instant::now();
        let error = by_sub(&pool, "alice-sub").await.unwrap_err();
        assert_eq!(error.kind(), LookupErrorKind::Unavailable, "{operation}");
        assert!(
            began.elapsed() <= Duration::from_secs(20),
            "beyond its deadline"
        );
    }
    let pool = FaultyPool::new().user(person("alice"), &["a"]).endless();
    let error = by_sub(&pool, "alice-sub").await.unwrap_err();
    assert_eq!(error.kind(), LookupErrorKind::Unavailable);
}

#[test]
fn what_cannot_work_is_refused_when_it_is_built() {
    let pool = |region: &str, id: &str| Pool::asked_by(region, id, FaultyPool::new());
    let fine = || pool(REGION, POOL);
    assert!(cognito::directory([fine()]).build().is_ok());
    let error = cognito::directory([]).build().unwrap_err();
    assert!(matches!(error, ConfigError::NoPool), "{error}");
    let error = cognito::directory([fine(), fine()]).build().unwrap_err();
    assert!(matches!(error, ConfigError::PoolTwice { .. }), "{error}");
    for (region, id) in [
        ("", POOL),
        (REGION, "Ab12Cd34E"),
        ("us-east-1/x", POOL),
        (REGION, "us-east-1_A/../B"),
    ] {
        assert_eq!(pool(region, id).issuer(), None);
        let error = cognito::directory([pool(region, id)]).build().unwrap_err();
        assert!(matches!(error, ConfigError::Pool { .. }), "{error}");
    }
    for deadline in [
        Duration::ZERO,
        Duration::from_millis(49),
        Duration::from_secs(31),
    ] {
        let error = cognito::directory([fine()])
            .deadline(deadline)
            .build()
            .unwrap_err();
        assert!(matches!(error, ConfigError::OutOfBounds { .. }), "{error}");
    }
    let shown = format!(
        "{:?} {:?}",
        fine(),
        cognito::directory([fine()]).build().unwrap()
    );
    assert!(
        shown.contains(ISSUER) && !shown.contains("FaultyPool"),
        "{shown}"
    );
}
