mod configured;
mod identities;
mod sub_id;

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
use crate::token::json::Document;
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

fn _send_and_sync(authenticator: Authenticator) -> impl Send + Sync + Clone {
    authenticator
}
