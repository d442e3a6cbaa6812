//! Claims that are missing, malformed, doubled or out of bounds, in tokens that are signed soundly.
//!
//! A-31 and A-38 stand in `authenticate_issuers`, A-33 there and in `standards_jwt`, A-35 and A-45 in
//! `authenticate_facts`, A-42 to A-44 in `authenticate_cognito`.

mod support;

#[path = "support/forge.rs"]
mod forge;
#[path = "support/trace.rs"]
mod trace;

use std::time::Duration;

use forge::{Forge, PAYLOAD, Trial, UNKNOWN_ISSUER, encode, without};
use serde_json::{Value, json};
use support::expect::keeping;
use support::{ISSUER, get};
use tower_impersonate::identity::IdentityKey;
use tower_impersonate::time::Clock;
use tower_impersonate::token::StaticKeys;
use tower_impersonate::{Issuer, audit, policy, resolve};
use trace::{Log, scoped};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

const EXPIRED: &str = "token has expired";
const NOT_YET: &str = "token is not valid yet";
const TOO_LONG_VALID: &str = "token is valid for too long";
const SUBJECT: &str = "subject is missing, blank or too long";

/// What is no number of seconds between 1970 and the year 9999.
fn no_times() -> Vec<Value> {
    vec![
        json!("1700000300"),
        json!(""),
        Value::Null,
        json!(true),
        json!([1_700_000_300]),
        json!({ "$date": 1_700_000_300 }),
        json!(-1),
        json!(1e18),
        json!(-1e300),
        json!(u64::MAX),
        json!(i64::MIN),
        json!(253_402_300_800_i64),
    ]
}

#[tokio::test]
async fn a32_an_issuer_that_is_no_text_is_refused_without_any_fetch() {
    let forge = Forge::new();
    let trial = forge.trial();
    for iss in [
        json!([ISSUER]),
        json!(["https://evil.example.com", ISSUER]),
        json!([ISSUER, "https://evil.example.com"]),
        json!({ "iss": ISSUER }),
        json!(5),
        json!(true),
        Value::Null,
    ] {
        let case = iss.to_string();
        let token = forge.claim("iss", iss);
        trial.refuses(&token, UNKNOWN_ISSUER, &case).await;
    }
    let nameless = forge.without_claim("iss");
    trial.refuses(&nameless, UNKNOWN_ISSUER, "absent").await;
    trial.fetched_nothing(&forge.token()).await;
}

