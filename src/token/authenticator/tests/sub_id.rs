//! Tokens that are made for the people of another issuer.

use proptest::prelude::*;

use super::*;

const POOL: &str = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A";
const POOL_OTHER_FORM: &str = "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A";
const STRANGER: &str = "https://elsewhere.example.com";

/// `ISS` as a minter, and a pool whose people it speaks of.
fn desk(signer: &Signer, minter: impl FnOnce(Issuer) -> Issuer) -> Authenticator {
    let pool = Issuer::cognito("eu-west-1", "eu-west-1_A").client_ids(["c"]);
    let fetch: Arc<dyn crate::token::FetchKeys> =
        Arc::new(|_: &http::Uri, _: &crate::token::FetchLimits| {
            Answer::now(Err(crate::token::FetchError::status(500)))
        });
    Authenticator::builder()
        .issuers([
            minter(issuer(signer).groups_claim("groups")),
            pool.tenant("acme"),
        ])
        .fetch(fetch)
        .build()
        .expect("two issuers")
}

fn named(issuer: &str) -> Value {
    json!({ "format": "iss_sub", "iss": issuer, "sub": "alice" })
}

fn token(signer: &Signer, sub_id: &Value) -> String {
    signer.token(&claims_with(&json!({
        "sub_id": sub_id, "act": { "sub": "carol", "iss": POOL },
        "groups": ["customers"], "scope": "read", "client_id": "app",
    })))
}

#[test]
fn a_trusted_issuer_names_the_people_of_a_configured_one() {
    let signer = Signer::new("k");
    let authenticator = desk(&signer, |issuer| {
        issuer.trust_act().trust_sub_id().staff().tenant("own")
    });
    for issuer in [POOL, POOL_OTHER_FORM] {
        let token = token(&signer, &named(issuer));
        let claims = at_once(&authenticator, &token, now()).expect("trusted");
        let alice = claims.identity();
        assert_eq!(alice.key(), &IdentityKey::new(POOL, "alice"), "canonical");
        assert_eq!(alice.tenant(), Some("acme"));
        assert_eq!(alice.affiliation(), Affiliation::Tenant, "no staff of hers");
        assert!(
            alice
                .groups()
                .is_some_and(|groups| groups.contains("customers"))
        );
        assert!(alice.scopes().is_some_and(|scopes| scopes.contains("read")));
        assert_eq!(claims.issuer(), ISS, "the token stays the minter's");
        let carol = claims
            .acting(IdentityKey::new(POOL, "carol"))
            .expect("the actor");
        assert_eq!((carol.voucher(), carol.is_own()), (ISS, false));
        assert_eq!((carol.kind(), carol.groups()), (Kind::Person, None));
    }
}

#[test]
fn nothing_is_known_of_the_people_of_an_issuer_that_is_not_configured() {
    let signer = Signer::new("k");
    let authenticator = desk(&signer, |issuer| {
        issuer.trust_act().trust_sub_id().tenant("own")
    });
    let token = token(&signer, &named(STRANGER));
    let claims = at_once(&authenticator, &token, now()).expect("trusted");
    let alice = claims.identity();
    assert_eq!(alice.key(), &IdentityKey::new(STRANGER, "alice"));
    assert_eq!((alice.tenant(), alice.groups()), (None, None));
    assert_eq!(claims.get("groups"), None, "and they stand nowhere else");
}

#[test]
fn an_actor_without_an_issuer_is_one_of_the_minters_and_none_of_the_targets() {
    let signer = Signer::new("k");
    let authenticator = desk(&signer, |issuer| issuer.trust_act().trust_sub_id());
    let token = signer.token(&claims_with(&json!({
        "sub_id": named(POOL), "act": { "sub": "alice" }, "client_id": "alice",
    })));
    let claims = at_once(&authenticator, &token, now()).expect("trusted");
    assert!(claims.acting(IdentityKey::new(POOL, "alice")).is_none());
    let actor = claims.acting(IdentityKey::new(ISS, "alice"));
    assert_eq!(actor.map(|actor| actor.kind()), Some(Kind::Machine));
}

#[test]
fn an_app_client_of_another_issuer_that_acts_is_a_machine_still() {
    let signer = Signer::new("k");
    let acts = |minter: fn(Issuer) -> Issuer, sub_id: Value| {
        let token = signer.token(&claims_with(&json!({
            "sub_id": sub_id, "act": { "sub": "robot", "iss": POOL }, "client_id": "robot",
        })));
        let claims = at_once(&desk(&signer, minter), &token, now()).expect("a good token");
        claims
            .acting(IdentityKey::new(POOL, "robot"))
            .map(|actor| actor.kind())
    };
    let minter: fn(Issuer) -> Issuer = |issuer| issuer.trust_act().trust_sub_id();
    assert_eq!(acts(minter, named(POOL)), Some(Kind::Machine));
    assert_eq!(acts(minter, json!(null)), Some(Kind::Machine));
    assert_eq!(
        acts(Issuer::trust_act, json!(null)),
        Some(Kind::Person),
        "a client of its own"
    );
}

