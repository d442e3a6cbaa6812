//! An OAuth client that others wrote, against the running example, with no word made for it: openid-client finds
//! everything by the metadata (RFC 8414), gets a token (RFC 6749), exchanges one (RFC 8693), asks (RFC 7662)
//! and revokes (RFC 7009).
//!
//! `./tests/run` installs the client and runs this.

#[path = "support/example.rs"]
mod example;
#[path = "support/running.rs"]
mod running;

use std::env;
use std::process::Command;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use running::{Desk, Example};
use serde_json::{Value, json};

#[test]
#[ignore = "needs openid-client: ./tests/run"]
fn a_client_of_others_needs_no_special_case() {
    let script =
        env::var("OAUTH_CLIENT").expect("OAUTH_CLIENT is not set: run this with ./tests/run");
    let example = Example::start("two_services", &["desk", "--port", "0"]);
    let desk = Desk::printed_by(&example);
    let output = Command::new("node")
        .args([&script, &desk.url])
        .env("TICKETS_SECRET", &desk.tickets_secret)
        .env("BILLING_SECRET", &desk.billing_secret)
        .output()
        .unwrap();
    let (told, wrong) = (text(output.stdout), text(output.stderr));
    assert!(output.status.success(), "{told}\n{wrong}");
    let steps: Vec<Value> = told
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let named =
        |name: &str| -> Vec<&Value> { steps.iter().filter(|step| step["step"] == name).collect() };

    let endpoint = format!("{}/oauth2/introspect", desk.url);
    assert_eq!(named("metadata")[0]["issuer"], desk.url);
    assert_eq!(named("metadata")[0]["endpoint"], endpoint);
    let own = named("client_credentials")[0];
    assert_eq!(own["scope"], "tickets:read");
    assert_eq!(claims(&own["access_token"])["sub"], "ticket-system");
    let started = named("start")[0];
    let exchanged = named("exchange")[0];
    let [before, after] = [&started["token"], &exchanged["access_token"]].map(claims);
    assert_eq!(
        (&before["aud"], &after["aud"]),
        (&json!("desk"), &json!("billing"))
    );
    for claim in ["sub", "act", "grant_id", "mode"] {
        assert_eq!(before[claim], after[claim], "{claim}");
    }
    assert_eq!(exchanged["issued_token_type"], ACCESS_TOKEN);

    let [alive, of_client, revoked, of_same_grant, nonsense] = &named("introspect")[..] else {
        panic!("five answers: {told}");
    };
    assert_eq!(alive["active"], true);
    assert_eq!(alive["sub"], "alice-sub");
    assert_eq!(alive["act"]["sub"], "ticket-system");
    assert_eq!(alive["grant_id"], started["grant"]);
    assert_eq!(
        (&of_client["active"], &of_client["sub"]),
        (&json!(true), &json!("ticket-system"))
    );
    for dead in [revoked, of_same_grant, nonsense] {
        assert_eq!(**dead, json!({ "step": "introspect", "active": false }));
    }

    let refused: Vec<Value> = named("refused")
        .iter()
        .map(|step| json!([step["what"], step["status"], step["error"]]))
        .collect();
    assert_eq!(
        refused,
        [
            json!(["secret", 401, "OAUTH_WWW_AUTHENTICATE_CHALLENGE"]),
            json!(["scope", 400, "invalid_scope"]),
            json!(["audience", 400, "invalid_target"]),
            json!(["introspection", 403, "unauthorized_client"]),
            json!(["grant type", 400, "unsupported_grant_type"]),
            json!(["exchange", 400, "invalid_request"]),
        ]
    );
    assert!(named("accepted").is_empty(), "{told}");
}

fn claims(token: &Value) -> Value {
    let payload = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

fn text(bytes: Vec<u8>) -> String {
    String::from_utf8(bytes).unwrap()
}

const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
