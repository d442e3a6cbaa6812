//! Whose tokens are let in: several issuers, their keys, and what each kind of token must say.

mod support;

use std::time::Duration;

use serde_json::{Value, json};
use support::expect::keeping;
use support::{AUDIENCE, Desk, ISSUER, get};
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::testing::{TestIssuer, TokenBuilder};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, Issuer};

const OTHER: &str = "https://other.example.com";

async fn cause(desk: &Desk, layer: &ImpersonationLayer, token: TokenBuilder) -> Option<String> {
    let seen = desk.send(layer, get(&token.sign(), &[])).await;
    seen.rejection.is_some().then(|| {
        seen.assert_refused(401);
        seen.cause()
    })
}

fn refused(cause: &str) -> Option<String> {
    Some(cause.to_owned())
}

#[tokio::test]
async fn several_issuers_stand_side_by_side_and_their_people_are_different_people() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    let builder = desk.bare().issuer(desk.accepted()).issuer(other.issuer());
    let (builder, principal) = keeping(builder);
    let layer = builder.build().unwrap();
    let here = desk.send(&layer, get(&desk.carol(), &[])).await;
    here.assert_ran_as("carol", None);
    let key = principal().key().clone();
    let there = desk
        .send(&layer, get(&other.token("carol").sign(), &[]))
        .await;
    there.assert_ran_as("carol", None);
    assert_eq!([&here.body["iss"], &there.body["iss"]], [ISSUER, OTHER]);
    assert_ne!(principal().key(), &key);
}

#[tokio::test]
async fn a33_the_key_of_one_issuer_does_not_sign_for_another_though_their_kids_are_equal() {
    let desk = Desk::new();
    let other = TestIssuer::offline(OTHER).with_clock(desk.clock.clone());
    assert_eq!(
        other.kid(Algorithm::RS256),
        desk.issuer.kid(Algorithm::RS256)
    );
    let builder = desk.bare().issuer(desk.accepted()).issuer(other.issuer());
    let layer = builder.build().unwrap();
    let forged = other.token("carol").audience(AUDIENCE).claim("iss", ISSUER);
    let signature = refused("signature does not fit");
    assert_eq!(cause(&desk, &layer, forged).await, signature);
    let forged = desk
        .token("carol", &[])
        .audience("test-api")
        .claim("iss", OTHER);
    assert_eq!(cause(&desk, &layer, forged).await, signature);
}

#[tokio::test]
async fn a31_an_issuer_that_is_not_configured_is_refused_without_any_fetch() {
    let issuer = TestIssuer::start().await;
    let layer = ImpersonationLayer::builder()
        .issuer(issuer.issuer())
        .build()
        .unwrap();
    let desk = Desk::new();
    let name = issuer.name();
    for iss in [
        "https://evil.example.com".to_owned(),
        format!("{name}/"),
        format!("{name}:443"),
        format!("{name}."),
        format!("{name}.evil.example.com"),
        format!("{name}#"),
        format!(" {name}"),
        name.to_uppercase(),
        name.replace("http://", "https://"),
        name.replace("//", "//user@"),
        name.replace("127.0.0.1", "localhost"),
        "https://xn--issuer-example-com.evil.example.com".to_owned(),
        "https://issuer\u{2024}example.com".to_owned(),
        String::new(),
    ] {
        let token = issuer.token("carol").claim("iss", &iss);
        let unknown = refused("issuer is not configured");
        assert_eq!(cause(&desk, &layer, token).await, unknown, "{iss}");
    }
    assert_eq!(issuer.requests(), 0);

    assert_eq!(cause(&desk, &layer, issuer.token("carol")).await, None);
    assert_eq!(issuer.requests(), 2, "the discovery document and the keys");
}

