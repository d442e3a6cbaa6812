use std::time::Duration;

use serde_json::{Value, json};

use super::*;
use crate::identity::{Affiliation, IdentityKey, Kind};
use crate::token::algorithm::Algorithm;
use crate::token::cache::CacheLimits;
use crate::token::fixture::{
    ISS, NOW, Signer, StoppedClock, at_once, claims, claims_with, kind, now,
};
use crate::token::issuer::{Issuer, IssuerErrorKind};
use crate::token::keys::StaticKeys;

fn issuer(signer: &Signer) -> Issuer {
    Issuer::static_keys(ISS, StaticKeys::jwks(signer.set())).audiences(["api", "api-2"])
}

fn build(issuer: Issuer) -> Authenticator {
    let clock = Arc::new(StoppedClock::new());
    Authenticator::builder()
        .issuer(issuer)
        .clock(clock)
        .build()
        .expect("a good configuration")
}

fn later(seconds: u64) -> Timestamp {
    now().saturating_add(Duration::from_secs(seconds))
}

#[test]
fn a_good_token_becomes_an_identity() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer).groups_claim("groups"));
    let token = signer.token(&claims_with(&json!({
        "groups": ["a", "b"], "scope": "read write", "jti": "t1", "client_id": "app",
        "auth_time": NOW - 5, "amr": ["pwd", "otp"], "acr": "2", "preferred_username": "Alice",
    })));
    let claims = at_once(&authenticator, &token, now()).expect("a good token");
    let caller = claims.caller();
    assert_eq!((caller.issuer(), caller.subject()), (ISS, "alice"));
    assert_eq!(caller.tenant(), Some(ISS), "its own tenant");
    assert_eq!(caller.username(), Some("Alice"));
    assert!(
        caller
            .groups()
            .is_some_and(|groups| groups.contains("b") && groups.len() == 2)
    );
    assert!(
        caller
            .scopes()
            .is_some_and(|scopes| scopes.contains("write"))
    );
    let login = caller.login().expect("a login");
    assert_eq!(login.at.map(Timestamp::unix_seconds), Some(NOW - 5));
    assert!(login.methods.contains("otp"));
    assert_eq!((caller.voucher(), caller.is_own()), (ISS, true));
    assert_eq!(caller.expires_at(), later(300));
    assert_eq!(
        (claims.token_id(), claims.client_id()),
        (Some("t1"), Some("app"))
    );
    let shown = format!("{claims:?} {caller:?} {authenticator:?}");
    assert!(
        !shown.contains("Alice") && !shown.contains(&token),
        "{shown}"
    );
}

#[test]
fn a10_too_long_is_not_looked_at() {
    let authenticator = build(issuer(&Signer::new("k")));
    let refused = |len| kind(at_once(&authenticator, &"a".repeat(len), now()));
    assert_eq!(refused(8193), Some(TokenErrorKind::TooLong));
    assert_eq!(refused(8192), Some(TokenErrorKind::Malformed));
}

#[test]
fn a33_a_key_of_another_issuer_with_the_same_kid() {
    let (ours, theirs) = (Signer::new("k"), Signer::new("k"));
    let authenticator = Authenticator::builder()
        .issuer(issuer(&ours))
        .issuer(Issuer::static_keys("https://b", StaticKeys::jwks(theirs.set())).audiences(["api"]))
        .build()
        .expect("two issuers");
    let forged = theirs.token(&claims());
    assert_eq!(
        kind(at_once(&authenticator, &forged, now())),
        Some(TokenErrorKind::Signature)
    );
    let own = theirs.token(&claims_with(&json!({ "iss": "https://b" })));
    assert!(at_once(&authenticator, &own, now()).is_ok());
}

#[test]
fn a31_a32_issuers_match_byte_for_byte() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer));
    for iss in [
        json!(format!("{ISS}/")),
        json!("https://ISSUER.example.com"),
        json!(format!("{ISS}:443")),
        json!("https://evil.example"),
        json!([ISS]),
        json!(7),
        json!(null),
        json!({}),
        json!(""),
        json!("https://x@issuer.example.com"),
        json!("https://issuer.example.com."),
    ] {
        let token = signer.token(&claims_with(&json!({ "iss": iss })));
        let refused = kind(at_once(&authenticator, &token, now()));
        assert_eq!(refused, Some(TokenErrorKind::UnknownIssuer), "{iss}");
    }
}