#[tokio::test]
async fn a34_an_expiry_that_is_no_time_is_not_taken_for_none() {
    let forge = Forge::new();
    let trial = forge.trial();
    let now = forge.desk.clock.now().unix_seconds();
    let malformed = "claim is missing or malformed: exp";
    for exp in no_times() {
        let case = exp.to_string();
        trial
            .refuses(&forge.claim("exp", exp), malformed, &case)
            .await;
    }
    let absent = forge.without_claim("exp");
    trial.refuses(&absent, malformed, "absent").await;
    for (exp, cause) in [
        (json!(0), EXPIRED),
        (json!(now - 60), EXPIRED),
        (json!(now + 24 * 3600 + 1), TOO_LONG_VALID),
        (json!(253_402_300_799_i64), TOO_LONG_VALID),
    ] {
        let case = exp.to_string();
        trial.refuses(&forge.claim("exp", exp), cause, &case).await;
    }
    let rest = without(forge.claims(), "exp").to_string();
    for number in ["1e400", "NaN", "Infinity", "0x65", "+1", "1_700_000_300"] {
        let token = forge.saying(format!(r#"{{"exp":{number},{}"#, &rest[1..]));
        trial.refuses(&token, PAYLOAD, number).await;
    }
    for exp in [
        json!(now - 59),
        json!(now as f64 + 300.5),
        json!(now + 24 * 3600),
    ] {
        let case = exp.to_string();
        trial.accepts(&forge.claim("exp", exp), &case).await;
    }
}

#[tokio::test]
async fn a36_a_token_counts_from_nbf_on() {
    let forge = Forge::new();
    let trial = forge.trial();
    let now = forge.desk.clock.now().unix_seconds();
    for nbf in no_times() {
        let case = nbf.to_string();
        let malformed = "claim is missing or malformed: nbf";
        trial
            .refuses(&forge.claim("nbf", nbf), malformed, &case)
            .await;
    }
    for (nbf, good) in [
        (json!(now + 61), false),
        (json!(now + 3600), false),
        (json!(now as f64 + 60.5), false),
        (json!(now + 60), true),
        (json!(now - 3600), true),
        (json!(0), true),
    ] {
        let case = nbf.to_string();
        let token = forge.claim("nbf", nbf);
        if good {
            trial.accepts(&token, &case).await;
        } else {
            trial.refuses(&token, NOT_YET, &case).await;
        }
    }
    trial.accepts(&forge.token(), "absent").await;
    // What was too early is good once its time has come: the refusal was not remembered.
    let early = forge.claim("nbf", json!(now + 61));
    forge.desk.clock.advance(Duration::from_secs(1));
    trial.accepts(&early, "a second later").await;
}

#[tokio::test]
async fn a37_a_token_says_when_it_was_issued_and_not_for_too_long() {
    let forge = Forge::new();
    let trial = forge.trial();
    let now = forge.desk.clock.now().unix_seconds();
    let malformed = "claim is missing or malformed: iat";
    for iat in no_times() {
        let case = iat.to_string();
        trial
            .refuses(&forge.claim("iat", iat), malformed, &case)
            .await;
    }
    let absent = forge.without_claim("iat");
    trial.refuses(&absent, malformed, "absent").await;
    let lasting = |iat: i64, exp: i64| forge.saying(issued(&forge, iat, exp));
    for (iat, exp, cause) in [
        (now + 61, now + 300, NOT_YET),
        (now + 3600, now + 7200, NOT_YET),
        (now - 24 * 3600, now + 1, TOO_LONG_VALID),
        (0, now + 300, TOO_LONG_VALID),
    ] {
        let case = format!("{iat} to {exp}");
        trial.refuses(&lasting(iat, exp), cause, &case).await;
    }
    trial.accepts(&lasting(now + 60, now + 300), "leeway").await;
    let longest = lasting(now - 24 * 3600 + 1, now + 1);
    trial.accepts(&longest, "a day").await;
    let early = lasting(now + 61, now + 300);
    forge.desk.clock.advance(Duration::from_secs(1));
    trial.accepts(&early, "a second later").await;

    let young = forge::issuer().max_age(Duration::from_secs(100));
    let young = Trial::new(&forge.desk, young, &[forge.jwk()]);
    let now = forge.desk.clock.now().unix_seconds();
    young
        .accepts(&lasting(now - 160, now + 300), "at the bound")
        .await;
    let old = lasting(now - 161, now + 300);
    let too_old = "token was issued too long ago";
    young.refuses(&old, too_old, "an old one").await;
}

fn issued(forge: &Forge, iat: i64, exp: i64) -> String {
    let claims = forge::with(forge.claims(), "iat", json!(iat));
    forge::with(claims, "exp", json!(exp)).to_string()
}

#[tokio::test]
async fn a39_a_subject_that_names_nobody_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    for sub in [
        json!(5),
        json!(["carol"]),
        json!({ "sub": "carol" }),
        json!(true),
        Value::Null,
        json!(""),
        json!(" "),
        json!("\t\n"),
        json!("\u{a0}\u{3000}"),
        json!("c".repeat(257)),
    ] {
        let case = sub.to_string();
        trial
            .refuses(&forge.claim("sub", sub), SUBJECT, &case)
            .await;
    }
    let absent = forge.without_claim("sub");
    trial.refuses(&absent, SUBJECT, "absent").await;
    let longest = "c".repeat(256);
    let token = forge.claim("sub", json!(longest));
    trial.accepts_of(&longest, &token, "the longest").await;

    let wide = Trial::of(&forge.desk, &[forge.jwk()], |builder| {
        builder.issuer(forge::issuer()).max_token_bytes(64 * 1024)
    });
    let long = forge.claim("sub", json!("c".repeat(10 * 1024)));
    wide.refuses(&long, SUBJECT, "10 KiB").await;
}

#[tokio::test]
async fn a39_subjects_that_look_alike_are_different_people_and_no_log_line_breaks() {
    let log = Log::default();
    let _logging = scoped(registry().with(log.text_layer()));
    let forge = Forge::new();
    let keys = StaticKeys::jwks(json!({ "keys": [forge.jwk()] }).to_string());
    let desk = &forge.desk;
    let person = |sub: &str| IdentityKey::new(ISSUER, sub);
    let sinks = [
        audit::shared(desk.sink.clone()),
        audit::shared(audit::tracing()),
    ];
    let builder = desk
        .bare_unrecorded()
        .audit(audit::all(sinks))
        .issuer(Issuer::static_keys(ISSUER, keys).audiences([support::AUDIENCE]))
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::pairs([
            (person("carol"), person("alice")),
            (person("ren\u{e9}e"), person("alice")),
        ]));
    let (builder, principal) = keeping(builder);
    let layer = builder.build().unwrap();
    let as_alice = [("impersonate-user", "alice")];
    for sub in [
        "Carol",
        "carol ",
        " carol",
        "carol\u{0}",
        "carol\nlevel=ERROR marker",
        "carol\r",
        "carol\u{1b}[31m",
        "\u{202e}lorac",
        "c\u{430}rol",
        "carol\u{200b}",
        "rene\u{301}e",
    ] {
        let token = forge.claim("sub", json!(sub));
        let seen = desk.send(&layer, get(&token, &[])).await;
        seen.assert_ran_as(sub, None);
        assert_eq!(principal().key(), &person(sub));
        let seen = desk.send(&layer, get(&token, &as_alice)).await;
        seen.assert_refused(403);
        desk.assert_denied(sub, None, "pairs");
    }
    for sub in ["carol", "ren\u{e9}e"] {
        let token = forge.claim("sub", json!(sub));
        let seen = desk.send(&layer, get(&token, &as_alice)).await;
        seen.assert_ran_as("alice", Some(sub));
        desk.assert_recorded(sub, Some("alice"));
    }
    let logged = log.text();
    assert!(logged.contains("marker"), "{logged}");
    for raw in ["\u{0}", "\r", "\u{1b}", "\u{202e}", "\nlevel"] {
        assert!(!logged.contains(raw), "{raw:?} in {logged}");
    }
}

