use std::panic::{AssertUnwindSafe, catch_unwind};

use tracing::subscriber::with_default;
use tracing_subscriber::filter::LevelFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;
use tracing_subscriber::{EnvFilter, Layer};

use super::{EXPECTED, Exported, Log, request, stamp, values};
use crate::identity::{IdentityKey, Names};
use crate::stamp::{OuterSpans, Stamp, current, fields, lend, open_span};
use crate::terms::{Mode, Strategy};

#[test]
fn a_plain_request_gets_its_user_on_a_span_that_does_not_declare_it() {
    let (text, json, otel) = (Log::default(), Log::default(), Exported::new());
    let both = registry().with(json.json_layer()).with(otel.layer());
    with_default(both, || {
        let plain = || {
            OuterSpans::new().record_user("alice-sub");
            tracing::info!("handled");
        };
        tracing::info_span!("outer", route = "/me").in_scope(plain);
        tracing::info!("outside");
    });
    with_default(registry().with(text.text_layer()), || {
        tracing::info_span!("outer", route = "/me").in_scope(|| {
            OuterSpans::new().record_user("alice-sub");
            tracing::info!("handled");
        });
    });
    let lines = json.json();
    assert_eq!(lines[0]["span"]["user.id"], "alice-sub");
    assert_eq!(lines[0]["span"]["route"], "/me");
    assert!(lines[1].get("span").is_none());
    let expected = r#"outer{route="/me" user.id="alice-sub"}"#;
    assert!(text.text().contains(expected), "{}", text.text());
    assert_eq!(values(&otel.span("outer"), "user.id"), ["alice-sub"]);
    assert!(values(&otel.span("outer"), fields::ACTOR_SUB).is_empty());
}

#[test]
fn a_span_that_declares_the_field_gets_it_too() {
    let otel = Exported::new();
    with_default(registry().with(otel.layer()), || {
        let outer = tracing::info_span!("outer", user.id = tracing::field::Empty);
        outer.in_scope(|| OuterSpans::new().record_user("alice-sub"));
    });
    assert_eq!(values(&otel.span("outer"), "user.id"), ["alice-sub"]);
}

#[test]
fn without_a_subscriber_or_a_span_nothing_happens() {
    let outer = OuterSpans::new();
    outer.record_user("alice-sub");
    stamp().record_on(&tracing::Span::none());
    let log = Log::default();
    with_default(registry().with(log.text_layer()), || {
        outer.record_user("alice-sub");
        tracing::info!("no span");
    });
    assert!(!log.text().contains("alice-sub"));
}

/// A registry gives the ids of closed spans again, after some thousands.
#[cfg(feature = "subscriber")]
#[test]
fn each_of_many_spans_one_after_the_other_is_stamped() {
    let json = Log::default();
    let errors = json.json_layer().with_filter(LevelFilter::WARN);
    with_default(registry().with(errors), || {
        let outer = OuterSpans::new();
        for n in 0..20_000 {
            let user = format!("user-{n}");
            tracing::warn_span!("request").in_scope(|| {
                outer.record_user(&user);
                if n % 1_000 == 999 {
                    tracing::warn!("handled");
                }
            });
        }
    });
    let lines = json.json();
    assert_eq!(lines.len(), 20, "{lines:?}");
    for (n, line) in lines.iter().enumerate() {
        let user = format!("user-{}", n * 1_000 + 999);
        assert_eq!(line["span"]["user.id"], user, "{line}");
    }
}

#[cfg(feature = "subscriber")]
#[test]
fn a_span_that_serves_several_requests_keeps_its_first_stamp_and_one_warning_tells() {
    let (json, otel) = (Log::default(), Exported::new());
    let both = registry().with(json.json_layer()).with(otel.layer());
    with_default(both, || {
        let outer = OuterSpans::new();
        tracing::info_span!("connection").in_scope(|| {
            outer.record(&stamp());
            outer.record(&stamp());
            outer.record_user("bob-sub");
            outer.record_user("alice-sub");
        });
        tracing::info_span!("request").in_scope(|| outer.record_user("bob-sub"));
    });
    otel.assert_stamped_once("connection");
    assert_eq!(values(&otel.span("connection"), "user.id"), ["alice-sub"]);
    assert_eq!(values(&otel.span("request"), "user.id"), ["bob-sub"]);
    let lines = json.json();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let said = lines[0]["fields"]["message"].as_str().unwrap_or_default();
    assert!(said.contains("serves several requests"), "{said}");
}