#[test]
fn one_that_is_malformed_or_not_believed_makes_the_token_bad() {
    let signer = Signer::new("k");
    let trusted = desk(&signer, |issuer| issuer.trust_act().trust_sub_id());
    let distrusted = desk(&signer, Issuer::trust_act);
    let bad = Some(TokenErrorKind::SubjectIdentifier);
    let long = format!("https://{}", "a".repeat(600));
    for (sub_id, with, without) in [
        (json!(null), None, None),
        (named(ISS), None, None),
        (named(POOL), None, bad),
        (named(STRANGER), None, bad),
        (named(""), bad, bad),
        (named("a b"), bad, bad),
        (named(&long), bad, bad),
        (json!({}), bad, bad),
        (json!([]), bad, bad),
        (json!("alice"), bad, bad),
        (json!([named(POOL)]), bad, bad),
        (json!({ "format": "iss_sub", "iss": POOL }), bad, bad),
        (json!({ "format": "iss_sub", "sub": "alice" }), bad, bad),
        (json!({ "iss": POOL, "sub": "alice" }), bad, bad),
        (
            json!({ "format": "iss_sub", "iss": POOL, "sub": "bob" }),
            bad,
            bad,
        ),
        (
            json!({ "format": "iss_sub", "iss": ISS, "sub": "bob" }),
            bad,
            bad,
        ),
        (
            json!({ "format": "iss_sub", "iss": POOL, "sub": "Alice" }),
            bad,
            bad,
        ),
        (
            json!({ "format": "iss_sub", "iss": POOL, "sub": ["alice"] }),
            bad,
            bad,
        ),
        (
            json!({ "format": "iss_sub", "iss": [POOL], "sub": "alice" }),
            bad,
            bad,
        ),
        (
            json!({ "format": "ISS_SUB", "iss": POOL, "sub": "alice" }),
            bad,
            bad,
        ),
        (
            json!({ "format": ["iss_sub"], "iss": POOL, "sub": "alice" }),
            bad,
            bad,
        ),
        (
            json!({ "format": "iss_sub", "iss": POOL, "sub": "alice", "email": "x" }),
            bad,
            bad,
        ),
        (
            json!({ "format": "email", "email": "alice@example.com" }),
            bad,
            bad,
        ),
        (json!({ "format": "opaque", "id": "alice" }), bad, bad),
        (
            json!({ "format": "aliases", "identifiers": [named(POOL)] }),
            bad,
            bad,
        ),
    ] {
        let token = token(&signer, &sub_id);
        let kinds = [&trusted, &distrusted].map(|one| kind(at_once(one, &token, now())));
        assert_eq!(kinds, [with, without], "{sub_id}");
    }
}

#[test]
fn without_an_actor_nobody_is_of_another_issuer() {
    let signer = Signer::new("k");
    let authenticator = desk(&signer, |issuer| issuer.trust_act().trust_sub_id());
    let alone = |issuer: &str| {
        let token = signer.token(&claims_with(&json!({ "sub_id": named(issuer) })));
        kind(at_once(&authenticator, &token, now()))
    };
    assert_eq!(alone(POOL), Some(TokenErrorKind::SubjectIdentifier));
    assert_eq!(alone(ISS), None);
}

#[test]
fn the_name_of_the_other_issuer_is_weighed() {
    let signer = Signer::new("k");
    let authenticator = desk(&signer, |issuer| issuer.trust_act().trust_sub_id());
    let weight = |sub_id: &Value| {
        let token = token(&signer, sub_id);
        let claims = at_once(&authenticator, &token, now()).expect("trusted");
        let payload = token.split('.').nth(1).expect("three parts");
        let payload = String::from_utf8(crate::token::compact::decode(payload).unwrap()).unwrap();
        let read = Document::read(&payload).expect("an object");
        let facts = claims.issuer_facts();
        crate::token::weight::of(("", &payload), &read, claims.identity(), facts)
    };
    let longer = format!("{STRANGER}/{}", "a".repeat(99));
    // Once in the text, once in the claim and once in the key.
    assert_eq!(weight(&named(&longer)) - weight(&named(STRANGER)), 300);
}

fn anything() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        Just("iss_sub".to_owned()),
        Just("alice".to_owned()),
        Just(POOL.to_owned()),
        Just(ISS.to_owned()),
        ".{0,12}",
    ];
    let leaf = prop_oneof![
        text.clone().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        Just(json!(true)),
        Just(json!([])),
    ];
    let name = prop_oneof![
        Just("format".to_owned()),
        Just("iss".to_owned()),
        Just("sub".to_owned()),
        "[a-z]{1,4}",
    ];
    let object = proptest::collection::btree_map(name, leaf.clone(), 0..5)
        .prop_map(|members| Value::Object(members.into_iter().collect()));
    prop_oneof![1 => leaf, 4 => object]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::with_cases(512) })]

    #[test]
    fn whatever_it_says_the_key_is_the_one_it_names_or_there_is_none(sub_id in anything()) {
        let signer = Signer::new("k");
        let authenticator = desk(&signer, |issuer| issuer.trust_act().trust_sub_id());
        let result = at_once(&authenticator, &token(&signer, &sub_id), now());
        let issuer = sub_id.get("iss").and_then(Value::as_str).unwrap_or_default();
        match result {
            Ok(claims) => {
                prop_assert_eq!(&sub_id, &named(issuer));
                prop_assert_eq!(claims.identity().key(), &IdentityKey::new(issuer, "alice"));
            }
            Err(error) => {
                prop_assert_eq!(error.kind(), TokenErrorKind::SubjectIdentifier);
                let good = [POOL, ISS].contains(&issuer) && sub_id == named(issuer);
                prop_assert!(!good);
            }
        }
    }
}
