//! User pools of two emulators as a directory, and as what follows the end of a grant.
//!
//! `./tests/run` starts the emulators and runs these. Where one of them differs from AWS's guide, the test
//! says so.
#![cfg(all(feature = "cognito", feature = "jwks"))]

#[path = "support/cognito.rs"]
mod cognito_pools;

use std::time::Duration;

use cognito_pools::{Emulator, TestPool, impersonation, until};
use serde_json::json;
use tower_impersonate::cognito::{self, AccountStatus, RefreshToken};
use tower_impersonate::directory::{Directory, LookupErrorKind};
use tower_impersonate::grant::{
    self, ActorSession, GrantStore, Grants, Others, StartLimit, Started,
};
use tower_impersonate::identity::Kind;
use tower_impersonate::terms::{EndReason, TargetRef};
use tower_impersonate::testing::{RecordingSink, TestGrant};
use tower_impersonate::{Identity, ImpersonationLayer, directory, policy, resolve};

fn people(pool: &TestPool) -> cognito::CognitoDirectory {
    let directory = cognito::directory([pool.pool()]);
    directory.deadline(Duration::from_secs(30)).build().unwrap()
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn people_are_found_by_sub_username_and_address() {
    for emulator in Emulator::both() {
        let pool = emulator.pool().await;
        let (users, issuer) = (people(&pool), pool.issuer_name());
        let sub = pool.sub("carol").await;
        for target in [
            TargetRef::subject(issuer.as_str(), sub.as_str()),
            TargetRef::name(issuer.as_str(), "carol"),
            TargetRef::name(issuer.as_str(), "carol@example.com"),
        ] {
            let found = users.find(&target).await.unwrap();
            assert_eq!(found.subject(), sub, "{}: {target:?}", emulator.name);
            assert_eq!(found.issuer(), issuer);
            assert_eq!(found.username(), Some("carol"));
            assert_eq!(found.enabled(), Some(true));
            assert_eq!(found.kind(), Kind::Person);
            let mut groups: Vec<_> = found.groups().unwrap().iter().collect();
            groups.sort_unstable();
            assert_eq!(groups, ["org-shared", "support"]);
            assert_eq!(found.text("email"), Some("carol@example.com"));
            assert_eq!(found.attribute("email_verified"), Some(&json!(true)));
        }
        for target in [
            TargetRef::subject(issuer.as_str(), "carol"),
            TargetRef::subject(issuer.as_str(), format!("{sub}0")),
            TargetRef::subject(issuer.as_str(), r#"x" or sub ^= ""#),
        ] {
            let gone = users.find(&target).await.unwrap();
            assert_eq!(gone.enabled(), Some(false), "{}: {target:?}", emulator.name);
        }
        for target in [
            TargetRef::name(issuer.as_str(), "nobody"),
            TargetRef::name(issuer.as_str(), "nobody@example.com"),
            TargetRef::name(issuer.as_str(), sub.as_str()),
        ] {
            let error = users.find(&target).await.unwrap_err();
            assert_eq!(
                error.kind(),
                LookupErrorKind::NotFound,
                "{}: {target:?}",
                emulator.name
            );
        }
    }
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn accounts_that_are_disabled_or_were_never_used_are_told() {
    for emulator in Emulator::both() {
        let pool = emulator.pool().await;
        let issuer = pool.issuer_name();
        { pool.client.sign_up() }
            .client_id(&pool.web)
            .username("fay")
            .password("Some-Pass-1!")
            .send()
            .await
            .unwrap();
        let admitting = cognito::directory([pool.pool()]).deadline(Duration::from_secs(30));
        let admitting = admitting
            .admit(AccountStatus::ForceChangePassword)
            .build()
            .unwrap();
        let usual = people(&pool);
        for (name, usable, admitted) in [
            ("alice", true, true),
            ("dave", false, false),
            ("erin", false, true),
            ("fay", false, false),
        ] {
            let target = TargetRef::name(issuer.as_str(), name);
            let told = [&usual, &admitting].map(|users| users.find(&target));
            let [usual, admitting] = told;
            let told = [
                usual.await.unwrap().enabled(),
                admitting.await.unwrap().enabled(),
            ];
            assert_eq!(
                told,
                [Some(usable), Some(admitted)],
                "{}: {name}",
                emulator.name
            );
        }
    }
}

/// moto gives 60 groups a page, as AWS does; ministack gives all of them.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn somebody_in_many_groups_is_in_all_of_them() {
    for emulator in Emulator::both() {
        let pool = emulator.pool().await;
        for number in 0..70 {
            let name = format!("g{number:02}");
            pool.make_group(&name).await;
            let call = pool.client.admin_add_user_to_group().user_pool_id(&pool.id);
            call.username("bob").group_name(name).send().await.unwrap();
        }
        let bob = TargetRef::name(pool.issuer_name(), "bob");
        let found = people(&pool).find(&bob).await.unwrap();
        assert_eq!(found.groups().unwrap().len(), 72, "{}", emulator.name);
    }
}

/// moto has no AdminLinkProviderForUser. AWS's guide: the `identities` of the account name who is linked.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn identities_of_other_providers_stand_in_the_profile() {
    use aws_sdk_cognitoidentityprovider::types::ProviderUserIdentifierType as Identifier;
    let pool = Emulator::ministack().pool().await;
    let identifier = |provider: &str, value: &str| {
        let identifier = Identifier::builder().provider_name(provider);
        identifier.provider_attribute_value(value)
    };
    let source =
        identifier("Okta", "alice@corp.example").provider_attribute_name("Cognito_Subject");
    { pool.client.admin_link_provider_for_user() }
        .user_pool_id(&pool.id)
        .destination_user(identifier("Cognito", "alice").build())
        .source_user(source.build())
        .send()
        .await
        .unwrap();
    let sub = pool.sub("alice").await;
    let found = people(&pool)
        .find(&TargetRef::subject(pool.issuer_name(), sub))
        .await
        .unwrap();
    let linked = &found.attribute("identities").unwrap()[0];
    assert_eq!(
        (&linked["providerName"], &linked["userId"]),
        (&json!("Okta"), &json!("alice@corp.example"))
    );
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn a_pool_that_is_not_there_or_does_not_answer_is_a_fault() {
    let pool = Emulator::moto().pool().await;
    let gone = TestPool::known(
        Emulator::moto(),
        "us-east-1_Gone99999".to_owned(),
        String::new(),
    );
    let nowhere = Emulator::named("moto", "http://127.0.0.1:9");
    let nowhere = TestPool::known(nowhere, pool.id.clone(), String::new());
    for pool in [gone, nowhere] {
        let alice = TargetRef::subject(pool.issuer_name(), "alice");
        let users = cognito::directory([pool.pool()]).deadline(Duration::from_secs(5));
        let error = users.build().unwrap().find(&alice).await.unwrap_err();
        assert_eq!(error.kind(), LookupErrorKind::Unavailable);
        let cause = std::error::Error::source(&error).unwrap().to_string();
        assert!(!cause.contains("alice"), "{cause}");
    }
}

/// The layer before tokens of the pool, with the pool as its directory.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn an_impersonation_by_address_is_of_the_person_that_owns_it() {
    for emulator in Emulator::both() {
        let pool = emulator.pool().await;
        let layer = ImpersonationLayer::builder()
            .issuer(pool.issuer())
            .resolve(resolve::header("impersonate-user").names())
            .policy(policy::in_group("support").except(policy::target_in_group("support")))
            .directory(directory::cached(people(&pool)))
            .audit(RecordingSink::new())
            .deadline(Duration::from_secs(30))
            .build()
            .unwrap();
        let (carol, _) = pool.sign_in("carol").await;
        let headers = [("impersonate-user", "bob@example.com")];
        let acting = impersonation(&layer, &carol, &headers).await;
        let target = acting.target().unwrap();
        assert_eq!(target.subject(), pool.sub("bob").await, "{}", emulator.name);
        assert!(target.groups().unwrap().contains("org-globex"));
    }
}

/// A grant that ends tells the pool; nobody waits for that.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn sign_outs_and_revocations_follow_the_end_of_a_grant() {
    // moto has no RevokeToken.
    for (emulator, revokes) in [(Emulator::ministack(), true), (Emulator::moto(), false)] {
        let pool = emulator.pool().await;
        for by_token in [false, true] {
            if by_token && !revokes {
                continue;
            }
            let (_, refresh) = pool.sign_in("carol").await;
            assert!(pool.refresh(&refresh).await.is_some(), "{}", emulator.name);
            // ministack ends the refresh tokens that were issued before this second.
            tokio::time::sleep(Duration::from_millis(1100)).await;
            let store = grant::memory();
            let grants = Grants::new(store.clone());
            if by_token {
                let token = RefreshToken::new(pool.web.clone(), refresh.clone());
                let find = move |origin: &str| (origin == "origin-7").then(|| token.clone());
                grants.on_end(
                    cognito::revoke_tokens_on_end(&pool.pool(), find)
                        .unwrap()
                        .when(EndReason::ALL),
                );
            } else {
                let sign_out = cognito::sign_out_on_end(&pool.pool()).unwrap();
                grants.on_end(sign_out.actor_when([EndReason::Revoked]));
            }
            let session = ActorSession {
                origin_token_id: Some("origin-7".into()),
                ..ActorSession::default()
            };
            let carol = Identity::new(pool.issuer_name(), pool.sub("carol").await);
            let agreed = TestGrant::new("", "alice")
                .actor(carol)
                .session(session)
                .build();
            let limit = StartLimit {
                per_actor: 1,
                others: Others::Stay,
                keep_ended: 100,
                now: agreed.started_at(),
            };
            let started = store.start(agreed.clone(), limit).await.unwrap();
            assert!(matches!(started, Started::New(..)));
            grants
                .end(agreed.id(), EndReason::Revoked, None)
                .await
                .unwrap();
            until("the refresh token ends", || async {
                pool.refresh(&refresh).await.is_none()
            })
            .await;
            println!(
                "{}: refresh refused after the grant ended (by token: {by_token})",
                emulator.name
            );
        }
    }
}
