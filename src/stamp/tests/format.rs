use serde_json::Value;
use tracing::subscriber::with_default;
use tracing::{Dispatch, info, info_span};
use tracing_subscriber::fmt::format::{JsonFields, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use super::{EXPECTED, Log, request};
use crate::identity::IdentityKey;
use crate::stamp::subscriber::{StampFormat, StampLayer};
use crate::stamp::{Stamp, carry, fields, spawn, spawn_blocking};
use crate::terms::{Mode, Strategy};

/// JSON as most services write it, and with the fields of events at the top.
fn json(log: &Log, flat: bool) -> Dispatch {
    let log = log.clone();
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(StampFormat::json(format().json().flatten_event(flat)))
        .with_writer(move || log.clone());
    registry().with(lines).with(StampLayer::carrying()).into()
}

/// The line has each field at its top exactly once.
#[track_caller]
fn assert_at_the_top(line: &str) {
    let object: Value = serde_json::from_str(line).expect("a line is an object");
    for (name, expected) in EXPECTED {
        assert_eq!(object[name], expected, "{line}");
        assert_eq!(top_level(line, name), 1, "{name} in {line}");
    }
}

/// How often, told by a parser that keeps duplicates.
fn top_level(line: &str, name: &str) -> usize {
    struct Count<'a>(&'a str);
    impl<'de> serde::de::Visitor<'de> for Count<'_> {
        type Value = usize;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("an object")
        }

        fn visit_map<A: serde::de::MapAccess<'de>>(self, mut map: A) -> Result<usize, A::Error> {
            let mut found = 0;
            while let Some((key, _)) = map.next_entry::<String, serde::de::IgnoredAny>()? {
                found += usize::from(key == self.0);
            }
            Ok(found)
        }
    }
    let mut parser = serde_json::Deserializer::from_str(line);
    serde::Deserializer::deserialize_map(&mut parser, Count(name)).expect("an object")
}

#[test]
fn each_line_of_an_impersonated_request_has_the_stamp_once_and_others_have_none() {
    for flat in [false, true] {
        let log = Log::default();
        tracing::dispatcher::with_default(&json(&log, flat), || {
            info!("before");
            request(|| {
                info!("handled");
                info_span!("child").in_scope(|| info!(parent: None, answer = 42, "apart"));
                info!("a message with \"quotes\", {{braces}} and \"user.id\": \"nobody\"");
            });
            info!("after");
        });
        let text = log.text();
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 5);
        for line in &lines[1..4] {
            assert_at_the_top(line);
        }
        for line in [lines[0], lines[4]] {
            assert!(!line.contains(fields::ACTOR_SUB), "{line}");
        }
        let message = if flat {
            &log.json()[3]["message"]
        } else {
            &log.json()[3]["fields"]["message"]
        };
        assert!(
            message
                .as_str()
                .is_some_and(|text| text.contains("{braces}"))
        );
    }
}

#[test]
fn a_key_that_the_event_declares_is_not_written_twice() {
    for flat in [false, true] {
        let log = Log::default();
        tracing::dispatcher::with_default(&json(&log, flat), || {
            request(|| info!({ user.id = "alice-sub", note = "\"x\":{" }, "own"));
        });
        let text = log.text();
        assert_at_the_top(text.trim_end());
    }
}

#[test]
fn text_lines_end_with_the_stamp_whatever_it_says() {
    let log = Log::default();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt::layer()
        .event_format(StampFormat::text(format().with_ansi(false).without_time()))
        .with_writer(move || writer.clone());
    let actor = IdentityKey::new("https://staff.example.com", "a\u{1b}[31m\n\u{202e}b\"");
    let role = Stamp::impersonation(&actor, None, Mode::Full, Strategy::Role, None);
    with_default(registry().with(lines), || {
        info!("before");
        let _role = role.enter();
        info!("inside");
        info!({ user.id = tracing::field::Empty }, "empty");
        info!({ user.id = "mine" }, "own");
    });
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    assert!(!lines[0].contains("user.id"));
    assert!(lines[2].contains(r#" user.id="a\u001b"#), "{text}");
    assert_eq!(lines[3].matches("user.id=").count(), 1, "{text}");
    assert!(lines[3].contains(r#"user.id="mine""#), "{text}");
    let escaped = r#"user.id="a\u001b[31m\n\u202eb\"" impersonation.actor.sub="a\u001b"#;
    assert!(lines[1].contains(escaped), "{text}");
    assert!(
        lines[1].ends_with(r#"impersonation.strategy="role""#),
        "{text}"
    );
}

#[tokio::test]
async fn what_is_spawned_takes_the_stamp_along() {
    let log = Log::default();
    let dispatch = json(&log, false);
    let _default = tracing::dispatcher::set_default(&dispatch);
    let tasks = request(|| {
        let work = async {
            tokio::task::yield_now().await;
            info!("spawned");
        };
        let subscriber = dispatch.clone();
        let blocking = move || tracing::dispatcher::with_default(&subscriber, || info!("blocking"));
        (
            spawn(work),
            spawn_blocking(blocking),
            carry(async { info!("carried") }),
        )
    });
    tasks.0.await.expect("it ran");
    tasks.1.await.expect("it ran");
    tasks.2.await;
    info!("after");
    let text = log.text();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 4, "{text}");
    for line in &lines[..3] {
        assert_at_the_top(line);
    }
    assert!(!lines[3].contains(fields::ACTOR_SUB), "{text}");
}

#[tokio::test]
async fn what_is_dropped_is_stamped_while_it_is_dropped() {
    struct Told;
    impl Drop for Told {
        fn drop(&mut self) {
            info!(parent: None, "dropped");
        }
    }

    let log = Log::default();
    let _default = tracing::dispatcher::set_default(&json(&log, false));
    let told = Told;
    let future = request(|| {
        carry(async move {
            let _told = told;
            std::future::pending::<()>().await;
        })
    });
    drop(future);
    assert_at_the_top(log.text().trim_end());
}

#[tokio::test]
async fn a_task_in_the_current_span_is_found_by_its_span() {
    use tracing::Instrument;

    let log = Log::default();
    let _default = tracing::dispatcher::set_default(&json(&log, false));
    let task = request(|| tokio::spawn(async { info!("spawned") }.in_current_span()));
    task.await.expect("it ran");
    assert_at_the_top(log.text().trim_end());
}