#[test]
fn own_and_outer_span_show_every_field_once() {
    let (json, otel) = (Log::default(), Exported::new());
    let both = registry().with(json.json_layer()).with(otel.layer());
    with_default(both, || {
        request(|| {
            tracing::info!("handled");
            drop(tracing::info_span!("child"));
        });
    });
    otel.assert_stamped_once("outer");
    otel.assert_not_stamped("child");
    otel.assert_stamped_once("impersonation.request");

    let line = json.json().remove(0);
    for (field, expected) in EXPECTED {
        assert_eq!(line["span"][field], expected);
        for span in line["spans"].as_array().expect("a list of spans") {
            assert_eq!(span[field], expected);
        }
    }
    assert_eq!(line["span"]["name"], "impersonation.request");
}

#[test]
fn an_undecided_span_shows_the_actor_only() {
    let otel = Exported::new();
    with_default(registry().with(otel.layer()), || {
        drop(open_span(stamp().actor(), Strategy::Act));
    });
    let span = otel.span("impersonation.request");
    assert_eq!(values(&span, fields::ACTOR_SUB), ["support-sub"]);
    assert_eq!(values(&span, fields::STRATEGY), ["act"]);
    assert!(values(&span, fields::USER_ID).is_empty());
    assert!(values(&span, fields::TARGET_SUB).is_empty());
}

#[test]
fn the_own_span_survives_a_filter_at_warn() {
    let log = Log::default();
    let subscriber = registry()
        .with(EnvFilter::new("warn"))
        .with(log.json_layer());
    with_default(subscriber, || {
        request(|| {
            tracing::info!("filtered out");
            tracing::info_span!("inner").in_scope(|| tracing::warn!("kept"));
        });
    });
    let lines = log.json();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["span"]["name"], "impersonation.request");
    assert_eq!(lines[0]["span"][fields::ACTOR_SUB], "support-sub");
    assert_eq!(lines[0]["span"][fields::USER_ID], "alice-sub");
}

#[test]
fn a_role_has_no_target_and_the_actor_remains_the_user() {
    let actor = IdentityKey::new("https://staff.example.com", "support-sub");
    let groups = Names::from(["auditors"]);
    let role = Stamp::impersonation(&actor, None, Mode::Full, Strategy::Role, Some(&groups));
    assert_eq!(role.user(), "support-sub");

    let otel = Exported::new();
    with_default(registry().with(otel.layer()), || {
        role.record_on(&tracing::info_span!("outer"));
    });
    let span = otel.span("outer");
    assert_eq!(values(&span, fields::USER_ID), ["support-sub"]);
    assert_eq!(values(&span, fields::GROUPS), ["auditors"]);
    assert!(values(&span, fields::TARGET_SUB).is_empty());
    assert!(values(&span, fields::TARGET_ISS).is_empty());
}

#[test]
fn the_current_stamp_is_restored_also_by_a_panic() {
    let role = role();
    assert_eq!(current(), None);
    let outer = stamp().enter();
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _inner = role.enter();
        assert_eq!(current().as_ref(), Some(&role));
        std::panic::resume_unwind(Box::new("handler"));
    }));
    assert!(caught.is_err());
    assert_eq!(current(), Some(stamp()));
    drop(outer);
    assert_eq!(current(), None);
}

#[test]
fn a_stamp_that_is_lent_comes_back() {
    let outer = role().enter();
    let mut place = Some(stamp());
    let address = place.as_ref().map(Stamp::address);
    for _ in 0..2 {
        let lent = lend(&mut place);
        assert_eq!(current(), Some(stamp()));
        {
            let _inner = role().enter();
            assert_eq!(current(), Some(role()));
        }
        drop(lent);
        assert_eq!(place.as_ref().map(Stamp::address), address);
        assert_eq!(current(), Some(role()));
    }
    let caught = catch_unwind(AssertUnwindSafe(|| {
        let _lent = lend(&mut place);
        std::panic::resume_unwind(Box::new("handler"));
    }));
    assert!(caught.is_err());
    assert_eq!(place.as_ref().map(Stamp::address), address);
    drop(outer);
    assert_eq!(current(), None);
}

#[test]
fn a_guard_that_is_forgotten_puts_nobody_elses_stamp_into_its_place() {
    let mut place = Some(stamp());
    let lent = lend(&mut place);
    Box::leak(Box::new(role().enter()));
    assert_eq!(current(), Some(role()));
    drop(lent);
    assert_eq!(place, None, "it does not come back");
    assert_eq!(current(), None);
}

fn role() -> Stamp {
    let actor = IdentityKey::new("iss", "actor");
    Stamp::impersonation(&actor, None, Mode::Full, Strategy::Role, None)
}

#[test]
fn debug_shows_the_pair() {
    let shown = format!("{:?}", stamp());
    assert!(shown.contains("support-sub") && shown.contains("alice-sub"));
}
