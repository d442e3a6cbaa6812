//! RFC 9068 (JWT access tokens), row by row, as `Issuer::at_jwt` has it.

mod support;

#[path = "support/forge.rs"]
mod forge;

use forge::{ALGORITHM, AUDIENCE_OF_OTHERS, Forge, TYPE, Trial, UNKNOWN_ISSUER, with, without};
use serde_json::{Value, json};
use support::expect::keeping;
use support::{AUDIENCE, ISSUER, get};
use tower_impersonate::Issuer;
use tower_impersonate::token::StaticKeys;

const SUBJECT: &str = "subject is missing, blank or too long";

fn strict(forge: &Forge) -> Trial<'_> {
    Trial::new(&forge.desk, forge::issuer().at_jwt(), &[forge.jwk()])
}

fn header() -> Value {
    with(forge::header(), "typ", json!("at+jwt"))
}

fn claims(forge: &Forge) -> Value {
    let claims = with(forge.claims(), "client_id", json!("shop"));
    with(claims, "jti", json!("token-1"))
}

fn access(forge: &Forge, claims: &Value) -> String {
    forge.sign(header().to_string(), claims.to_string())
}

#[tokio::test]
async fn p1_only_the_type_of_access_tokens_is_let_in() {
    let forge = Forge::new();
    let trial = strict(&forge);
    let claims = claims(&forge).to_string();
    let typed = |header: Value| forge.sign(header.to_string(), &claims);
    let untyped = typed(without(forge::header(), "typ"));
    trial.refuses(&untyped, TYPE, "an ID token has none").await;
    for typ in ["JWT", "id+jwt", "secevent+jwt", "at-jwt", "at+jwt+x"] {
        let token = typed(with(forge::header(), "typ", json!(typ)));
        trial.refuses(&token, TYPE, typ).await;
    }
    assert_eq!(trial.fetches(), 0);
    for typ in ["at+jwt", "application/at+jwt"] {
        let token = typed(with(forge::header(), "typ", json!(typ)));
        trial.accepts(&token, typ).await;
    }
}

#[tokio::test]
async fn p2_every_required_claim_is_required() {
    let forge = Forge::new();
    let trial = strict(&forge);
    let usual = forge.trial();
    let missing = |name: &str| format!("claim is missing or malformed: {name}");
    for (name, cause) in [
        ("iss", UNKNOWN_ISSUER.to_owned()),
        ("exp", missing("exp")),
        ("aud", AUDIENCE_OF_OTHERS.to_owned()),
        ("sub", SUBJECT.to_owned()),
        ("client_id", missing("client_id")),
        ("iat", missing("iat")),
        ("jti", missing("jti")),
    ] {
        let absent = access(&forge, &without(claims(&forge), name));
        trial.refuses(&absent, &cause, name).await;
        for wrong in [Value::Null, json!(""), json!({}), json!([])] {
            let case = format!("{name} {wrong}");
            let token = access(&forge, &with(claims(&forge), name, wrong));
            trial.refuses(&token, &cause, &case).await;
        }
        // Two of them only this profile requires.
        if ["client_id", "jti"].contains(&name) {
            usual.accepts(&absent, name).await;
        }
    }
    trial
        .accepts(&access(&forge, &claims(&forge)), "whole")
        .await;
}

