//! A-157: one binary with both cryptographic backends. Every algorithm verifies, and the process-wide
//! default of jsonwebtoken stays the host's to choose.

#![cfg(all(feature = "aws_lc_rs", feature = "rust_crypto"))]

mod support;

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER;
use serde_json::{Value, json};
use support::{AUDIENCE, Desk, ISSUER, get};
use tower_impersonate::token::{Algorithm, Issuer, StaticKeys};
use tower_impersonate::{policy, resolve};

const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// The test issuer has no key for it.
struct P384(EcdsaKeyPair);

impl P384 {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let (x, y) = self.0.public_key().as_ref()[1..].split_at(48);
        let [x, y] = [x, y].map(|part| URL_SAFE_NO_PAD.encode(part));
        json!({ "kty": "EC", "crv": "P-384", "alg": "ES384", "kid": "p384", "x": x, "y": y })
    }

    /// The same claims, signed with this key.
    fn sign(&self, token: &str) -> String {
        let claims = token.split('.').nth(1).unwrap();
        let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"ES384","kid":"p384"}"#);
        let input = format!("{header}.{claims}");
        let signature = self.0.sign(&SystemRandom::new(), input.as_bytes()).unwrap();
        format!("{input}.{}", URL_SAFE_NO_PAD.encode(signature))
    }
}

#[tokio::test]
async fn a157_with_both_backends_every_algorithm_verifies_and_no_default_is_installed() {
    let desk = Desk::new();
    let p384 = P384::new();
    for algorithm in ALGORITHMS {
        let mut jwks: Value = serde_json::from_str(&desk.issuer.jwks()).unwrap();
        let keys = jwks["keys"].as_array_mut().unwrap();
        if algorithm.name().ends_with(['6', '4', '2']) && !algorithm.name().starts_with("ES") {
            keys[0]["alg"] = algorithm.name().into();
        }
        keys.push(p384.jwk());
        let issuer = Issuer::static_keys(ISSUER, StaticKeys::jwks(jwks.to_string()));
        let issuer = issuer.audiences([AUDIENCE]).groups_claim("groups");
        let layer = desk
            .bare()
            .issuer(issuer.algorithms([algorithm]))
            .resolve(resolve::header("impersonate-user"))
            .policy(policy::in_group("support"))
            .build()
            .unwrap();
        let carol = desk.token("carol", &["support"]);
        let token = match algorithm {
            Algorithm::ES384 => p384.sign(&carol.sign()),
            algorithm => carol.algorithm(algorithm).sign(),
        };
        let headers = [("impersonate-user", "alice")];
        let seen = desk.send(&layer, get(&token, &headers)).await;
        seen.assert_ran_as("alice", Some("carol"));
        desk.assert_recorded("carol", Some("alice"));

        let at = token.rfind('.').unwrap() + 10;
        let other = if &token[at..=at] == "A" { "B" } else { "A" };
        let forged = format!("{}{other}{}", &token[..at], &token[at + 1..]);
        let seen = desk.send(&layer, get(&forged, &headers)).await;
        seen.assert_refused(401);
        assert_eq!(seen.cause(), "signature does not fit", "{algorithm:?}");
        desk.assert_silent();
    }
    // It can be installed once in a process, so nobody did.
    assert!(DEFAULT_PROVIDER.install_default().is_ok());
    let seen = desk.as_carol(&desk.layer(), &[]).await;
    seen.assert_ran_as("carol", None);
}
