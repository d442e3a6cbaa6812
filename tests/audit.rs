//! What is recorded, when, and what becomes of a request that cannot be recorded.

mod support;

#[path = "support/sinks.rs"]
mod sinks;

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::Full;
use serde_json::{Value, json};
use sinks::{Folder, Mood, Moody, lines};
use support::{Desk, ISSUER, get, send};
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::audit::{self, DenialLimit, EventName};
use tower_impersonate::{ImpersonationLayer, Principal, policy, resolve};

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];
const AS_ROOT: [(&str, &str); 1] = [("impersonate-user", "root")];

#[tokio::test]
async fn the_line_is_in_the_file_before_the_handler_runs() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = desk.unrecorded().audit(audit::jsonl(folder.file()));
    let layer = layer.build().unwrap();
    let file = folder.file();
    let service = layer.layer(service_fn(move |request: Request<Full<Bytes>>| {
        let principal = request.extensions().get::<Principal>().unwrap();
        let own = principal.impersonation().unwrap().event_id().to_string();
        let written = lines(&file);
        async move {
            assert_eq!(written.len(), 1);
            assert_eq!(written[0]["event.id"], own);
            assert_eq!(written[0]["event.name"], "impersonation.request");
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("done")))
        }
    }));
    let seen = send(service, get(&desk.carol(), &AS_ALICE)).await;
    assert_eq!(seen.status, StatusCode::OK);
    let written = lines(&folder.file());
    assert_eq!(written.len(), 2);
    assert_eq!(written[1]["event.name"], "impersonation.completed");
    assert_eq!(
        written[1]["impersonation.request.event.id"],
        written[0]["event.id"]
    );
}

#[tokio::test(start_paused = true)]
async fn a_sink_that_does_not_take_the_event_refuses_the_request_and_recovers() {
    let desk = Desk::new();
    let sink = Moody::new(Mood::Well);
    let layer = desk.unrecorded().audit(sink.clone());
    let layer = layer.deadline(Duration::from_secs(2)).build().unwrap();
    for mood in [
        Mood::Fails,
        Mood::FailsLater,
        Mood::Panics,
        Mood::PanicsLater,
        Mood::Hangs,
    ] {
        sink.turns(mood);
        // An attempt that is denied must be recorded no less than one that is not.
        for headers in [AS_ALICE, AS_ROOT] {
            let before = tokio::time::Instant::now();
            let seen = desk.as_carol(&layer, &headers).await;
            seen.assert_refused(503);
            assert_eq!(seen.header("retry-after"), Some("1"), "{mood:?}");
            let waited = before.elapsed();
            if mood == Mood::Hangs {
                assert!(waited >= Duration::from_secs(2), "{waited:?}");
                assert!(waited < Duration::from_secs(3), "{waited:?}");
            } else {
                assert_eq!(waited, Duration::ZERO, "{mood:?}");
            }
        }
        let completions = sink.kept.named(EventName::Completed);
        assert_eq!(completions.len(), 1, "{mood:?}");
        assert_eq!(completions[0]["impersonation.outcome"], "failure");
        assert!(completions[0].get("http.response.status_code").is_none());

        for mood in [Mood::Well, Mood::Slow] {
            sink.turns(mood);
            let seen = desk.as_carol(&layer, &AS_ALICE).await;
            seen.assert_ran_as("alice", Some("carol"));
            desk.as_carol(&layer, &AS_ROOT).await.assert_refused(403);
        }
        sink.kept.clear();
    }
}

#[tokio::test]
async fn plain_requests_do_not_ask_the_sink() {
    let desk = Desk::new();
    let layer = desk.unrecorded().audit(Moody::new(Mood::Fails));
    let layer = layer.build().unwrap();
    let seen = desk.as_carol(&layer, &[]).await;
    seen.assert_ran_as("carol", None);
}

#[tokio::test]
async fn a_sink_that_panics_at_the_end_takes_nothing_down() {
    let desk = Desk::new();
    let sink = Moody::new(Mood::Well).completes(Mood::Panics);
    let layer = desk.unrecorded().audit(sink.clone()).build().unwrap();
    let seen = desk.as_carol(&layer, &AS_ALICE).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(sink.kept.named(EventName::Completed).len(), 1);

    // Neither where a panic is on its way already, nor where a request is dropped.
    sink.turns(Mood::Panics);
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    sink.turns(Mood::Hangs);
    let request = get(&desk.carol(), &AS_ALICE);
    let waiting = desk.send(&layer, request);
    assert!(futures_now(waiting).is_none());
    assert_eq!(sink.kept.named(EventName::Completed).len(), 3);
}

/// Polls once.
fn futures_now<F: Future>(future: F) -> Option<F::Output> {
    let mut future = Box::pin(future);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    match future.as_mut().poll(&mut context) {
        std::task::Poll::Ready(value) => Some(value),
        std::task::Poll::Pending => None,
    }
}