#[tokio::test]
async fn p3_issuer_audience_and_algorithm_are_matched_exactly() {
    let forge = Forge::new();
    let trial = strict(&forge);
    for iss in [
        "https://issuer.example.com/",
        "https://issuer.example.com:443",
        "https://Issuer.example.com",
        "HTTPS://issuer.example.com",
        "http://issuer.example.com",
        "https://issuer.example.com.",
        "https://issuer.example.com?",
        "https://issuer.example.com/.",
        "issuer.example.com",
        "https://issuer.example.com ",
        "https://issuer%2eexample.com",
    ] {
        let token = access(&forge, &with(claims(&forge), "iss", json!(iss)));
        trial.refuses(&token, UNKNOWN_ISSUER, iss).await;
    }
    for alg in ["none", "HS256", "EdDSA2"] {
        let named = with(header(), "alg", json!(alg));
        let token = forge.sign(named.to_string(), claims(&forge).to_string());
        trial.refuses(&token, ALGORITHM, alg).await;
    }
    assert_eq!(trial.fetches(), 0);
    for aud in [
        json!("https://desk.example.com"),
        json!("Desk-API"),
        json!("desk-api/"),
        json!("desk-api desk-api"),
        json!(["desk-api-2"]),
        json!([["desk-api"]]),
    ] {
        let case = aud.to_string();
        let token = access(&forge, &with(claims(&forge), "aud", aud));
        trial.refuses(&token, AUDIENCE_OF_OTHERS, &case).await;
    }
    for aud in [
        json!(AUDIENCE),
        json!(["https://other.example.com", AUDIENCE]),
    ] {
        let case = aud.to_string();
        let token = access(&forge, &with(claims(&forge), "aud", aud));
        trial.accepts(&token, &case).await;
    }
}

#[tokio::test]
async fn p4_a_bad_access_token_is_401_invalid_token_and_nothing_is_said_besides() {
    let forge = Forge::new();
    let trial = strict(&forge);
    // `refuses` compares the whole answer: status, every header and the body.
    let now = tower_impersonate::time::Clock::now(&forge.desk.clock).unix_seconds();
    let old = with(
        with(claims(&forge), "iat", json!(now - 900)),
        "exp",
        json!(now - 600),
    );
    trial
        .refuses(&access(&forge, &old), "token has expired", "old")
        .await;
    let bound = with(claims(&forge), "cnf", json!({ "jkt": "x" }));
    let cause = "token is bound to a key";
    trial.refuses(&access(&forge, &bound), cause, "bound").await;
    let forged = access(&Forge::new(), &claims(&forge));
    trial.refuses(&forged, forge::SIGNATURE, "forged").await;
}

#[tokio::test]
async fn p5_groups_roles_and_entitlements_are_read_where_configured() {
    let forge = Forge::new();
    let desk = &forge.desk;
    let keys = || StaticKeys::jwks(json!({ "keys": [forge.jwk()] }).to_string());
    for claim in ["groups", "roles", "entitlements"] {
        let issuer = Issuer::static_keys(ISSUER, keys()).audiences([AUDIENCE]);
        let issuer = issuer.at_jwt().groups_claim(claim);
        let (builder, principal) = keeping(desk.bare().issuer(issuer));
        let layer = builder.build().unwrap();
        let bare = || without(claims(&forge), "groups");
        for (value, known, member) in [
            (json!(["support", "night"]), true, true),
            (json!(["support "]), true, false),
            (json!([]), true, false),
            (json!("support"), false, false),
            (json!("support night"), false, false),
            (json!("[\"support\"]"), false, false),
            // SCIM's long form (RFC 7643) is not guessed at.
            (json!([{ "value": "support" }]), false, false),
            (json!({ "support": [] }), false, false),
            (json!(["support", null]), false, false),
        ] {
            let token = access(&forge, &with(bare(), claim, value.clone()));
            desk.send(&layer, get(&token, &[]))
                .await
                .assert_ran_as("carol", None);
            let principal = principal();
            assert_eq!(principal.groups().is_some(), known, "{claim} {value}");
            assert_eq!(principal.is_in_group("support"), member, "{claim} {value}");
        }
        // The other two are claims like any other.
        for other in ["groups", "roles", "entitlements"] {
            let token = access(&forge, &with(bare(), other, json!(["support"])));
            desk.send(&layer, get(&token, &[]))
                .await
                .assert_ran_as("carol", None);
            assert_eq!(principal().is_in_group("support"), claim == other);
        }
    }
}
