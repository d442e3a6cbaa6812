//! No part of a token in any answer, log, record or debug text.

mod support;

use std::io;
use std::sync::{Arc, Mutex};

use serde_json::json;
use support::expect::keeping;
use support::{Desk, Seen, get};
use tower_impersonate::secret::Secret;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::time::Clock;
use tower_impersonate::token::{Algorithm, Authenticator};
use tower_impersonate::{policy, resolve};
use tracing_subscriber::fmt::MakeWriter;

/// Everything that was logged.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Log {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Log {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// The token as a whole contains its parts, and a part is longer than any word it may share.
#[track_caller]
fn assert_none_of(token: &str, text: &str, place: &str) {
    for part in token.split('.').filter(|part| part.len() > 8) {
        let begin = &part[..part.len().min(24)];
        assert!(
            !text.contains(begin),
            "{begin} of the token in {place}: {text}"
        );
    }
}

fn shown(seen: &Seen) -> String {
    let mut text = format!("{seen:?} {:?}", seen.answer());
    if let Some(rejection) = &seen.rejection {
        let mut cause: Option<&dyn std::error::Error> = Some(rejection);
        while let Some(error) = cause {
            text.push_str(&format!(" {error} {error:?} {error:#?}"));
            cause = error.source();
        }
    }
    text
}

#[tokio::test]
async fn no_token_in_any_answer_error_log_or_record() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_span_events(tracing_subscriber::fmt::format::FmtSpan::FULL)
        .with_ansi(false)
        .with_writer(log.clone())
        .finish();
    // For the whole process: a subscriber of one thread alone may come too late for a call site that
    // another test reached first.
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let desk = Desk::new();
    let remote = TestIssuer::start().await.with_clock(desk.clock.clone());
    let layer = desk
        .bare()
        .issuer(desk.accepted().trust_claim("impersonating").trust_act())
        .issuer(remote.issuer())
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .policy(policy::in_group("support"))
        .build()
        .unwrap();
    let carol = || desk.token("carol", &["support"]);
    let as_alice: &[_] = &[("impersonate-user", "alice")];
    let good = carol().sign();
    let tampered = format!("{}AAAA", &good[..good.len() - 4]);
    let tokens = [
        (good.clone(), as_alice),
        (good.clone(), &[]),
        (good, &[("impersonate-user", "mallory")]),
        (tampered, as_alice),
        (
            carol()
                .claim("impersonating", json!({ "sub": "alice" }))
                .sign(),
            &[],
        ),
        (
            desk.token("alice", &[])
                .claim("act", json!({ "sub": "carol" }))
                .sign(),
            &[],
        ),
        (desk.alice(), as_alice),
        (carol().header("kid", "rsa-9").sign(), as_alice),
        (
            carol().claim("iss", "https://evil.example.com").sign(),
            as_alice,
        ),
        (carol().claim("exp", "never").sign(), as_alice),
        (carol().algorithm(Algorithm::PS512).sign(), as_alice),
        (remote.token("carol").sign(), &[]),
        (remote.token("carol").header("kid", "rsa-9").sign(), &[]),
        ("c2VjcmV0LXBhcnQtb25l.c2VjcmV0LXBhcnQtdHdv".to_owned(), &[]),
        ("c2VjcmV0LXBhcnQtb25l.".repeat(1000), &[]),
    ];
    for (token, headers) in tokens {
        let seen = desk.send(&layer, get(&token, headers)).await;
        assert_none_of(&token, &shown(&seen), "the answer");
        assert_none_of(&token, &log.text(), "the log");
        for event in desk.sink.events() {
            assert_none_of(&token, &event.to_string(), "the record");
        }
        desk.sink.clear();
    }
    let log = log.text();
    for expected in [
        "impersonation.request",
        "rejected",
        "signature does not fit",
    ] {
        assert!(
            log.contains(expected),
            "{expected} is missing: nothing was captured"
        );
    }
}

#[tokio::test]
async fn no_token_in_any_debug_text() {
    let desk = Desk::new();
    let (builder, principal) = keeping(desk.builder());
    let layer = builder.build().unwrap();
    let token = desk
        .token("carol", &["support"])
        .claim("email", "carol@example.com")
        .sign();
    let authenticator = Authenticator::builder()
        .clock(Arc::new(desk.clock.clone()))
        .issuer(desk.accepted())
        .build()
        .unwrap();
    let now = desk.clock.now();
    let claims = authenticator.authenticate(&token, now).await.unwrap();
    desk.send(&layer, get(&token, &[]))
        .await
        .assert_ran_as("carol", None);
    let caller = principal();
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-reason", "ticket"),
    ];
    desk.send(&layer, get(&token, &headers))
        .await
        .assert_ran_as("alice", Some("carol"));
    let target = principal();
    let texts = [
        format!("{:?}", Secret::from(token.as_str())),
        format!("{layer:?} {:?}", desk.builder()),
        format!("{authenticator:?} {claims:?} {:?}", claims.caller()),
        format!("{caller:?} {:?}", caller.identity()),
        format!(
            "{target:?} {:?} {:?}",
            target.impersonation(),
            target.identity()
        ),
    ];
    for text in &texts {
        assert_none_of(&token, text, "debug text");
        assert!(!text.contains("@example.com"), "an attribute: {text}");
    }
    assert!(texts[4].contains("alice") && texts[4].contains("carol"));
}
