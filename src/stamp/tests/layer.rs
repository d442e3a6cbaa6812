use std::sync::atomic::Ordering;

use tracing::subscriber::{set_default, with_default};
use tracing::{Instrument, Span, info, info_span};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, Layer, registry};

use super::{EXPECTED, Exported, Log, poll, request, stamp, values};
use crate::stamp::subscriber::StampLayer;
use crate::stamp::{complete_span, current, fields, open_span};

#[test]
fn every_span_inside_is_stamped_once_and_none_outside() {
    let otel = Exported::new();
    let subscriber = registry().with(otel.layer()).with(StampLayer::new());
    with_default(subscriber, || {
        drop(info_span!("before"));
        let background = info_span!("background");
        request(|| {
            let child = info_span!("child");
            child.in_scope(|| info_span!("grandchild").in_scope(|| info!("deep")));
            let root = info_span!(parent: None, "root");
            root.in_scope(|| drop(info_span!("child_of_root")));
            drop(info_span!(parent: &background, "explicit"));
        });
        drop(background);
        drop(info_span!("after"));
    });
    for name in [
        "outer",
        "impersonation.request",
        "child",
        "grandchild",
        "root",
        "child_of_root",
        "explicit",
    ] {
        otel.assert_stamped_once(name);
    }
    for name in ["before", "background", "after"] {
        otel.assert_not_stamped(name);
    }
}

#[tokio::test]
async fn tasks_spawned_in_the_current_span_are_stamped() {
    let otel = Exported::new();
    let _default = set_default(registry().with(otel.layer()).with(StampLayer::new()));
    let task = || async {
        assert_eq!(current(), None, "nothing is entered where tasks run");
        drop(info_span!("spawned"));
        drop(info_span!(parent: None, "spawned_root"));
    };
    let own = request(|| {
        // From the request's own span and from a child of it.
        let direct = tokio::spawn(async { drop(info_span!("direct")) }.instrument(Span::current()));
        let through = info_span!("child").in_scope(|| tokio::spawn(task().in_current_span()));
        (direct, through)
    });
    own.0.await.expect("does not panic");
    own.1.await.expect("does not panic");
    tokio::spawn(async { drop(info_span!("bare")) })
        .await
        .expect("does not panic");
    for name in ["direct", "child", "spawned", "spawned_root"] {
        otel.assert_stamped_once(name);
    }
    otel.assert_not_stamped("bare");
}

#[test]
fn the_outer_span_hands_nothing_down() {
    let otel = Exported::new();
    let subscriber = registry().with(otel.layer()).with(StampLayer::new());
    with_default(subscriber, || {
        let connection = info_span!("connection");
        stamp().record_on(&connection);
        connection.in_scope(|| drop(info_span!("next_request")));
    });
    otel.assert_stamped_once("connection");
    otel.assert_not_stamped("next_request");
}

#[test]
fn a_look_up_before_the_decision_is_not_stamped() {
    let otel = Exported::new();
    let subscriber = registry().with(otel.layer()).with(StampLayer::new());
    with_default(subscriber, || {
        let own = open_span(stamp().actor(), stamp().strategy());
        own.in_scope(|| drop(info_span!("lookup")));
        complete_span(&own, &stamp());
        own.in_scope(|| drop(info_span!("audit")));
        poll(&own, || drop(info_span!("handler")));
    });
    otel.assert_not_stamped("lookup");
    for name in ["audit", "handler", "impersonation.request"] {
        otel.assert_stamped_once(name);
    }
}