#[tokio::test]
async fn a40_a_claim_that_stands_twice_is_refused_whatever_it_is() {
    let forge = Forge::new();
    let trial = forge.trial();
    for twice in [
        r#""sub":"carol""#,
        r#""sub":"root""#,
        r#""s\u0075b":"root""#,
        r#""iss":"https://evil.example.com""#,
        r#""aud":"desk-api""#,
        r#""exp":1700000300"#,
        r#""exp":9999999999"#,
        r#""groups":["admins"]"#,
        r#""impersonating":{"sub":"alice"},"impersonating":{"sub":"bob"}"#,
        r#""impersonating":{"sub":"alice","sub":"bob"}"#,
        r#""act":{"sub":"alice"},"act":{"sub":"alice"}"#,
        r#""act":{"sub":"alice","act":{"sub":"x","\u0073ub":"y"}}"#,
        r#""cognito:groups":["a"],"cognito:groups":["b"]"#,
        r#""cognito:groups":["a"],"cognito\u003agroups":["b"]"#,
        r#""token_use":"access","token_use":"id""#,
        r#""scope":"a","scope":"b""#,
        r#""deep":[{"x":[{"y":1,"y":1}]}]"#,
    ] {
        trial
            .refuses(&forge.claims_and(twice), PAYLOAD, twice)
            .await;
    }
    let alike = r#""Sub":"root","sub ":"root","deep":[{"sub":1},{"sub":1}]"#;
    trial.fetched_nothing(&forge.claims_and(alike)).await;
}

#[tokio::test]
async fn a41_a_payload_that_is_not_one_object_is_refused() {
    let forge = Forge::new();
    let trial = forge.trial();
    let good = forge.claims().to_string();
    let now = forge.desk.clock.now().unix_seconds();
    let payloads: [(&str, Vec<u8>); 13] = [
        ("an array", format!("[{good}]").into()),
        (
            "positions",
            json!([now + 300, now, "carol", ISSUER, support::AUDIENCE])
                .to_string()
                .into(),
        ),
        ("a text", json!(good).to_string().into()),
        ("a number", b"7".to_vec()),
        ("null", b"null".to_vec()),
        ("true", b"true".to_vec()),
        ("a space", b" ".to_vec()),
        ("two objects", format!("{good}{good}").into()),
        ("more behind", format!("{good}\u{0}").into()),
        ("no end", good[..good.len() - 1].into()),
        ("a comma at the end", good.replace("\"}", "\",}").into()),
        ("a comment", format!("{good}/**/").into()),
        ("quotes of another kind", good.replace('"', "'").into()),
    ];
    for (case, payload) in payloads {
        trial.refuses(&forge.saying(payload), PAYLOAD, case).await;
    }
    let nothing = forge.saying("{}");
    trial.refuses(&nothing, UNKNOWN_ISSUER, "{}").await;
    let empty = forge.seal(&encode(forge::header().to_string()), "");
    trial.refuses(&empty, PAYLOAD, "empty").await;
    let spaced = forge.saying(format!(" \r\n\t{good}\n"));
    trial.fetched_nothing(&spaced).await;
}