#[test]
fn claims_are_judged_on_our_clock() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer).leeway(Duration::ZERO));
    let cases = [
        // a34, a35
        (json!({ "exp": NOW }), Some(TokenErrorKind::Expired)),
        (json!({ "exp": NOW + 1 }), None),
        (json!({ "exp": null }), Some(TokenErrorKind::Claim)),
        (
            json!({ "exp": (NOW + 300).to_string() }),
            Some(TokenErrorKind::Claim),
        ),
        (json!({ "exp": [NOW + 300] }), Some(TokenErrorKind::Claim)),
        (json!({ "exp": 1e18 }), Some(TokenErrorKind::Claim)),
        (json!({ "exp": u64::MAX }), Some(TokenErrorKind::Claim)),
        (json!({ "exp": -1 }), Some(TokenErrorKind::Claim)),
        (
            json!({ "exp": NOW as f64 + 0.9 }),
            Some(TokenErrorKind::Expired),
        ),
        (
            json!({ "exp": NOW + 86_401 }),
            Some(TokenErrorKind::Lifetime),
        ),
        (json!({ "exp": NOW + 86_400 }), None),
        // a36, a37
        (json!({ "nbf": NOW + 1 }), Some(TokenErrorKind::NotYetValid)),
        (json!({ "nbf": NOW }), None),
        (json!({ "nbf": "now" }), Some(TokenErrorKind::Claim)),
        (json!({ "iat": NOW + 1 }), Some(TokenErrorKind::NotYetValid)),
        (json!({ "iat": null }), Some(TokenErrorKind::Claim)),
        (
            json!({ "iat": NOW.to_string() }),
            Some(TokenErrorKind::Claim),
        ),
        // a38
        (json!({ "aud": null }), Some(TokenErrorKind::Audience)),
        (json!({ "aud": 5 }), Some(TokenErrorKind::Audience)),
        (json!({ "aud": {} }), Some(TokenErrorKind::Audience)),
        (json!({ "aud": [] }), Some(TokenErrorKind::Audience)),
        (json!({ "aud": ["api", 5] }), Some(TokenErrorKind::Audience)),
        (json!({ "aud": "API" }), Some(TokenErrorKind::Audience)),
        (json!({ "aud": ["other", "api-2"] }), None),
        // a39
        (json!({ "sub": null }), Some(TokenErrorKind::Subject)),
        (json!({ "sub": 5 }), Some(TokenErrorKind::Subject)),
        (json!({ "sub": "" }), Some(TokenErrorKind::Subject)),
        (json!({ "sub": " \t" }), Some(TokenErrorKind::Subject)),
        (
            json!({ "sub": "a".repeat(257) }),
            Some(TokenErrorKind::Subject),
        ),
        (json!({ "sub": "a".repeat(256) }), None),
        (
            json!({ "cnf": { "jkt": "x" } }),
            Some(TokenErrorKind::ProofOfPossession),
        ),
    ];
    for (changes, expected) in cases {
        let token = signer.token(&claims_with(&changes));
        assert_eq!(
            kind(at_once(&authenticator, &token, now())),
            expected,
            "{changes}"
        );
    }
}

#[test]
fn leeway_and_age() {
    let signer = Signer::new("k");
    let token = signer.token(&claims());
    let lenient = build(issuer(&signer).leeway(Duration::from_secs(60)));
    assert!(at_once(&lenient, &token, later(359)).is_ok());
    assert_eq!(
        kind(at_once(&lenient, &token, later(360))),
        Some(TokenErrorKind::Expired)
    );
    let early = Timestamp::from_unix_seconds(NOW - 60);
    assert!(at_once(&lenient, &token, early).is_ok());
    let young = build(
        issuer(&signer)
            .leeway(Duration::ZERO)
            .max_age(Duration::from_secs(10)),
    );
    assert!(at_once(&young, &token, later(10)).is_ok());
    assert_eq!(
        kind(at_once(&young, &token, later(11))),
        Some(TokenErrorKind::TooOld)
    );
}

#[test]
fn the_signature_comes_before_the_claims() {
    let (signer, forger) = (Signer::new("k"), Signer::new("k"));
    let authenticator = build(issuer(&signer));
    let expired = forger.token(&claims_with(&json!({ "exp": 5, "iat": 1 })));
    assert_eq!(
        kind(at_once(&authenticator, &expired, now())),
        Some(TokenErrorKind::Signature)
    );
}

