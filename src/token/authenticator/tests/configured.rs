//! Issuers of every kind, and what is wrong with them.

use super::*;

#[test]
fn app_clients_for_acting_are_app_clients_whose_act_is_believed() {
    let pool = || Issuer::cognito("eu-west-1", "eu-west-1_A").client_ids(["app", "codes"]);
    assert!(pool().acting_clients(["codes"]).trust_act().build().is_ok());
    for (issuer, reason) in [
        (
            pool().acting_clients(["other"]).trust_act(),
            "none of the client ids",
        ),
        (
            pool().acting_clients([""]).trust_act(),
            "none of the client ids",
        ),
        (pool().acting_clients(["codes"]), "call `trust_act`"),
        (
            Issuer::oidc("https://id.example.com")
                .audiences(["api"])
                .client_ids(["codes"])
                .acting_clients(["codes"])
                .trust_act(),
            "is for Cognito",
        ),
    ] {
        let error = issuer.build().err().expect("a bad configuration");
        assert_eq!(error.kind(), IssuerErrorKind::Contradiction);
        assert!(error.to_string().contains(reason), "{error}");
    }
}

#[test]
fn cognito_tokens() {
    let pool = || {
        Issuer::cognito("eu-west-1", "eu-west-1_A")
            .client_ids(["app"])
            .audiences(["api"])
    };
    let judge = |issuer: Issuer, changes: &Value| {
        let profile = issuer.build().expect("a good configuration").profile;
        let mut claims = claims_with(&json!({
            "token_use": "access", "client_id": "app", "aud": null, "username": "alice",
        }));
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
            if value.is_null() {
                claims.as_object_mut().expect("an object").remove(name);
            }
        }
        let payload = claims.to_string();
        let claims = Document::read(&payload).expect("an object");
        judge(&claims, &payload, &profile, &Arc::default(), None, now())
    };
    let id = json!({ "token_use": "id", "aud": "app", "client_id": null, "username": null, "cognito:username": "al" });
    let cases = [
        (json!({}), None),
        (
            json!({ "client_id": "other" }),
            Some(TokenErrorKind::Client),
        ),
        (json!({ "client_id": null }), Some(TokenErrorKind::Client)),
        (
            json!({ "client_id": ["app"] }),
            Some(TokenErrorKind::Client),
        ),
        (json!({ "aud": "app" }), None),
        (json!({ "aud": "api" }), None),
        (
            json!({ "aud": "elsewhere" }),
            Some(TokenErrorKind::Audience),
        ),
        (json!({ "aud": [7] }), Some(TokenErrorKind::Audience)),
        (json!({ "token_use": null }), Some(TokenErrorKind::TokenUse)),
        (
            json!({ "token_use": "Access" }),
            Some(TokenErrorKind::TokenUse),
        ),
        (
            json!({ "token_use": ["access"] }),
            Some(TokenErrorKind::TokenUse),
        ),
        (id.clone(), Some(TokenErrorKind::TokenUse)),
    ];
    for (changes, expected) in cases {
        assert_eq!(kind(judge(pool(), &changes)), expected, "{changes}");
    }
    let claims = judge(pool().id_tokens(), &id).expect("ID tokens are let in");
    assert_eq!(claims.identity().username(), Some("al"));
    assert_eq!(
        claims.identity().groups().map(|groups| groups.len()),
        Some(0)
    );
    let mut of_another = id;
    of_another["aud"] = json!("api");
    assert_eq!(
        kind(judge(pool().id_tokens(), &of_another)),
        Some(TokenErrorKind::Audience)
    );
    let machine = judge(pool(), &json!({ "username": null })).expect("a machine");
    assert_eq!(machine.identity().kind(), Kind::Machine);
    let person = judge(pool(), &json!({})).expect("a person");
    assert_eq!(person.identity().kind(), Kind::Person);
}

#[test]
fn mistakes_in_the_configuration() {
    let keys = || StaticKeys::jwks(Signer::new("k").set());
    let good = || Issuer::static_keys(ISS, keys()).audiences(["api"]);
    let cases = [
        (
            Issuer::cognito("eu-west-1", "eu-west-1_A"),
            IssuerErrorKind::MissingClientIds,
        ),
        (
            Issuer::cognito("eu-west-1", "pool").client_ids(["c"]),
            IssuerErrorKind::Name,
        ),
        (
            Issuer::cognito("evil.com/", "eu-west-1_A").client_ids(["c"]),
            IssuerErrorKind::Name,
        ),
        (
            Issuer::static_keys(ISS, keys()),
            IssuerErrorKind::MissingAudiences,
        ),
        (
            Issuer::static_keys("", keys()).audiences(["api"]),
            IssuerErrorKind::Name,
        ),
        (
            Issuer::static_keys(ISS, StaticKeys::jwks("{}")).audiences(["api"]),
            IssuerErrorKind::Keys,
        ),
        (
            Issuer::static_keys(ISS, StaticKeys::pem("x", Algorithm::ES256)).audiences(["api"]),
            IssuerErrorKind::Keys,
        ),
        (
            Issuer::oidc("http://a.example").audiences(["api"]),
            IssuerErrorKind::Url,
        ),
        (
            Issuer::oidc("http://127.0.0.1:1").audiences(["api"]),
            IssuerErrorKind::Url,
        ),
        (
            Issuer::jwks(ISS, "file:///keys").audiences(["api"]),
            IssuerErrorKind::Url,
        ),
        (
            good().jwks_url("https://a.example"),
            IssuerErrorKind::Contradiction,
        ),
        (good().id_tokens(), IssuerErrorKind::Contradiction),
        (good().audiences([" "]), IssuerErrorKind::Value),
        (good().tenant(""), IssuerErrorKind::Value),
        (
            good().leeway(Duration::from_secs(301)),
            IssuerErrorKind::Value,
        ),
        (good().max_lifetime(Duration::ZERO), IssuerErrorKind::Value),
        (good().algorithms([]), IssuerErrorKind::Value),
    ];
    for (issuer, expected) in cases {
        match Authenticator::builder().issuer(issuer).build() {
            Err(AuthenticatorError::Issuer(error)) => assert_eq!(error.kind(), expected, "{error}"),
            other => panic!("{other:?} instead of {expected:?}"),
        }
    }
    let none = Authenticator::builder().build();
    assert!(matches!(none, Err(AuthenticatorError::NoIssuer)));
    let twice = Authenticator::builder().issuers([good(), good()]).build();
    assert!(matches!(
        twice,
        Err(AuthenticatorError::DuplicateIssuer { .. })
    ));
}

#[test]
fn facts_are_found_by_the_canonical_name() {
    let authenticator = build(issuer(&Signer::new("k")).groups_claim("groups").trust_act());
    let facts = authenticator.issuer_facts(ISS).expect("configured");
    assert!(facts.gives_groups() && facts.trusts_act());
    assert_eq!(facts.tenant(), Some(ISS));
    assert!(authenticator.issuer_facts("https://elsewhere").is_none());
}
