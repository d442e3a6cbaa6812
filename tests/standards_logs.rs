//! OWASP ASVS 5.0, chapter 16: what the record says, S15, and what it withstands, S16.
//!
//! That a change of the log shows (16.4.2, a third of S16) is held by `audit_chain.rs`. Where logs are
//! shipped to (16.4.3) is the sink's, and `AuditSink` is the application's to implement.

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use std::collections::BTreeSet;

use http::HeaderValue;
use serde_json::{Value, json};
use sinks::{Folder, lines};
use support::{Desk, ISSUER, get};
use tower_impersonate::audit::{self, EventName};

const AS_ALICE: &[(&str, &str)] = &[("impersonate-user", "alice")];

/// The names of an event's fields.
fn fields(event: &Value) -> BTreeSet<&str> {
    event
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect()
}

#[tokio::test]
async fn s15_the_record_says_who_did_what_where_and_when_and_no_secret() {
    let desk = Desk::new();
    let token = desk
        .token("carol", &["support"])
        .claim("email", "carol@example.com")
        .sign();
    let request = |user: &str| {
        let headers = [
            ("impersonate-user", user),
            ("impersonate-reason", "ticket 4711"),
            ("user-agent", "curl/8"),
            ("x-request-id", "r-1"),
            ("cookie", "session=s3cret"),
        ];
        let mut request = get(&token, &headers);
        *request.uri_mut() = "/orders?card=4111".parse().unwrap();
        request
    };
    let layer = desk.layer();
    desk.send(&layer, request("alice"))
        .await
        .assert_ran_as("alice", Some("carol"));
    desk.send(&layer, request("root")).await.assert_refused(403);
    desk.send(&layer, request("nobody"))
        .await
        .assert_refused(403);
    let events = desk.sink.events();
    let common = json!({
        "impersonation.schema.version": "1.0",
        "time": "2023-11-14T22:13:20.000000000Z",
        "impersonation.actor.sub": "carol",
        "impersonation.actor.iss": ISSUER,
        "impersonation.actor.tenant": ISSUER,
        "impersonation.strategy": "header",
        "impersonation.reason": "ticket 4711",
    });
    let at = json!({
        "http.request.method": "GET", "url.path": "/orders", "user_agent.original": "curl/8",
        "http.request.id": "r-1",
    });
    let target = |sub: &str| {
        json!({
            "user.id": sub, "impersonation.target.sub": sub, "impersonation.target.iss": ISSUER,
            "impersonation.target.tenant": ISSUER,
        })
    };
    let full = json!({ "impersonation.mode": "full" });
    let done = json!({ "http.response.status_code": 200, "impersonation.duration_ms": 0 });
    let rule = |rule: &str| json!({ "impersonation.deny.rule": rule });
    let wanted = json!({
        "user.id": "carol", "impersonation.wanted": "nobody", "impersonation.wanted.iss": ISSUER,
    });
    for (event, name, outcome, parts) in [
        (
            &events[0],
            EventName::Request,
            "success",
            vec![&at, &target("alice"), &full],
        ),
        (
            &events[1],
            EventName::Completed,
            "success",
            vec![&target("alice"), &full, &done],
        ),
        (
            &events[2],
            EventName::Denied,
            "failure",
            vec![&at, &target("root"), &rule("not(target_in_group(admins))")],
        ),
        (
            &events[3],
            EventName::Denied,
            "failure",
            vec![&at, &wanted, &rule("target_not_found")],
        ),
    ] {
        let mut expected = common.clone();
        let whole = expected.as_object_mut().unwrap();
        for part in parts {
            whole.extend(part.as_object().unwrap().clone());
        }
        whole.insert("event.name".into(), name.as_str().into());
        whole.insert("impersonation.outcome".into(), outcome.into());
        whole.insert("event.id".into(), event["event.id"].clone());
        if name == EventName::Completed {
            let completes = "impersonation.request.event.id";
            whole.insert(completes.into(), events[0]["event.id"].clone());
        }
        assert_eq!(fields(event), fields(&expected));
        assert_eq!(*event, expected);
    }
    assert_eq!(events.len(), 4);
    let all = json!(events).to_string();
    let secrets = token
        .split('.')
        .chain(["Bearer", "s3cret", "4111", "@example.com"]);
    for secret in secrets {
        assert!(!all.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn s15_every_attempt_to_get_round_the_rules_is_recorded() {
    let desk = Desk::new();
    let layer = desk.layer();
    let carol = || desk.token("carol", &["support"]);
    let person = json!({ "sub": "alice" });
    for (token, headers, status) in [
        (
            desk.token("alice", &[]),
            &[("impersonate-user", "bob")][..],
            403,
        ),
        (carol(), &[("impersonate-user", "carol")], 400),
        (carol(), &[("impersonate-user", "")], 400),
        (carol(), &[("impersonate_user", "alice")], 400),
        (
            carol(),
            &[("impersonate-user", "alice"), ("impersonate-user", "bob")],
            400,
        ),
        (carol(), &[("connection", "impersonate-user")], 400),
        (carol(), &[("impersonate-group", "admins")], 400),
        (
            carol(),
            &[("impersonate-user", "alice"), ("upgrade", "websocket")],
            403,
        ),
        (carol().claim("act", &person), &[], 403),
        (carol().claim("impersonating", &person), &[], 403),
        (carol().claim("act", "root"), &[], 401),
        (carol().claim("grant_id", "g-1"), &[], 401),
        (desk.token("robot", &[]).client_id("robot"), AS_ALICE, 403),
    ] {
        let seen = desk.send(&layer, get(&token.sign(), headers)).await;
        seen.assert_refused(status);
        let denied = desk.denial();
        assert!(denied["impersonation.deny.rule"].is_string());
        assert_eq!(desk.sink.events().len(), 1, "{headers:?}");
        desk.sink.clear();
    }
}

#[tokio::test]
async fn s16_nothing_that_a_client_writes_breaks_a_line_of_the_log_or_a_field() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let hostile = "carol\n{\"event.name\":\"impersonation.request\"}\r\n\u{1b}[31m\0\u{7f}\u{85}\
        \u{2028}\u{2029}\u{202e}\"\\\",\"user.id\":\"root";
    let agent = "a\",\"user.id\":\"root\\ {\"event.name\":\"x\"}";
    let layer = desk.unrecorded().audit(audit::jsonl(folder.file()));
    let layer = layer.build().unwrap();
    let token = desk.token(hostile, &["support"]).username(hostile).sign();
    let headers = [
        ("impersonate-user", "alice"),
        ("user-agent", agent),
        ("x-request-id", agent),
    ];
    let mut request = get(&token, &headers);
    *request.uri_mut() = "/orders%0a{%22event.name%22}%1b[31m".parse().unwrap();
    let reason = "a\u{2028}\u{202e}\",\"x\":\"y";
    let why = HeaderValue::from_bytes(reason.as_bytes()).unwrap();
    request.headers_mut().insert("impersonate-reason", why);
    let seen = desk.send(&layer, request).await;
    seen.assert_ran_as("alice", Some(hostile));
    let refused = [("impersonate-user", "root"), ("user-agent", agent)];
    desk.send(&layer, get(&token, &refused))
        .await
        .assert_refused(403);

    let text = std::fs::read_to_string(folder.file()).unwrap();
    let broken = |c: char| c != '\n' && (c.is_control() || "\u{2028}\u{2029}\u{202e}".contains(c));
    assert_eq!(text.chars().find(|c| broken(*c)), None, "{text:?}");
    let written = lines(&folder.file());
    let names: Vec<_> = written.iter().map(|line| &line["event.name"]).collect();
    let expected = [EventName::Request, EventName::Completed, EventName::Denied];
    assert_eq!(names, expected.map(EventName::as_str));
    for line in &written {
        assert_eq!(
            line["impersonation.actor.sub"], hostile,
            "it is what it was"
        );
    }
    assert_eq!(written[0]["user.id"], "alice");
    assert_eq!(written[0]["user_agent.original"], agent);
    assert_eq!(written[0]["impersonation.reason"], reason);
}
