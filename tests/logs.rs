//! What log records of a request show, in JSON and in text.

mod support;

#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use serde_json::Value;
use support::{Desk, ISSUER, get};
use tower::{ServiceBuilder, ServiceExt, service_fn};
use tower_http::trace::TraceLayer;
use tower_impersonate::stamp::fields;
use tower_impersonate::stamp::subscriber::StampLayer;
use trace::{Log, scoped};
use tracing::{Level, error, info, info_span, warn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, registry};

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];

const STAMP: [(&str, &str); 7] = [
    (fields::USER_ID, "alice"),
    (fields::ACTOR_SUB, "carol"),
    (fields::ACTOR_ISS, ISSUER),
    (fields::TARGET_SUB, "alice"),
    (fields::TARGET_ISS, ISSUER),
    (fields::MODE, "full"),
    (fields::STRATEGY, "header"),
];

type Answer = BoxBody<Bytes, Infallible>;

async fn handler(_: Request<Full<Bytes>>) -> Result<Response<Answer>, Infallible> {
    info!("loaded");
    tokio::task::yield_now().await;
    info_span!("query", table = "orders").in_scope(|| warn!("slow"));
    error!("broken");
    let body = Full::<Bytes>::from("text").map_frame(|frame| {
        warn!("streamed");
        frame
    });
    Ok(Response::new(body.boxed()))
}

async fn ask(desk: &Desk, headers: &[(&str, &str)]) {
    let trace = TraceLayer::new_for_http()
        .make_span_with(|_: &Request<_>| info_span!("http", route = "/orders"))
        .on_response(|_: &Response<_>, _, _: &tracing::Span| info!("answered"));
    let service = ServiceBuilder::new()
        .layer(trace)
        .layer(desk.layer())
        .service(service_fn(handler));
    let response = service.oneshot(get(&desk.carol(), headers)).await.unwrap();
    assert_eq!(response.status(), 200);
    response.into_body().collect().await.unwrap();
}

#[track_caller]
fn assert_stamped(span: &Value) {
    for (field, value) in STAMP {
        assert_eq!(span[field], value, "{field} of {span}");
    }
}

#[track_caller]
fn assert_clean(span: &Value) {
    for field in fields::ALL {
        assert!(span.get(field).is_none(), "{field} of {span}");
    }
}

/// The span of that name around a record.
#[track_caller]
fn around<'l>(line: &'l Value, name: &str) -> &'l Value {
    let spans = line["spans"].as_array().unwrap();
    let found: Vec<_> = spans.iter().filter(|span| span["name"] == name).collect();
    assert_eq!(found.len(), 1, "{line}");
    found[0]
}

#[tokio::test]
async fn a_record_of_the_handler_shows_both_subs() {
    let log = Log::default();
    let _default = scoped(registry().with(log.json_layer()));
    ask(&Desk::new(), &AS_ALICE).await;
    for message in ["loaded", "slow", "broken", "streamed"] {
        let line = log.line(message);
        assert_stamped(around(&line, "impersonation.request"));
        assert_stamped(around(&line, "http"));
        assert_eq!(around(&line, "http")["route"], "/orders", "kept");
    }
    assert_clean(&log.line("slow")["span"]);
    // The outer layer's own records, too, once it was decided.
    assert_stamped(&log.line("answered")["span"]);
}

#[tokio::test]
async fn with_the_stamp_layer_the_innermost_span_shows_them_too() {
    let log = Log::default();
    let _default = scoped(registry().with(log.json_layer()).with(StampLayer::new()));
    ask(&Desk::new(), &AS_ALICE).await;
    let line = log.line("slow");
    assert_stamped(&line["span"]);
    assert_eq!(line["span"]["table"], "orders", "kept");
}

#[tokio::test]
async fn the_stamp_survives_a_filter_at_warn() {
    let log = Log::default();
    let filtered = registry().with(EnvFilter::new("warn"));
    let _default = scoped(filtered.with(log.json_layer()));
    ask(&Desk::new(), &AS_ALICE).await;
    for message in ["slow", "broken", "streamed"] {
        let line = log.line(message);
        assert_eq!(line["spans"].as_array().unwrap().len(), 1, "{line}");
        assert_eq!(line["span"]["name"], "impersonation.request");
        assert_stamped(&line["span"]);
    }
    assert_eq!(log.json().len(), 3);
}

#[tokio::test]
async fn text_shows_them() {
    let log = Log::default();
    let _default = scoped(registry().with(log.text_layer()));
    ask(&Desk::new(), &AS_ALICE).await;
    let text = log.text();
    let line = text.lines().find(|line| line.ends_with("loaded")).unwrap();
    assert!(line.contains("http{route=\"/orders\""), "{line}");
    for (field, value) in STAMP {
        // Once on the outer span and once on the own one.
        let shown = format!("{field}=\"{value}\"");
        assert_eq!(line.matches(&shown).count(), 2, "{shown} in {line}");
    }
}

