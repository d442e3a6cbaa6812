//! What a token says of people.

use super::*;
use crate::token::name_set::NameSet;

#[test]
fn a45_groups_are_an_array_of_strings_or_unknown() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer).groups_claim("groups"));
    let groups = |value: Value| {
        let token = signer.token(&claims_with(&json!({ "groups": value })));
        let claims = at_once(&authenticator, &token, now()).expect("a good token");
        claims.identity().groups().cloned()
    };
    for value in [
        json!("admin"),
        json!("admin,ops"),
        json!([["admin"]]),
        json!(["a", 5]),
        json!({ "admin": 1 }),
    ] {
        assert_eq!(groups(value.clone()), None, "{value}");
    }
    assert_eq!(
        groups(json!(null)).map(|groups| groups.len()),
        Some(0),
        "absent"
    );
    let without = build(issuer(&signer));
    let token = signer.token(&claims_with(&json!({ "groups": ["a"] })));
    let claims = at_once(&without, &token, now()).expect("a good token");
    assert_eq!(claims.identity().groups(), None, "no claim is configured");
}

#[test]
fn tenants() {
    let signer = Signer::new("k");
    let tenant = |issuer: Issuer, claim: Value| {
        let token = signer.token(&claims_with(&json!({ "org": claim })));
        let claims = at_once(&build(issuer), &token, now()).expect("a good token");
        claims.identity().tenant().map(str::to_owned)
    };
    assert_eq!(
        tenant(issuer(&signer).tenant("acme"), json!("x")).as_deref(),
        Some("acme")
    );
    let by_claim = || issuer(&signer).tenant_claim("org");
    assert_eq!(tenant(by_claim(), json!("x")).as_deref(), Some("x"));
    for unknown in [json!(null), json!(" "), json!(["x"])] {
        assert_eq!(tenant(by_claim(), unknown), None);
    }
}

#[test]
fn p1_p2_at_jwt_is_strict() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer).at_jwt());
    let sign = |typ: &str, changes: Value| {
        let mut claims = claims_with(&json!({ "client_id": "app", "jti": "t" }));
        for (name, value) in changes.as_object().expect("an object") {
            claims[name] = value.clone();
        }
        let token = signer.sign(&json!({ "alg": "EdDSA", "kid": "k", "typ": typ }), &claims);
        kind(at_once(&authenticator, &token, now()))
    };
    assert_eq!(sign("at+jwt", json!({})), None);
    assert_eq!(sign("application/AT+JWT", json!({})), None);
    assert_eq!(sign("JWT", json!({})), Some(TokenErrorKind::Type));
    assert_eq!(
        sign("at+jwt", json!({ "client_id": null })),
        Some(TokenErrorKind::Claim)
    );
    assert_eq!(
        sign("at+jwt", json!({ "jti": "" })),
        Some(TokenErrorKind::Claim)
    );
    let untyped = signer.token(&claims_with(&json!({ "client_id": "app", "jti": "t" })));
    assert_eq!(
        kind(at_once(&authenticator, &untyped, now())),
        Some(TokenErrorKind::Type)
    );
}

#[test]
fn machines() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer));
    let kind_of = |changes: Value| {
        let token = signer.token(&claims_with(&changes));
        at_once(&authenticator, &token, now())
            .expect("a good token")
            .identity()
            .kind()
    };
    assert_eq!(kind_of(json!({})), Kind::Person);
    assert_eq!(kind_of(json!({ "client_id": "app" })), Kind::Person);
    assert_eq!(kind_of(json!({ "client_id": "alice" })), Kind::Machine);
    assert_eq!(kind_of(json!({ "azp": "alice" })), Kind::Machine);
}

#[test]
fn an_actor_is_believed_only_from_a_trusted_issuer() {
    let signer = Signer::new("k");
    let by = |act: Value| {
        let mut claims = claims();
        claims["act"] = act;
        signer.token(&claims)
    };
    let token = by(json!({
        "sub": "bob",
        "iss": "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
    }));
    let actor = || {
        IdentityKey::new(
            "https://issuer-cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
            "bob",
        )
    };
    let distrusted = at_once(&build(issuer(&signer)), &token, now()).expect("a good token");
    assert!(distrusted.acting(actor()).is_none());

    let staff = Issuer::cognito("eu-west-1", "eu-west-1_A")
        .client_ids(["c"])
        .staff()
        .tenant("hq");
    let fetch: Arc<dyn crate::token::FetchKeys> =
        Arc::new(|_: &http::Uri, _: &crate::token::FetchLimits| {
            Answer::now(Err(crate::token::FetchError::status(500)))
        });
    let authenticator = Authenticator::builder()
        .issuers([
            issuer(&signer).trust_act().trust_claim("impersonating"),
            staff,
        ])
        .fetch(fetch)
        .build()
        .expect("two issuers");
    let claims = at_once(&authenticator, &token, now()).expect("a good token");
    assert!(claims.trusts_claim("impersonating") && !claims.trusts_claim("act"));
    let bob = claims.acting(actor()).expect("trusted");
    assert_eq!(
        bob.issuer(),
        "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_A",
        "canonical"
    );
    assert_eq!(
        (bob.affiliation(), bob.tenant()),
        (Affiliation::Staff, Some("hq"))
    );
    assert_eq!(
        (bob.voucher(), bob.is_own(), bob.groups()),
        (ISS, false, None)
    );
    let eve = || IdentityKey::new("https://elsewhere", "eve");
    assert!(
        claims.acting(eve()).is_none(),
        "the token does not name her"
    );
    let token = by(json!({ "sub": "eve", "iss": "https://elsewhere" }));
    let claims = at_once(&authenticator, &token, now()).expect("a good token");
    let stranger = claims.acting(eve()).expect("trusted");
    assert_eq!(
        (stranger.affiliation(), stranger.tenant()),
        (Affiliation::Tenant, None)
    );
}

#[test]
fn the_names_of_the_claims_are_known_however_they_are_written() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer).trust_claim("on_behalf"));
    let header = json!({ "alg": "EdDSA", "kid": "k" }).to_string();
    for name in [
        "act",
        "may_act",
        "impersonating",
        "grant_id",
        "on_behalf",
        r"\u0061ct",
        "email",
        "actor",
        "scope",
    ] {
        let text = claims().to_string();
        let text = text.replacen('{', &format!("{{\"{name}\":null,"), 1);
        let token = signer.sign_text(&header, &text);
        let claims = at_once(&authenticator, &token, now()).expect("a good token");
        let plain = name.replace(r"\u0061", "a");
        let has = |name: &str| claims.names().may_have(NameSet::of(name));
        assert!(has(&plain) && has("sub"), "{name}");
        assert_eq!(has("act"), plain == "act", "{name}");
        assert_eq!(claims.get(&plain).is_some(), name != "scope", "{name}");
        assert_eq!(
            claims.get("impersonating").is_some(),
            name == "impersonating"
        );
    }
}