#[tokio::test]
async fn the_fields_of_the_three_events() {
    let desk = Desk::new();
    let builder = desk.bare().issuer(desk.accepted().tenant("acme"));
    let layer = builder
        .resolve(resolve::header("impersonate-user"))
        .policy(policy::in_group("support").except(policy::target_in_group("admins")))
        .build()
        .unwrap();
    let headers = [
        ("impersonate-reason", "ticket 4711"),
        ("user-agent", "curl/8.0"),
        ("x-request-id", "r-1"),
        ("cookie", "session=s3cret"),
    ];
    let request = |target: &str| {
        let mut request = get(&desk.carol(), &headers);
        *request.uri_mut() = "/orders/7?key=s3cret".parse().unwrap();
        let headers = request.headers_mut();
        headers.insert("impersonate-user", target.parse().unwrap());
        if target == "alice" {
            headers.insert("impersonate-group", "beta".parse().unwrap());
        }
        request
    };
    let clock = desk.clock.clone();
    let service = layer.layer(service_fn(move |_: Request<Full<Bytes>>| {
        clock.advance(Duration::from_millis(1500));
        let response = Response::builder().status(201);
        async move { Ok::<_, Infallible>(response.body(Full::<Bytes>::from("made")).unwrap()) }
    }));
    send(service.clone(), request("alice")).await;
    send(service.clone(), request("root")).await;

    let [started, completed, denied]: [Value; 3] = desk.sink.events().try_into().unwrap();
    let both = json!({
        "impersonation.schema.version": "1.0",
        "user.id": "alice",
        "impersonation.actor.sub": "carol",
        "impersonation.actor.iss": ISSUER,
        "impersonation.actor.tenant": "acme",
        "impersonation.target.sub": "alice",
        "impersonation.target.iss": ISSUER,
        "impersonation.target.tenant": "acme",
        "impersonation.strategy": "header",
        "impersonation.mode": "full",
        "impersonation.groups": ["beta"],
        "impersonation.reason": "ticket 4711",
    });
    let http = json!({
        "http.request.method": "GET",
        "url.path": "/orders/7",
        "user_agent.original": "curl/8.0",
        "http.request.id": "r-1",
    });
    let outcome = json!({
        "event.id": started["event.id"],
        "event.name": "impersonation.request",
        "time": "2023-11-14T22:13:20.000000000Z",
        "impersonation.outcome": "success",
    });
    assert_eq!(started, merged(&[&both, &http, &outcome]));
    let outcome = json!({
        "event.id": completed["event.id"],
        "event.name": "impersonation.completed",
        "time": "2023-11-14T22:13:21.500000000Z",
        "impersonation.outcome": "success",
        "impersonation.request.event.id": started["event.id"],
        "http.response.status_code": 201,
        "impersonation.duration_ms": 1500,
    });
    assert_eq!(completed, merged(&[&both, &outcome]));
    let outcome = json!({
        "event.id": denied["event.id"],
        "event.name": "impersonation.denied",
        "time": "2023-11-14T22:13:21.500000000Z",
        "impersonation.outcome": "failure",
        "impersonation.deny.rule": denied["impersonation.deny.rule"],
        "user.id": "root",
        "impersonation.target.sub": "root",
    });
    let mut expected = merged(&[&both, &http, &outcome]);
    let object = expected.as_object_mut().unwrap();
    object.remove("impersonation.mode");
    object.remove("impersonation.groups");
    assert_eq!(denied, expected);
    assert!(
        !denied["impersonation.deny.rule"]
            .as_str()
            .unwrap()
            .is_empty()
    );

    let mut ids: Vec<_> = [&started, &completed, &denied]
        .map(|event| event["event.id"].as_str().unwrap().to_owned())
        .into();
    for id in &ids {
        assert_uuid_v7(id);
    }
    ids.dedup();
    assert_eq!(ids.len(), 3);
    let text = format!("{:?}", desk.sink.events());
    assert!(!text.contains("s3cret"), "{text}");
}

fn merged(parts: &[&Value]) -> Value {
    let objects = parts
        .iter()
        .flat_map(|part| part.as_object().unwrap().clone());
    Value::Object(objects.collect())
}

#[track_caller]
fn assert_uuid_v7(id: &str) {
    let groups: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(groups, [8, 4, 4, 4, 12], "{id}");
    let hex = |c: char| c == '-' || matches!(c, '0'..='9' | 'a'..='f');
    assert!(id.chars().all(hex), "{id}");
    assert_eq!(id.as_bytes()[14], b'7', "{id}");
    assert!(b"89ab".contains(&id.as_bytes()[19]), "{id}");
    // 2023-11-14T22:13 in milliseconds, within the minute.
    let millis = u64::from_str_radix(&id.replace('-', "")[..12], 16).unwrap();
    assert_eq!(millis / 10_000, 170_000_000, "{id}");
}