#[tokio::test]
async fn a_plain_request_shows_its_user_and_nothing_else() {
    let log = Log::default();
    let _default = scoped(registry().with(log.json_layer()).with(StampLayer::new()));
    ask(&Desk::new(), &[]).await;
    let line = log.line("slow");
    assert_clean(&line["span"]);
    assert_eq!(around(&line, "http")[fields::USER_ID], "carol");
    let text = log.text();
    assert!(!text.contains("impersonation."), "{text}");
}

/// A span around the layer that took a user out of a header shows who was verified, once.
#[tokio::test]
async fn a_user_out_of_a_header_is_written_over_in_lines_of_json() {
    for (headers, user) in [
        (&AS_ALICE[..], "alice"),
        (&[], "carol"),
        (&[("impersonate-user", "root")], "carol"),
    ] {
        let log = Log::default();
        let _default = scoped(registry().with(log.json_layer()));
        let desk = Desk::new();
        let trace = TraceLayer::new_for_http()
            .make_span_with(|_: &Request<_>| info_span!("http", user.id = "mallory"))
            .on_response(|_: &Response<_>, _, _: &tracing::Span| info!("answered"));
        let service = ServiceBuilder::new().layer(trace).layer(desk.layer());
        let service = service.service(service_fn(handler));
        let answer = service.oneshot(get(&desk.carol(), headers)).await.unwrap();
        answer.into_body().collect().await.unwrap();
        let line = log.line("answered");
        assert_eq!(line["span"][fields::USER_ID], user, "{headers:?}");
        let text = log.text();
        let line = text.lines().find(|line| line.contains("answered")).unwrap();
        // In `span`, and in the list of spans.
        assert_eq!(line.matches(r#""user.id""#).count(), 2, "{line}");
        assert!(!line.contains("mallory"), "{line}");
    }
}

#[tokio::test]
async fn logs_never_hold_a_token_or_what_the_directory_knows() {
    let log = Log::default();
    let filter = EnvFilter::new("trace");
    let _default = scoped(registry().with(filter).with(log.json_layer()));
    let desk = Desk::new();
    let token = desk.carol();
    let layer = desk.layer();
    for headers in [&AS_ALICE[..], &[], &[("impersonate-user", "root")]] {
        desk.send(&layer, get(&token, headers)).await;
    }
    let tampered = format!("{}x", &token[..token.len() - 3]);
    desk.send(&layer, get(&tampered, &AS_ALICE)).await;
    let text = log.text();
    assert!(text.contains("rejected"), "{text}");
    for part in token.split('.') {
        assert!(!text.contains(&part[..part.len() - 4]), "{text}");
    }
    assert!(!text.contains("@example.com"), "{text}");
}

#[tokio::test]
async fn our_faults_are_errors_and_the_clients_are_not() {
    let log = Log::default();
    let _default = scoped(registry().with(log.json_layer()));
    let desk = Desk::new();
    desk.send(&desk.layer(), get("garbage", &[])).await;
    let twice = ServiceBuilder::new()
        .layer(desk.layer())
        .layer(desk.layer());
    let answer = twice.service_fn(handler).oneshot(get(&desk.carol(), &[]));
    assert_eq!(answer.await.unwrap().status(), 500);
    let rejected = log.json();
    let mut rejected = rejected
        .iter()
        .filter(|line| line["fields"]["message"] == "rejected");
    let mut next = || {
        let line = rejected.next().unwrap();
        let kind = line["fields"]["kind"].as_str().unwrap().to_owned();
        (
            line["level"].as_str().unwrap().parse::<Level>().unwrap(),
            kind,
        )
    };
    assert_eq!(next(), (Level::DEBUG, "invalid_token".to_owned()));
    assert_eq!(next(), (Level::ERROR, "layer_applied_twice".to_owned()));
}

#[tokio::test]
async fn a_reason_does_not_look_like_further_fields_in_a_text_log() {
    let log = Log::default();
    let _default = scoped(registry().with(log.text_layer()));
    let desk = Desk::new();
    let sink = tower_impersonate::audit::tracing();
    let layer = desk.unrecorded().audit(sink).build().unwrap();
    let forged = r#"x, impersonation.actor.sub: "root""#;
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-reason", forged),
    ];
    let seen = desk.as_carol(&layer, &headers).await;
    seen.assert_ran_as("alice", Some("carol"));
    let quoted = r#"impersonation.reason="x, impersonation.actor.sub: \"root\"""#;
    assert!(log.text().contains(quoted), "{}", log.text());
}
