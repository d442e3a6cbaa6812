use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::identity::Kind;
use crate::time::Clock;
use crate::token::{Algorithm, Authenticator, Issuer, TokenErrorKind};

fn accepting(issuer: Issuer, clock: &ManualClock) -> Authenticator {
    Authenticator::builder()
        .issuer(issuer)
        .clock(Arc::new(clock.clone()))
        .build()
        .expect("a good configuration")
}

#[test]
fn every_key_signs_what_is_accepted() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::offline("https://issuer.example.com").with_clock(clock.clone());
    let authenticator = accepting(issuer.issuer(), &clock);
    let judge = |algorithm| {
        let token = issuer
            .token("alice")
            .algorithm(algorithm)
            .groups(["a"])
            .at_jwt()
            .sign();
        let answer = authenticator.authenticate(&token, clock.now()).try_now();
        let judged = answer.unwrap_or_else(|_| panic!("offline"));
        judged
            .map(|claims| claims.identity().groups().map(|groups| groups.len()))
            .map_err(|error| error.kind())
    };
    for algorithm in [Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA] {
        assert_eq!(judge(algorithm), Ok(Some(1)), "{algorithm}");
    }
    for another in [Algorithm::PS256, Algorithm::RS512] {
        assert_eq!(
            judge(another),
            Err(TokenErrorKind::Algorithm),
            "the key is for RS256"
        );
    }
}

#[tokio::test]
async fn discovery_rotation_and_outage_over_http() {
    let clock = ManualClock::new();
    let issuer = TestIssuer::start().await.with_clock(clock.clone());
    let authenticator = accepting(issuer.issuer(), &clock);
    let token = issuer.token("alice").sign();
    assert!(
        authenticator
            .authenticate(&token, clock.now())
            .await
            .is_ok()
    );
    assert_eq!(issuer.requests(), 2, "the document, and the keys");

    issuer.rotate();
    clock.advance(Duration::from_secs(10));
    let new = issuer.token("alice").sign();
    assert!(authenticator.authenticate(&new, clock.now()).await.is_ok());
    let old = authenticator.authenticate(&token, clock.now()).await;
    assert_eq!(
        old.err().map(|error| error.kind()),
        Some(TokenErrorKind::UnknownKey)
    );

    issuer.answer_with(500);
    clock.advance(Duration::from_secs(10));
    let unknown = issuer.token("alice").header("kid", "another").sign();
    let refused = authenticator.authenticate(&unknown, clock.now()).await;
    assert_eq!(
        refused.err().map(|error| error.kind()),
        Some(TokenErrorKind::KeysUnavailable)
    );
}

#[tokio::test]
async fn a_cognito_pool() {
    let clock = ManualClock::new();
    let pool = TestIssuer::start_cognito("eu-west-1", "eu-west-1_Ab12Cd34E").await;
    let pool = pool.with_clock(clock.clone());
    let authenticator = accepting(pool.issuer(), &clock);
    let claims =
        authenticator.authenticate(&pool.token("alice").groups(["support"]).sign(), clock.now());
    let claims = claims.await.expect("an access token");
    assert_eq!(claims.identity().username(), Some("alice"));
    assert!(
        claims
            .identity()
            .groups()
            .is_some_and(|groups| groups.contains("support"))
    );

    let updated = "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E";
    let updated = pool.token("alice").claim("iss", updated).sign();
    let claims = authenticator
        .authenticate(&updated, clock.now())
        .await
        .expect("the other form");
    assert_eq!(claims.issuer(), pool.name());

    let machine = pool.token(CLIENT_ID).without("username").sign();
    let claims = authenticator
        .authenticate(&machine, clock.now())
        .await
        .expect("a machine");
    assert_eq!(claims.identity().kind(), Kind::Machine);

    let id = pool.token("alice").cognito_id().sign();
    let refused = authenticator.authenticate(&id, clock.now()).await;
    assert_eq!(
        refused.err().map(|error| error.kind()),
        Some(TokenErrorKind::TokenUse)
    );
    let lenient = accepting(pool.issuer().id_tokens(), &clock);
    assert!(lenient.authenticate(&id, clock.now()).await.is_ok());
}

#[tokio::test]
async fn the_server_ends_with_the_last_handle() {
    let issuer = TestIssuer::start().await;
    let address = issuer.name().trim_start_matches("http://").to_owned();
    drop(issuer.clone());
    assert!(tokio::net::TcpStream::connect(&address).await.is_ok());
    drop(issuer);
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!(tokio::net::TcpStream::connect(&address).await.is_err());
}
