//! Minted tokens, verified by another library: by jsonwebtoken in pure Rust, with the published key set.

#![cfg(all(feature = "aws_lc_rs", feature = "rust_crypto"))]

use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{DecodingKey, Validation, decode, decode_header};
use serde_json::Value;
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::time::{Clock, SystemClock};
use tower_impersonate::token::Algorithm;

#[test]
fn another_library_takes_tokens_of_every_algorithm_and_none_that_was_changed() {
    DEFAULT_PROVIDER.install_default().unwrap();
    for (algorithm, theirs, pem) in [
        (
            Algorithm::EdDSA,
            jsonwebtoken::Algorithm::EdDSA,
            include_str!("mint/ed.pem"),
        ),
        (
            Algorithm::ES256,
            jsonwebtoken::Algorithm::ES256,
            include_str!("mint/ec.pem"),
        ),
        (
            Algorithm::RS256,
            jsonwebtoken::Algorithm::RS256,
            include_str!("mint/rsa.pem"),
        ),
    ] {
        for key in [SigningKey::generate(algorithm), SigningKey::from_pem(pem)] {
            let minter = Minter::builder("https://desk.example.com")
                .key(key.unwrap())
                .next_key(SigningKey::generate(Algorithm::EdDSA).unwrap())
                .audiences(["desk-api"])
                .build()
                .unwrap();
            let minted = minter
                .mint_client("reports", Some("read"), None, SystemClock::new().now())
                .unwrap();
            let token = minted.token.expose();
            let header = decode_header(token).unwrap();
            assert_eq!(header.typ.as_deref(), Some("at+jwt"));
            let set: JwkSet = serde_json::from_slice(&minter.jwks()).unwrap();
            let jwk = set.find(header.kid.as_deref().unwrap()).unwrap();
            let key = DecodingKey::from_jwk(jwk).unwrap();
            let mut validation = Validation::new(theirs);
            validation.set_audience(&["desk-api"]);
            validation.set_issuer(&["https://desk.example.com"]);
            validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
            let claims = decode::<Value>(token, &key, &validation).unwrap().claims;
            assert_eq!(claims["sub"], "reports");
            let (signed, signature) = token.rsplit_once('.').unwrap();
            let first = if signature.starts_with('A') { 'B' } else { 'A' };
            let changed = format!("{signed}.{first}{}", &signature[1..]);
            assert!(decode::<Value>(&changed, &key, &validation).is_err());
        }
    }
}