#[test]
fn a17_a27_a28_headers_that_choose() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer));
    let cases = [
        (json!({ "alg": "EdDSA" }), Some(TokenErrorKind::KeyId)),
        (
            json!({ "alg": "EdDSA", "kid": "K" }),
            Some(TokenErrorKind::UnknownKey),
        ),
        (
            json!({ "alg": "RS256", "kid": "k" }),
            Some(TokenErrorKind::Algorithm),
        ),
        (
            json!({ "alg": "EdDSA", "kid": "k", "typ": "dpop+jwt" }),
            Some(TokenErrorKind::Type),
        ),
        (
            json!({ "alg": "EdDSA", "kid": "k", "crit": ["exp"] }),
            Some(TokenErrorKind::Header),
        ),
        (
            json!({ "alg": "Ed25519", "kid": "k", "typ": "at+jwt" }),
            None,
        ),
        (
            json!({ "alg": "EdDSA", "kid": "k", "jku": "https://evil" }),
            None,
        ),
    ];
    for (header, expected) in cases {
        let token = signer.sign(&header, &claims());
        assert_eq!(
            kind(at_once(&authenticator, &token, now())),
            expected,
            "{header}"
        );
    }
    let narrow = build(issuer(&signer).algorithms([Algorithm::EdDSA]));
    let token = signer.sign(&json!({ "alg": "RS256", "kid": "k" }), &claims());
    assert_eq!(
        kind(at_once(&narrow, &token, now())),
        Some(TokenErrorKind::Algorithm)
    );
    let token = signer.sign(&json!({ "alg": "EdDSA" }), &claims());
    let fallback = build(issuer(&signer).single_key_fallback());
    assert!(at_once(&fallback, &token, now()).is_ok());
}

#[test]
fn a40_duplicate_claims() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer));
    let payload = claims()
        .to_string()
        .replace("\"alice\"", "\"alice\",\"sub\":\"admin\"");
    let token = signer.sign_text(r#"{"alg":"EdDSA","kid":"k"}"#, &payload);
    assert_eq!(
        kind(at_once(&authenticator, &token, now())),
        Some(TokenErrorKind::Payload)
    );
}

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
    let token = signer.token(&claims());
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
    let stranger = claims
        .acting(IdentityKey::new("https://elsewhere", "eve"))
        .expect("trusted");
    assert_eq!(
        (stranger.affiliation(), stranger.tenant()),
        (Affiliation::Tenant, None)
    );
}

#[test]
fn a63_a70_the_cache_judges_times_on_every_hit() {
    let signer = Signer::new("k");
    let authenticator = build(issuer(&signer).leeway(Duration::ZERO));
    let token = signer.token(&claims());
    assert!(at_once(&authenticator, &token, now()).is_ok());
    assert_eq!(authenticator.0.cache.len(), 1);
    assert!(at_once(&authenticator, &token, later(299)).is_ok());
    let before = Timestamp::from_unix_seconds(NOW - 3600);
    assert_eq!(
        kind(at_once(&authenticator, &token, before)),
        Some(TokenErrorKind::NotYetValid)
    );
    assert!(at_once(&authenticator, &token, now()).is_ok());
    assert_eq!(
        kind(at_once(&authenticator, &token, later(300))),
        Some(TokenErrorKind::Expired)
    );
    assert_eq!(authenticator.0.cache.len(), 0);
}

#[test]
fn a66_a67_the_cache_is_bounded_and_keyed_by_the_whole_token() {
    let signer = Signer::new("k");
    let clock = Arc::new(StoppedClock::new());
    let authenticator = Authenticator::builder()
        .issuer(issuer(&signer))
        .clock(clock)
        .cache(CacheLimits::new(8, 64 * 1024))
        .build()
        .expect("a good configuration");
    for n in 0..50 {
        let token = signer.token(&claims_with(&json!({ "jti": "same", "n": n })));
        let claims = at_once(&authenticator, &token, now()).expect("a good token");
        assert_eq!(claims.get("n"), Some(&json!(n)));
        assert!(authenticator.0.cache.len() <= 8);
        let forged = format!("{}A", &token[..token.len() - 1]);
        if forged != token {
            assert!(at_once(&authenticator, &forged, now()).is_err());
        }
    }
    assert!(authenticator.0.cache.len() > 0, "it does keep something");
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
        let Value::Object(claims) = claims else {
            unreachable!()
        };
        crate::token::judge::judge(claims, &profile, &Arc::default(), now())
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

fn _send_and_sync(authenticator: Authenticator) -> impl Send + Sync + Clone {
    authenticator
}
