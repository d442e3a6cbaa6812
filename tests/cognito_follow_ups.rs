//! What a user pool is told when a grant ends, and that nobody waits for it.
#![cfg(feature = "cognito")]

#[path = "support/cognito.rs"]
mod cognito_pools;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use cognito_pools::{Fault, FaultyPool, REGION};
use tower_impersonate::Identity;
use tower_impersonate::cognito::{
    self, AccountStatus, ApiErrorKind, ConfigError, Pool, PoolUser, RefreshToken,
};
use tower_impersonate::grant::{
    self, ActorSession, Grant, GrantStore, Grants, MemoryStore, Others, StartLimit, Started,
};
use tower_impersonate::terms::EndReason;
use tower_impersonate::testing::TestGrant;

const POOL: &str = "us-east-1_Ab12Cd34E";
const ISSUER: &str = "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_Ab12Cd34E";

struct Desk {
    pool: FaultyPool,
    store: MemoryStore,
    grants: Grants,
}

impl Desk {
    fn new() -> Self {
        let user = |name: &str| {
            PoolUser::new(name, AccountStatus::Confirmed)
                .with_attribute("sub", format!("{name}-sub"))
        };
        let store = grant::memory();
        Self {
            pool: FaultyPool::new()
                .user(user("carol"), &[])
                .user(user("alice"), &[]),
            grants: Grants::new(store.clone()),
            store,
        }
    }

    fn pool(&self) -> Pool {
        Pool::asked_by(REGION, POOL, self.pool.clone())
    }

    async fn started(&self, issuer: &str, actor: &str) -> Grant {
        let session = ActorSession {
            token_id: Some("jti-1".into()),
            origin_token_id: Some("origin-1".into()),
            session_id: None,
        };
        let agreed = TestGrant::new("", "")
            .actor(Identity::new(issuer, actor))
            .target(Identity::new(issuer, "alice-sub"))
            .session(session)
            .build();
        let limit = StartLimit {
            per_actor: 10,
            keep_ended: 1000,
            others: Others::Replaced,
            now: agreed.started_at(),
        };
        let Started::New(grant, _) = self.store.start(agreed, limit).await.unwrap() else {
            panic!("it did not start");
        };
        grant
    }

    /// A grant that ends for this reason, and the calls that do more than look somebody up.
    async fn told(&self, reason: EndReason, issuer: &str) -> Vec<String> {
        self.pool.forget_calls();
        let grant = self.started(issuer, "carol-sub").await;
        self.grants.end(grant.id(), reason, None).await.unwrap();
        self.grants.end(grant.id(), reason, None).await.unwrap();
        // Everything that was begun.
        for _ in 0..200 {
            tokio::task::yield_now().await;
        }
        let told = |call: &String| call.starts_with("sign_out") || call.starts_with("revoke");
        self.pool.calls().into_iter().filter(told).collect()
    }
}

#[tokio::test]
async fn people_are_signed_out_for_the_reasons_that_were_given() {
    use EndReason as Reason;
    let desk = Desk::new();
    desk.grants
        .on_end(cognito::sign_out_on_end(&desk.pool()).unwrap());
    for reason in Reason::ALL {
        let own = [
            Reason::ActorDisabled,
            Reason::ActorDemoted,
            Reason::ActorSessionEnded,
        ];
        let expected = if own.contains(&reason) {
            vec!["sign_out carol"]
        } else {
            Vec::new()
        };
        assert_eq!(desk.told(reason, ISSUER).await, expected, "{reason}");
        let elsewhere = desk.told(reason, "https://issuer.example.com").await;
        assert_eq!(elsewhere, Vec::<String>::new(), "{reason}");
    }
    let desk = Desk::new();
    let both = cognito::sign_out_on_end(&desk.pool()).unwrap();
    let both = both
        .actor_when([Reason::Stopped])
        .target_when([Reason::Stopped, Reason::Revoked]);
    desk.grants.on_end(both);
    for (reason, expected) in [
        (Reason::Stopped, &["sign_out alice", "sign_out carol"][..]),
        (Reason::Revoked, &["sign_out alice"]),
        (Reason::ActorDisabled, &[]),
    ] {
        let mut told = desk.told(reason, ISSUER).await;
        told.sort_unstable();
        assert_eq!(told, expected, "{reason}");
    }
    // Who is gone has no sessions.
    desk.pool.remove_user("alice");
    assert_eq!(
        desk.told(Reason::Revoked, ISSUER).await,
        Vec::<String>::new()
    );
}

