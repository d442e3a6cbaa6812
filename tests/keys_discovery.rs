//! Where keys are fetched from: from what is configured and from nowhere else, whatever a token, a
//! document or a name server says.
//!
//! Not here: a list of addresses that names may not lead to. Providers inside are common, a proxy
//! resolves for itself, and without a certificate of the name nobody gets a request.

#![cfg(feature = "jwks")]

#[path = "support/key_server.rs"]
mod key_server;
#[path = "support/keys.rs"]
mod keys;
mod support;

use std::sync::Arc;

use key_server::{Endpoint, KeyServer};
use keys::*;
use serde_json::json;
use support::{AUDIENCE, Desk, ISSUER};
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tower_impersonate::middleware::ConfigError;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::token::{AuthenticatorError, IssuerErrorKind};
use tower_impersonate::{ImpersonationLayer, Issuer};

/// What a discovery document may not say, and why.
fn unsound(server: &KeyServer, issuer: &TestIssuer) -> Vec<(String, &'static str)> {
    let (us, keys) = (server.url(), server.keys_url());
    let port = us.rsplit_once(':').unwrap().1;
    let (other, no_document) = (
        "the document is of another issuer",
        "not a discovery document",
    );
    vec![
        (discovery("https://issuer.example.com", &keys), other),
        (discovery(&format!("{us}/"), &keys), other),
        (discovery(&us.to_uppercase(), &keys), other),
        (
            discovery(us, &format!("http://user:secret@127.0.0.1:{port}/keys")),
            "credentials in the URL",
        ),
        (
            discovery(us, &format!("http://[::ffff:127.0.0.1]:{port}/keys")),
            "a URL that is not https",
        ),
        (
            discovery(us, "http://169.254.169.254/latest/meta-data/"),
            "a URL that is not https",
        ),
        (discovery(us, "file:///etc/passwd"), "not a URL"),
        (discovery(us, "/keys"), "a URL without a host"),
        (json!({ "issuer": us }).to_string(), no_document),
        (json!({ "jwks_uri": keys }).to_string(), no_document),
        (issuer.jwks(), no_document),
        (String::new(), no_document),
    ]
}

#[tokio::test]
async fn b12_a_discovery_document_must_be_of_the_issuer_and_name_a_sound_url() {
    let desk = Desk::new();
    let server = KeyServer::start().await;
    let (layer, issuer) = discovering(&desk, &server);
    server.now(Endpoint::Healthy(issuer.jwks()));
    let mut expected = 0;
    for (bad, reason) in unsound(&server, &issuer) {
        server.at(DISCOVERY, Endpoint::Healthy(bad.clone()));
        desk.clock.advance(COOL_DOWN);
        assert_unavailable_for(&ask(&layer, &by(&issuer)).await, reason);
        expected += 1;
        assert_eq!(server.count(), expected, "keys were asked for: {bad}");
    }
    let sound = discovery(server.url(), &server.keys_url());
    server.at(DISCOVERY, Endpoint::Healthy(sound));
    desk.clock.advance(COOL_DOWN);
    assert_served(&ask(&layer, &by(&issuer)).await);
    assert_eq!(server.count(), expected + 2);
}

/// The same when there are keys already: they go on.
#[tokio::test]
async fn b10_a_discovery_document_of_another_issuer_replaces_no_keys() {
    let desk = Desk::new();
    let server = KeyServer::start().await;
    let (layer, issuer) = discovering(&desk, &server);
    server.now(Endpoint::Healthy(issuer.jwks()));
    let sound = discovery(server.url(), &server.keys_url());
    server.at(DISCOVERY, Endpoint::Healthy(sound.clone()));
    let cached = by(&issuer);
    let unknown = || issuer.token("carol").audience(AUDIENCE).header("kid", "no");
    assert_served(&ask(&layer, &cached).await);

    for (bad, reason) in unsound(&server, &issuer) {
        server.at(DISCOVERY, Endpoint::Healthy(bad));
        desk.clock.advance(COOL_DOWN);
        let before = server.count();
        assert_unavailable_for(&ask(&layer, &unknown().sign()).await, reason);
        assert_eq!(server.count(), before + 1);
        assert_served(&ask(&layer, &cached).await);
        assert_served(&ask(&layer, &by(&issuer)).await);
    }
    server.at(DISCOVERY, Endpoint::Healthy(sound));
    desk.clock.advance(COOL_DOWN);
    assert_unknown(&ask(&layer, &unknown().sign()).await);
    desk.assert_silent();
}

#[tokio::test]
async fn a20_no_url_and_no_key_of_a_token_is_looked_at() {
    let desk = Desk::new();
    let server = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let attacker = TestIssuer::offline(ISSUER).with_clock(desk.clock.clone());
    let canary = KeyServer::serving(Endpoint::Healthy(attacker.jwks())).await;
    let layer = layer(&desk, &server);
    for (member, value) in [
        ("jku", json!(canary.keys_url())),
        ("x5u", json!(canary.keys_url())),
        ("jwk", keys_in(&attacker.jwks())[0].clone()),
    ] {
        let token = attacker.token("carol").audience(AUDIENCE);
        let token = token.header(member, value).sign();
        ask(&layer, &token).await.assert_refused(401);
    }
    assert_eq!(canary.count(), 0);
}