#[tokio::test]
async fn a_denial_before_the_look_up_names_whom_was_asked_for() {
    let desk = Desk::new();
    let layer = desk.layer();
    let bob = desk.token("bob", &["customers"]).sign();
    let seen = desk.send(&layer, get(&bob, &AS_ALICE)).await;
    seen.assert_refused(403);
    let denial = desk.denial();
    assert_eq!(denial["impersonation.wanted"], "alice");
    assert_eq!(denial["user.id"], "bob");
    assert!(denial.get("impersonation.target.sub").is_none());
    // A request that makes no sense is an attempt, too.
    desk.sink.clear();
    let headers = [("impersonate-group", "beta")];
    desk.as_carol(&layer, &headers).await.assert_refused(400);
    assert_eq!(desk.denial()["impersonation.actor.sub"], "carol");
}

#[tokio::test]
async fn plain_requests_and_bad_tokens_leave_nothing() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = desk.unrecorded().audit(audit::jsonl(folder.file()));
    let layer = layer.build().unwrap();
    desk.as_carol(&layer, &[])
        .await
        .assert_ran_as("carol", None);
    let expired = desk.token("carol", &["support"]);
    let expired = expired.expires_in(Duration::ZERO).sign();
    desk.clock.advance(Duration::from_secs(3600));
    for token in [&*expired, "garbage", "a.b.c", ""] {
        let seen = desk.send(&layer, get(token, &AS_ALICE)).await;
        assert!(!seen.ran, "{token}");
    }
    let request = Request::get("/").header("impersonate-user", "alice");
    let request = request.body(Full::default()).unwrap();
    desk.send(&layer, request).await.assert_refused(401);
    assert!(lines(&folder.file()).is_empty());
}

#[tokio::test]
async fn no_part_of_a_token_is_in_the_file() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let layer = desk.unrecorded().audit(audit::jsonl(folder.file()));
    let layer = layer.build().unwrap();
    let token = desk.carol();
    let uri = format!("/orders?access_token={token}");
    for headers in [AS_ALICE, AS_ROOT, [("impersonate-group", "beta")]] {
        let mut request = get(&token, &headers);
        *request.uri_mut() = uri.parse().unwrap();
        desk.send(&layer, request).await;
    }
    let text = std::fs::read_to_string(folder.file()).unwrap();
    assert_eq!(text.lines().count(), 4);
    for part in token.split('.') {
        assert!(!text.contains(part));
    }
    assert!(!text.contains("alice@example.com"));
}

#[tokio::test]
async fn the_denials_of_one_actor_are_limited() {
    let desk = Desk::new();
    let limit = DenialLimit::new(2, Duration::from_secs(60));
    let layer: ImpersonationLayer = desk.builder().denial_limit(limit).build().unwrap();
    for _ in 0..5 {
        desk.as_carol(&layer, &AS_ROOT).await.assert_refused(403);
    }
    assert_eq!(desk.events(EventName::Denied).len(), 2);
    // Neither another actor nor what is allowed is touched by it.
    let dora = desk.token("dora", &["support"]).sign();
    desk.send(&layer, get(&dora, &AS_ROOT))
        .await
        .assert_refused(403);
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    assert_eq!(desk.events(EventName::Denied).len(), 3);
    assert_eq!(desk.events(EventName::Request).len(), 1);

    desk.clock.advance(Duration::from_secs(60));
    desk.as_carol(&layer, &AS_ROOT).await.assert_refused(403);
    let denials = desk.events(EventName::Denied);
    assert_eq!(denials[3]["impersonation.denials.left_out"], 3);
    assert!(denials[0].get("impersonation.denials.left_out").is_none());
}

#[tokio::test]
async fn the_completion_of_a_panic_is_a_failure_whoever_catches_it() {
    let desk = Desk::new();
    let layer = desk.layer();
    let service = layer.layer(service_fn(|request: Request<Full<Bytes>>| async move {
        assert!(request.uri().path() != "/orders", "a handler that panics");
        Ok::<_, Infallible>(Response::new(request.into_body()))
    }));
    // As a layer that turns panics into responses does it: the future is dropped afterwards.
    let mut future = Box::pin(service.oneshot(get(&desk.carol(), &AS_ALICE)));
    let caught = std::future::poll_fn(|cx| {
        let polled = std::panic::catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx)));
        std::task::Poll::Ready(polled.is_err())
    });
    assert!(caught.await, "the panic goes on");
    drop(future);
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed.len(), 1);
    assert_eq!(completed[0]["impersonation.outcome"], "failure");
}