#[tokio::test]
async fn the_refresh_token_of_the_sign_in_is_revoked_by_its_origin() {
    let desk = Desk::new();
    let find = |origin: &str| {
        (origin == "origin-1")
            .then(|| RefreshToken::new("web", "refresh-s3cret").with_client_secret("s3cret"))
    };
    let revoke = cognito::revoke_tokens_on_end(&desk.pool(), find).unwrap();
    assert!(!format!("{revoke:?} {:?}", find("origin-1")).contains("s3cret"));
    desk.grants.on_end(revoke);
    let own = [
        EndReason::ActorDisabled,
        EndReason::ActorDemoted,
        EndReason::ActorSessionEnded,
    ];
    for reason in EndReason::ALL {
        let expected = own.contains(&reason).then_some("revoke web refresh-s3cret");
        let told = desk.told(reason, ISSUER).await;
        assert_eq!(told, Vec::from_iter(expected), "{reason}");
    }
    let desk = Desk::new();
    let revoke = cognito::revoke_tokens_on_end(&desk.pool(), find).unwrap();
    desk.grants.on_end(revoke.when(EndReason::ALL));
    for reason in EndReason::ALL {
        assert_eq!(
            desk.told(reason, ISSUER).await,
            ["revoke web refresh-s3cret"],
            "{reason}"
        );
    }
    let elsewhere = desk
        .told(EndReason::Revoked, "https://issuer.example.com")
        .await;
    assert_eq!(elsewhere, Vec::<String>::new());
    let desk = Desk::new();
    desk.grants.on_end(
        { cognito::revoke_tokens_on_end(&desk.pool(), |_| None).unwrap() }.when(EndReason::ALL),
    );
    assert_eq!(
        desk.told(EndReason::Revoked, ISSUER).await,
        Vec::<String>::new()
    );
}

/// The grant is over before the pool was asked, whatever becomes of that; and the pool is asked again.
#[tokio::test(start_paused = true)]
async fn nobody_waits_for_the_pool_and_it_is_told_in_the_end() {
    for fault in [
        Fault::Fails(ApiErrorKind::Unavailable),
        Fault::Fails(ApiErrorKind::Throttled),
        Fault::Hangs,
    ] {
        let desk = Desk::new();
        let sign_out = cognito::sign_out_on_end(&desk.pool()).unwrap();
        desk.grants.on_end(sign_out.actor_when(EndReason::ALL));
        desk.pool.faults("sign_out", &[fault; 3]);
        let grant = desk.started(ISSUER, "carol-sub").await;
        let began = tokio::time::Instant::now();
        let ended = desk
            .grants
            .end(grant.id(), EndReason::Revoked, None)
            .await
            .unwrap();
        assert!(ended.unwrap().now);
        assert_eq!(began.elapsed(), Duration::ZERO, "it waited for {fault:?}");
        let asked = || {
            let calls = desk.pool.calls();
            calls
                .iter()
                .filter(|call| call.starts_with("sign_out"))
                .count()
        };
        tokio::time::sleep(Duration::from_secs(300)).await;
        assert_eq!(asked(), 4, "{fault:?}");
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert_eq!(asked(), 4, "once it is done it is done");
    }
    // It is given up some day.
    let desk = Desk::new();
    desk.grants.on_end(
        cognito::revoke_tokens_on_end(&desk.pool(), |_| Some(RefreshToken::new("web", "refresh")))
            .unwrap()
            .when([EndReason::Revoked]),
    );
    desk.pool
        .faults("revoke", &[Fault::Fails(ApiErrorKind::Unavailable); 100]);
    desk.told(EndReason::Revoked, ISSUER).await;
    tokio::time::sleep(Duration::from_secs(3600)).await;
    assert_eq!(
        desk.pool
            .calls()
            .iter()
            .filter(|call| call.starts_with("revoke"))
            .count(),
        7
    );
}

/// One that panics keeps neither the grant nor the others.
#[tokio::test]
async fn every_follower_is_told_once() {
    let desk = Desk::new();
    let told = Arc::new(AtomicUsize::new(0));
    desk.grants
        .on_end(|_: &Grant| panic!("a follower that panics"));
    let counted = Arc::clone(&told);
    desk.grants.on_end(move |grant: &Grant| {
        assert_eq!(
            grant.state().end.as_ref().unwrap().reason,
            EndReason::Stopped
        );
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let grant = desk.started(ISSUER, "carol-sub").await;
    for _ in 0..3 {
        desk.grants
            .end(grant.id(), EndReason::Stopped, None)
            .await
            .unwrap();
    }
    assert_eq!(told.load(Ordering::SeqCst), 1);
}

#[test]
fn a_malformed_pool_is_refused() {
    let malformed = Pool::asked_by(REGION, "x", FaultyPool::new());
    let sign_out = cognito::sign_out_on_end(&malformed).unwrap_err();
    let revoke = cognito::revoke_tokens_on_end(&malformed, |_| None).unwrap_err();
    for error in [sign_out, revoke] {
        assert!(matches!(error, ConfigError::Pool { .. }), "{error}");
    }
}
