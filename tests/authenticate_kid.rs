//! Tokens that name no key, a key that is none, or nearly the right one. All are signed soundly.

mod support;

#[path = "support/forge.rs"]
mod forge;
#[path = "support/trace.rs"]
mod trace;

use forge::{Forge, KEY_ID, KID, SIGNATURE, Trial, UNKNOWN_KEY, keys_in, remote};
use serde_json::{Value, json};
use support::{AUDIENCE, Desk, ISSUER};
use tower_impersonate::testing::TestIssuer;
use trace::{Log, scoped};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

#[tokio::test]
async fn a27_a_token_that_names_no_key_is_refused_unless_the_only_key_will_do() {
    let forge = Forge::new();
    let trial = forge.trial();
    let nameless = forge.header_without("kid");
    trial.refuses(&nameless, KEY_ID, "no kid").await;
    trial.fetched_nothing(&forge.token()).await;
    // Known keys change nothing.
    trial.refuses(&nameless, KEY_ID, "no kid").await;

    let issuer = forge::issuer().single_key_fallback();
    let trial = Trial::new(&forge.desk, issuer, &[forge.jwk()]);
    trial.accepts(&nameless, "the only key").await;
    let wrong = forge.header_with("kid", json!("another"));
    trial.refuses(&wrong, UNKNOWN_KEY, "another kid").await;
    let forged = Forge::new().header_without("kid");
    trial.refuses(&forged, SIGNATURE, "another key").await;
}

#[tokio::test]
async fn a28_of_several_keys_none_is_tried_for_a_token_that_names_none() {
    let forge = Forge::new();
    let mut keys = keys_in(&forge.desk.issuer.jwks());
    keys.push(forge.jwk());
    let nameless = forge.header_without("kid");
    let trial = Trial::new(&forge.desk, forge::issuer(), &keys);
    trial.refuses(&nameless, KEY_ID, "no kid").await;
    trial.fetched_nothing(&forge.token()).await;

    let issuer = forge::issuer().single_key_fallback();
    let trial = Trial::new(&forge.desk, issuer, &keys);
    trial.accepts(&forge.token(), "a kid").await;
    trial.refuses(&nameless, UNKNOWN_KEY, "no kid").await;
}

#[tokio::test]
async fn a29_a_kid_is_a_short_printable_text_and_never_a_path_or_a_query() {
    let log = Log::default();
    let _logging = scoped(registry().with(log.text_layer()));
    let forge = Forge::new();
    let trial = forge.trial();
    for kid in [
        json!(7),
        Value::Null,
        json!({ "kid": KID }),
        json!([KID]),
        json!(""),
        json!("k".repeat(257)),
        json!(format!("{KID}\u{0}")),
        json!(format!("{KID}\nlevel=ERROR marker-in-a-line")),
        json!(format!("{KID}\u{1b}[31m")),
        json!("cl\u{e9}"),
    ] {
        let case = kid.to_string();
        let token = forge.header_with("kid", kid);
        trial.refuses(&token, KEY_ID, &case).await;
    }
    trial.fetched_nothing(&forge.token()).await;
    for kid in [
        "../../etc/passwd-marker",
        "' OR '1'='1' -- marker",
        "*)(uid=marker",
        "__proto__",
        "constructor",
        "http://evil.example.com/marker",
        "%s%n${jndi:ldap://marker}",
        &"k".repeat(256),
    ] {
        let token = forge.header_with("kid", json!(kid));
        trial.refuses(&token, UNKNOWN_KEY, kid).await;
    }
    assert_eq!(trial.fetches(), 2, "one answer serves them all");
    let logged = log.text();
    assert!(logged.contains("issuer has no such key"), "{logged}");
    assert!(!logged.contains("marker"), "{logged}");
}

#[tokio::test]
async fn a30_a_kid_is_compared_byte_for_byte() {
    let forge = Forge::new();
    let trial = forge.trial();
    trial.accepts(&forge.token(), KID).await;
    for kid in [
        "forge-key-1",
        "FORGE-KEY-1",
        "Forge-Key-1 ",
        " Forge-Key-1",
        "Forge-Key-",
        "Forge-Key-11",
        "Forge-Key-01",
        "Forge%2DKey-1",
    ] {
        let token = forge.header_with("kid", json!(kid));
        trial.refuses(&token, UNKNOWN_KEY, kid).await;
    }
    // Full width, a hyphen of another kind, and one name in two normal forms.
    for kid in [
        "\u{ff26}orge-Key-1",
        "Forge\u{2010}Key-1",
        "cl\u{e9}",
        "cle\u{301}",
    ] {
        let token = forge.header_with("kid", json!(kid));
        trial.refuses(&token, KEY_ID, kid).await;
    }
    assert_eq!(trial.fetches(), 2);
    let escaped = forge.headed(r#"{"alg":"EdDSA","kid":"\u0046orge-Key-1","typ":"JWT"}"#);
    trial.accepts(&escaped, "the same, escaped").await;
}

/// The keys of the desk's issuer and of the trial are different ones; neither takes the other's tokens.
#[tokio::test]
async fn a_forger_with_a_key_of_its_own_gets_nowhere() {
    let forge = Forge::new();
    let trial = Trial::new(&forge.desk, remote().audiences([AUDIENCE]), &[forge.jwk()]);
    let own = Forge::new().token();
    trial.refuses(&own, SIGNATURE, "another key").await;
    let desk = Desk::new();
    let other = TestIssuer::offline(ISSUER).with_clock(desk.clock.clone());
    let token = other.token("carol").audience(AUDIENCE).sign();
    trial.refuses(&token, UNKNOWN_KEY, "another issuer").await;
    trial.accepts(&forge.token(), "the good one").await;
}