#[test]
fn json_and_text_logs_show_the_fields_and_keep_the_spans_own() {
    let (json, text) = (Log::default(), Log::default());
    let subscriber = registry().with(json.json_layer()).with(StampLayer::new());
    let handler = || info_span!(parent: None, "child", order = 7).in_scope(|| info!("loaded"));
    with_default(subscriber, || request(handler));
    let line = json.json().remove(0);
    for (field, expected) in EXPECTED {
        assert_eq!(line["span"][field], expected);
    }
    assert_eq!(line["span"]["order"], 7);

    let subscriber = registry().with(text.text_layer()).with(StampLayer::new());
    with_default(subscriber, || request(handler));
    let text = text.text();
    assert!(text.contains("child{order=7 user.id"), "{text}");
    for (field, _) in EXPECTED {
        assert_eq!(text.matches(&format!("{field}=")).count(), 1, "{text}");
    }
}

#[test]
fn filters_are_respected() {
    let (log, otel) = (Log::default(), Exported::new());
    let subscriber = registry()
        .with(EnvFilter::new("warn"))
        .with(log.json_layer())
        .with(otel.layer())
        .with(StampLayer::new());
    with_default(subscriber, || {
        request(|| {
            info_span!("filtered").in_scope(|| {
                tracing::error_span!("kept").in_scope(|| tracing::warn!("slow"));
            });
        });
    });
    otel.assert_stamped_once("kept");
    let line = log.json().remove(0);
    assert_eq!(line["span"]["name"], "kept");
    assert_eq!(line["span"][fields::ACTOR_SUB], "support-sub");
    assert_eq!(line["spans"].as_array().map(Vec::len), Some(2));

    let otel = Exported::new();
    let subscriber = registry()
        .with(otel.layer().with_filter(EnvFilter::new("info")))
        .with(StampLayer::new().with_filter(EnvFilter::new("info")));
    with_default(subscriber, || request(|| drop(info_span!("child"))));
    otel.assert_stamped_once("child");
}

#[test]
fn a_span_that_stamps_itself_is_left_alone() {
    let otel = Exported::new();
    let subscriber = registry().with(otel.layer()).with(StampLayer::new());
    with_default(subscriber, || {
        request(|| {
            drop(info_span!("whole", impersonation.actor.sub = "mine"));
            drop(info_span!("user", user.id = "mine"));
            drop(info_span!("empty", user.id = tracing::field::Empty));
        });
    });
    let whole = otel.span("whole");
    assert_eq!(values(&whole, fields::ACTOR_SUB), ["mine"]);
    assert!(values(&whole, fields::TARGET_SUB).is_empty());
    let user = otel.span("user");
    assert_eq!(values(&user, fields::USER_ID), ["mine"]);
    assert_eq!(values(&user, fields::ACTOR_SUB), ["support-sub"]);
    otel.assert_stamped_once("empty");
}

#[test]
fn excluded_targets_and_what_they_open_later_are_left_out() {
    let otel = Exported::new();
    let layer = StampLayer::new().exclude(["pool"]);
    with_default(registry().with(otel.layer()).with(layer), || {
        let connection = request(|| {
            drop(info_span!(target: "pool::conn", "pooled"));
            drop(info_span!(target: "pooling", "pooling"));
            info_span!(target: "h2::proto", "connection")
        });
        connection.in_scope(|| drop(info_span!("maintenance")));
    });
    for name in ["pooled", "connection", "maintenance"] {
        otel.assert_not_stamped(name);
    }
    otel.assert_stamped_once("pooling");
}

#[test]
fn two_layers_stamp_once() {
    let otel = Exported::new();
    let subscriber = registry()
        .with(otel.layer())
        .with(StampLayer::new())
        .with(StampLayer::new());
    with_default(subscriber, || request(|| drop(info_span!("child"))));
    otel.assert_stamped_once("child");
}

#[test]
fn a_layer_inside_an_option_counts_and_warns_once() {
    let log = Log::default();
    let layer = StampLayer::new();
    let missed = layer.missed();
    with_default(registry().with(log.text_layer()).with(Some(layer)), || {
        request(|| {
            for _ in 0..3 {
                info_span!("child").in_scope(|| info!("handled"));
            }
        });
    });
    assert_eq!(missed.load(Ordering::Relaxed), 3);
    assert_eq!(log.text().matches("spans are not stamped").count(), 1);
}
