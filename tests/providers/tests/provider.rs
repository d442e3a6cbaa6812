//! Every algorithm, with the signature checks that this package was built with: aws-lc-rs, pure Rust,
//! both, or neither. The tokens were signed by another library.

use serde_json::Value;

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
mod with_checks {
    use std::convert::Infallible;
    use std::time::Duration;

    use bytes::Bytes;
    use http::{Request, Response, StatusCode};
    use http_body_util::Full;
    use serde_json::Value;
    use tower::{Layer, ServiceExt, service_fn};
    use tower_impersonate::mint::{Minter, SigningKey};
    use tower_impersonate::time::{Clock, Timestamp};
    use tower_impersonate::token::{Algorithm, StaticKeys};
    use tower_impersonate::{ImpersonationLayer, Issuer, Principal};

    /// Stands still at the moment when the tokens were signed.
    #[derive(Debug)]
    struct Then(i64);

    impl Clock for Then {
        fn now(&self) -> Timestamp {
            Timestamp::from_unix_seconds(self.0)
        }

        fn monotonic(&self) -> Duration {
            Duration::ZERO
        }
    }

    fn layer(given: &Value) -> ImpersonationLayer {
        let keys = StaticKeys::jwks(given["jwks"].to_string());
        ImpersonationLayer::builder()
            .issuer(Issuer::static_keys("https://issuer.example.com", keys).audiences(["desk-api"]))
            .clock(Then(given["issued_at"].as_i64().unwrap()))
            .build()
            .unwrap()
    }

    async fn status(layer: &ImpersonationLayer, token: &str) -> StatusCode {
        let service = layer.layer(service_fn(|request: Request<()>| {
            let principal = request.extensions().get::<Principal>();
            assert_eq!(principal.map(Principal::subject), Some("alice"));
            async { Ok::<_, Infallible>(Response::new(Full::new(Bytes::new()))) }
        }));
        let request = Request::get("/")
            .header("authorization", format!("Bearer {token}"))
            .body(())
            .unwrap();
        service.oneshot(request).await.unwrap().status()
    }

    #[tokio::test]
    async fn tokens_of_every_algorithm_pass_and_with_one_bit_changed_none_does() {
        let given = super::given();
        let layer = layer(&given);
        let tokens = given["tokens"].as_object().unwrap();
        assert_eq!(tokens.len(), 9);
        for (algorithm, token) in tokens {
            let token = token.as_str().unwrap();
            // First the bad one, so that nothing is remembered of the good one.
            assert_eq!(status(&layer, &changed(token)).await, 401, "{algorithm}");
            assert_eq!(status(&layer, token).await, 200, "{algorithm}");
        }
    }

    #[tokio::test]
    async fn what_is_signed_here_passes_and_with_one_bit_changed_it_does_not() {
        let given = super::given();
        for pem in [
            include_str!("../../mint/ed.pem"),
            include_str!("../../mint/ec.pem"),
            include_str!("../../mint/rsa.pem"),
        ] {
            let minter = Minter::builder("https://desk.example.com")
                .key(SigningKey::from_pem(pem).unwrap())
                .audiences(["desk-api"])
                .build()
                .unwrap();
            let then = Then(given["issued_at"].as_i64().unwrap());
            let minted = minter.mint_client("alice", None, None, then.now()).unwrap();
            let layer = ImpersonationLayer::builder()
                .issuer(minter.issuer())
                .clock(then)
                .build()
                .unwrap();
            let token = minted.token.expose();
            assert_eq!(status(&layer, &changed(token)).await, 401, "{minter:?}");
            assert_eq!(status(&layer, token).await, 200, "{minter:?}");
        }
        for algorithm in [Algorithm::EdDSA, Algorithm::ES256] {
            assert!(SigningKey::generate(algorithm).is_ok(), "{algorithm}");
        }
        let rsa = SigningKey::generate(Algorithm::RS256);
        assert_eq!(rsa.is_ok(), cfg!(feature = "aws_lc_rs"));
    }

    /// The other user of jsonwebtoken in the build finds its process-wide provider as it left it.
    #[cfg(feature = "neighbour")]
    #[tokio::test]
    async fn the_neighbour_still_chooses_its_provider() {
        let given = super::given();
        let token = given["tokens"]["RS256"].as_str().unwrap();
        assert_eq!(status(&layer(&given), token).await, 200);
        let chosen = jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER.install_default();
        assert!(chosen.is_ok());
    }

    /// The first character of the signature is another one.
    fn changed(token: &str) -> String {
        let (signed, signature) = token.rsplit_once('.').unwrap();
        let first = if signature.starts_with('A') { 'B' } else { 'A' };
        format!("{signed}.{first}{}", &signature[1..])
    }
}

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
#[test]
fn without_any_check_no_layer_can_be_built() {
    use std::error::Error;

    use tower_impersonate::mint::SigningKey;
    use tower_impersonate::token::{AuthenticatorError, StaticKeys};
    use tower_impersonate::{ImpersonationLayer, Issuer};

    let key = SigningKey::from_pem(include_str!("../../mint/ed.pem"));
    let error = key.err().map(|error| error.to_string());
    assert_eq!(error.as_deref(), Some("no cryptography is compiled in"));

    let keys = StaticKeys::jwks(given()["jwks"].to_string());
    let error = ImpersonationLayer::builder()
        .issuer(Issuer::static_keys("https://issuer.example.com", keys).audiences(["desk-api"]))
        .build()
        .unwrap_err();
    let cause = error.source().and_then(|cause| cause.downcast_ref());
    assert!(
        matches!(cause, Some(AuthenticatorError::NoCrypto)),
        "{error:?}"
    );
}

fn given() -> Value {
    serde_json::from_str(include_str!("../tokens.json")).unwrap()
}