#[tokio::test]
async fn an_unknown_key_is_401_while_the_last_renewal_was_good_and_503_after_a_failed_one() {
    let desk = Desk::new();
    let issuer = TestIssuer::start().await.with_clock(desk.clock.clone());
    let builder = ImpersonationLayer::builder().clock(desk.clock.clone());
    let layer = builder.issuer(issuer.issuer()).build().unwrap();
    let known = issuer.token("carol").sign();
    desk.send(&layer, get(&known, &[]))
        .await
        .assert_ran_as("carol", None);
    let fetched = issuer.requests();
    let unknown = || issuer.token("carol").header("kid", "rsa-9");

    let no_such_key = refused("issuer has no such key");
    assert_eq!(cause(&desk, &layer, unknown()).await, no_such_key);
    assert_eq!(issuer.requests(), fetched, "in the cool-down");

    desk.clock.advance(Duration::from_secs(11));
    assert_eq!(cause(&desk, &layer, unknown()).await, no_such_key);
    assert!(issuer.requests() > fetched, "after the cool-down");

    issuer.answer_with(500);
    desk.clock.advance(Duration::from_secs(11));
    for when in ["by a failed renewal", "in the cool-down after it"] {
        let before = issuer.requests();
        let seen = desk.send(&layer, get(&unknown().sign(), &[])).await;
        seen.assert_refused(503);
        assert_eq!(seen.kind(), RejectionKind::KeysUnavailable, "{when}");
        let seconds: u64 = seen.header("retry-after").unwrap().parse().unwrap();
        assert!((1..=10).contains(&seconds), "{seconds}");
        assert_eq!(issuer.requests() > before, when == "by a failed renewal");
        desk.clock.advance(Duration::from_secs(2));
    }
    desk.send(&layer, get(&known, &[]))
        .await
        .assert_ran_as("carol", None);
}

#[tokio::test]
async fn keys_that_cannot_be_had_are_503_with_retry_after_in_every_mode() {
    let desk = Desk::new();
    let issuer = TestIssuer::start().await.with_clock(desk.clock.clone());
    issuer.answer_with(503);
    let builder = || {
        let builder = ImpersonationLayer::builder().clock(desk.clock.clone());
        builder.issuer(issuer.issuer())
    };
    for layer in [builder(), builder().anonymous(|| ())] {
        let layer = layer.build().unwrap();
        let seen = desk
            .send(&layer, get(&issuer.token("carol").sign(), &[]))
            .await;
        seen.assert_challenge(503, None);
        assert_eq!(seen.header("retry-after"), Some("10"));
        // Rounded up: who comes back then does not come too early.
        desk.clock.advance(Duration::from_millis(500));
        let token = issuer.token("carol").sign();
        let seen = desk.send(&layer, get(&token, &[])).await;
        assert_eq!(seen.header("retry-after"), Some("10"));
    }
}

#[tokio::test]
async fn a_rotated_key_is_fetched_by_the_first_token_that_names_it() {
    let desk = Desk::new();
    let issuer = TestIssuer::start().await.with_clock(desk.clock.clone());
    let builder = ImpersonationLayer::builder().clock(desk.clock.clone());
    let layer = builder.issuer(issuer.issuer()).build().unwrap();
    layer.connect().await.unwrap();
    issuer.rotate();
    desk.clock.advance(Duration::from_secs(11));
    assert_eq!(cause(&desk, &layer, issuer.token("carol")).await, None);
}

fn accepting(desk: &Desk, issuer: Issuer) -> ImpersonationLayer {
    let builder = ImpersonationLayer::builder().clock(desk.clock.clone());
    builder.issuer(issuer).build().unwrap()
}

#[tokio::test]
async fn a38_the_audience_must_name_this_service() {
    let desk = Desk::new();
    let layer = accepting(&desk, desk.accepted().audiences(["second"]));
    for (aud, good) in [
        (json!(AUDIENCE), true),
        (json!("second"), true),
        (json!([AUDIENCE]), true),
        (json!(["another", AUDIENCE]), true),
        (json!("another"), false),
        (json!("DESK-API"), false),
        (json!("desk-api "), false),
        (json!(""), false),
        (json!([]), false),
        (json!({}), false),
        (json!(5), false),
        (json!([1]), false),
        (json!([AUDIENCE, 5]), false),
        (Value::Null, false),
    ] {
        let token = desk.token("carol", &[]).claim("aud", &aud);
        let expected = (!good).then(|| "audience is missing or another one".to_owned());
        assert_eq!(cause(&desk, &layer, token).await, expected, "{aud}");
    }
    let without = desk.token("carol", &[]).without("aud");
    assert!(cause(&desk, &layer, without).await.is_some());
}

