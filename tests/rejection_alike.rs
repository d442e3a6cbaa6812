//! What a client must not be able to tell apart: causes of bad tokens, and reasons of a refusal.

mod support;

use std::time::Duration;

use serde_json::json;
use support::{Desk, get};
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::resolve;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::time::Clock;
use tower_impersonate::token::Algorithm;

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

#[tokio::test]
async fn all_bad_tokens_look_alike_and_the_causes_differ() {
    let desk = Desk::new();
    let other = TestIssuer::offline("https://other.example.com").issuer();
    let builder = desk.builder().issuer(other.trust_act());
    let layer = builder.resolve(resolve::act()).build().unwrap();
    let carol = || desk.token("carol", &["support"]);
    let other = TestIssuer::offline("https://issuer.example.com").with_clock(desk.clock.clone());
    let now = desk.clock.now().unix_seconds();
    let tokens = [
        "a".repeat(9000),
        "a.b".to_owned(),
        "not a token".replace(' ', "."),
        other.token("carol").audience("desk-api").sign(),
        carol().claim("iss", "https://evil.example.com").sign(),
        carol().header("kid", "rsa-9").sign(),
        carol().without("kid").sign(),
        carol().header("kid", 7).sign(),
        carol().header("crit", ["exp"]).sign(),
        carol().header("typ", "dpop+jwt").sign(),
        carol().header("alg", "none").sign(),
        carol().algorithm(Algorithm::PS256).sign(),
        carol()
            .claim("exp", now - 3600)
            .claim("iat", now - 7200)
            .sign(),
        carol().claim("exp", "soon").sign(),
        carol().without("exp").sign(),
        carol().claim("nbf", now + 3600).sign(),
        carol().expires_in(Duration::from_secs(90_000)).sign(),
        carol().audience("another").sign(),
        carol().claim("sub", " ").sign(),
        carol().claim("cnf", json!({})).sign(),
        carol().claim("act", "root").sign(),
        carol().claim("grant_id", "g-1").sign(),
        carol()
            .claim("act", json!({}))
            .claim("impersonating", json!({}))
            .sign(),
        format!("{}.{}", carol().sign(), "x"),
    ];
    let mut causes = Vec::new();
    let mut answers = Vec::new();
    for token in tokens {
        let seen = desk.send(&layer, get(&token, &[])).await;
        seen.assert_refused(401);
        assert_eq!(seen.kind(), RejectionKind::InvalidToken);
        causes.push(seen.cause());
        answers.push(seen.answer());
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
    causes.sort();
    causes.dedup();
    assert!(causes.len() >= 15, "{causes:#?}");
}

#[tokio::test]
async fn all_that_is_forbidden_looks_alike() {
    let desk = Desk::new();
    let layer = desk.layer();
    let mut answers = Vec::new();
    for target in ["mallory", "dave", "root"] {
        answers.push(
            desk.as_carol(&layer, &[("impersonate-user", target)])
                .await
                .answer(),
        );
    }
    answers.push(
        desk.send(&layer, get(&desk.alice(), AS_ALICE))
            .await
            .answer(),
    );
    let nowhere = [
        AS_ALICE[0],
        ("impersonate-issuer", "https://evil.example.com"),
    ];
    answers.push(desk.as_carol(&layer, &nowhere).await.answer());
    let token = desk.token("carol", &["support"]);
    for claim in ["act", "impersonating"] {
        let token = token.clone().claim(claim, json!({ "sub": "alice" })).sign();
        answers.push(desk.send(&layer, get(&token, &[])).await.answer());
    }
    assert!(answers.iter().all(|answer| answer.0 == 403));
    assert!(
        answers[0]
            .1
            .iter()
            .all(|(_, value)| !value.contains("scope="))
    );
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:#?}");
}