/// A name that turns out to be this machine, or any other inside: who answers there cannot show a
/// certificate of that name, so it learns neither path nor headers, and its answer is none.
/// A server that speaks TLS as `localhost`, by a certificate of its own making: what it heard.
async fn untrusted() -> (u16, JoinHandle<Result<Vec<u8>, std::io::Error>>) {
    const PEM: &[u8] = include_bytes!("support/untrusted.pem");
    let certificate = CertificateDer::from_pem_slice(PEM).unwrap();
    let key = PrivateKeyDer::from_pem_slice(PEM).unwrap();
    let provider = tokio_rustls::rustls::crypto::aws_lc_rs::default_provider();
    let config = ServerConfig::builder_with_provider(provider.into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .unwrap();
    let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = tokio::spawn(async move {
        let (stream, _) = listener.accept().await?;
        let mut stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).await?;
        Ok(heard)
    });
    (port, heard)
}

#[tokio::test]
async fn a61_a_server_that_cannot_show_a_trusted_certificate_gets_no_request() {
    let desk = Desk::new();
    let (port, heard) = untrusted().await;
    let keys = format!("https://localhost:{port}/latest/meta-data/");
    let layer = desk
        .bare()
        .issuer(Issuer::jwks(ISSUER, keys).audiences([AUDIENCE]))
        .build()
        .unwrap();
    let seen = ask(&layer, &token(&desk).sign()).await;
    assert_unavailable_for(&seen, "no connection");
    let refused = heard.await.unwrap().unwrap_err().to_string();
    assert!(refused.contains("fatal alert"), "{refused}");
}

#[tokio::test]
async fn a61_a_name_that_leads_inside_gets_no_request() {
    let desk = Desk::new();
    let inside = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
    let port = inside.local_addr().unwrap().port();
    let rebound = TestIssuer::offline("https://rebound.example.com");
    let rebound = rebound.with_clock(desk.clock.clone());
    let keys = format!("https://localhost:{port}/latest/meta-data/");
    let healthy = KeyServer::serving(Endpoint::Healthy(desk.issuer.jwks())).await;
    let layer = desk
        .bare()
        .issuer(Issuer::jwks(rebound.name(), keys).audiences([AUDIENCE]))
        .issuer(issuer(&healthy))
        .build()
        .unwrap();
    let cached = token(&desk).sign();
    assert_served(&ask(&layer, &cached).await);

    let token = by(&rebound);
    let asked = ask(&layer, &token);
    let greeted = async {
        let (mut stream, _) = inside.accept().await.unwrap();
        let mut heard = vec![0; 4096];
        let length = stream.read(&mut heard).await.unwrap();
        heard.truncate(length);
        assert_known_flow(&desk, &layer, &cached).await;
        heard
    };
    let (seen, heard) = tokio::join!(asked, greeted);
    assert_unavailable_for(&seen, "no connection");
    assert_eq!(
        heard.first(),
        Some(&0x16),
        "the beginning of a TLS handshake"
    );
    let heard = String::from_utf8_lossy(&heard);
    assert!(!heard.contains("meta-data") && !heard.contains("GET"));
    assert_known_flow(&desk, &layer, &cached).await;
}

#[test]
fn a60_urls_that_keys_may_not_be_fetched_from_are_refused_when_the_layer_is_built() {
    let jwks = |url: &str| Issuer::jwks(ISSUER, url).audiences([AUDIENCE]);
    let oidc = |url: &str| Issuer::oidc(url).audiences([AUDIENCE]);
    let cognito = |url: &str| {
        let pool = Issuer::cognito("eu-west-1", "eu-west-1_Ab12Cd34E");
        pool.client_ids(["app"]).jwks_url(url)
    };
    for issuer in [
        jwks("http://127.0.0.1:9/keys"),
        oidc("http://127.0.0.1:9"),
        cognito("http://localhost:9/keys"),
        jwks("http://issuer.example.com/keys").insecure_loopback_http(),
        oidc("http://issuer.example.com").insecure_loopback_http(),
        jwks("http://127.0.0.1.example.com/keys").insecure_loopback_http(),
        jwks("http://169.254.169.254/keys").insecure_loopback_http(),
        jwks("https://user:secret@issuer.example.com/keys"),
        jwks("http://user:secret@127.0.0.1:9/keys").insecure_loopback_http(),
        cognito("https://user@issuer.example.com/keys"),
        jwks("file:///etc/passwd").insecure_loopback_http(),
        jwks("issuer.example.com/keys"),
    ] {
        let built = ImpersonationLayer::builder().issuer(issuer.clone()).build();
        let Err(ConfigError::Token(AuthenticatorError::Issuer(error))) = built else {
            panic!("{issuer:?}: {built:?}");
        };
        assert_eq!(error.kind(), IssuerErrorKind::Url);
        assert!(!format!("{error} {error:?} {issuer:?}").contains("secret"));
    }
    let fine = [
        jwks("https://issuer.example.com/keys"),
        jwks("http://127.0.0.1:9/keys").insecure_loopback_http(),
        oidc("http://[::1]:9").insecure_loopback_http(),
    ];
    for issuer in fine {
        assert!(ImpersonationLayer::builder().issuer(issuer).build().is_ok());
    }
}