#[tokio::test]
async fn client_ids_are_looked_at_where_listed() {
    let desk = Desk::new();
    let layer = accepting(&desk, desk.accepted().client_ids(["shop"]));
    let token = || desk.token("carol", &[]).without("client_id");
    let client = refused("app client is missing or another one");
    assert_eq!(
        cause(&desk, &layer, token().claim("azp", "shop")).await,
        None
    );
    assert_eq!(
        cause(&desk, &layer, token().claim("azp", "another")).await,
        client
    );
    assert_eq!(cause(&desk, &layer, token()).await, client);
    let shop = desk.token("carol", &[]).client_id("shop");
    assert_eq!(cause(&desk, &layer, shop).await, None);
    let another = desk.token("carol", &[]).client_id("another");
    assert_eq!(cause(&desk, &layer, another).await, client);
}

#[tokio::test]
async fn a26_token_types_and_the_profile_of_rfc_9068() {
    let desk = Desk::new();
    let usual = accepting(&desk, desk.accepted());
    let strict = accepting(&desk, desk.accepted().at_jwt());
    let token = || desk.token("carol", &[]);
    let wrong_type = refused("token type is not allowed");
    for (typ, in_usual, in_strict) in [
        (Some("JWT"), true, false),
        (Some("at+jwt"), true, true),
        (Some("application/at+jwt"), true, true),
        (Some("AT+JWT"), true, true),
        (None, true, false),
        (Some("dpop+jwt"), false, false),
        (Some("logout+jwt"), false, false),
        (Some("secevent+jwt"), false, false),
    ] {
        let token = typ.map_or_else(|| token().without("typ"), |typ| token().header("typ", typ));
        for (layer, good) in [(&usual, in_usual), (&strict, in_strict)] {
            let expected = if good { None } else { wrong_type.clone() };
            assert_eq!(
                cause(&desk, layer, token.clone()).await,
                expected,
                "{typ:?}"
            );
        }
    }
    for claim in ["client_id", "jti"] {
        let missing = refused(&format!("claim is missing or malformed: {claim}"));
        let token = token().at_jwt().without(claim);
        assert_eq!(cause(&desk, &usual, token.clone()).await, None);
        assert_eq!(cause(&desk, &strict, token).await, missing);
    }
}

#[tokio::test]
async fn a17_algorithms_are_those_of_the_issuer_and_one_for_each_key() {
    let desk = Desk::new();
    let any = accepting(&desk, desk.accepted());
    let only_ec = accepting(&desk, desk.accepted().algorithms([Algorithm::ES256]));
    let refused = refused("algorithm is not allowed");
    for (algorithm, in_any, in_ec) in [
        (Algorithm::RS256, true, false),
        (Algorithm::ES256, true, true),
        (Algorithm::EdDSA, true, false),
        (Algorithm::RS512, false, false),
        (Algorithm::PS256, false, false),
    ] {
        let token = || desk.token("carol", &[]).algorithm(algorithm);
        for (layer, good) in [(&any, in_any), (&only_ec, in_ec)] {
            let expected = if good { None } else { refused.clone() };
            assert_eq!(
                cause(&desk, layer, token()).await,
                expected,
                "{algorithm:?}"
            );
        }
    }
}

#[tokio::test]
async fn a_token_bound_to_a_key_of_the_client_is_refused() {
    let desk = Desk::new();
    let bound = desk.token("carol", &[]).claim("cnf", json!({ "jkt": "x" }));
    let expected = refused("token is bound to a key");
    assert_eq!(cause(&desk, &desk.layer(), bound).await, expected);
}
