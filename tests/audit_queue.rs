//! Queues in front of sinks, and witnesses beside them: what is waited for, what is refused, what is
//! lost, and that nothing is lost without being told.

mod support;

#[path = "support/sinks.rs"]
mod sinks;
#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use serde_json::Value;
use sinks::{Folder, Gated, Mood, Moody, lines};
use support::{Desk, get};
use tokio::sync::Notify;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::ImpersonationLayer;
use tower_impersonate::audit::{self, AuditSink, EventName, On, Queued, WhenFull};
use tower_impersonate::middleware::ConfigError;
use trace::{Log, scoped};
use tracing_subscriber::layer::SubscriberExt;

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];
const AS_ROOT: [(&str, &str); 1] = [("impersonate-user", "root")];
const BAD_MOODS: [Mood; 5] = [
    Mood::Fails,
    Mood::FailsLater,
    Mood::Hangs,
    Mood::Panics,
    Mood::PanicsLater,
];

fn over(desk: &Desk, sink: impl AuditSink + 'static) -> ImpersonationLayer {
    desk.unrecorded().audit(sink).build().unwrap()
}

/// How many lost events the written ones tell of.
fn told(events: &[Value]) -> u64 {
    let lost = |event: &Value| {
        event
            .get("impersonation.audit.lost")
            .map_or(Some(0), Value::as_u64)
    };
    events.iter().map(|event| lost(event).unwrap()).sum()
}

fn names(events: &[Value]) -> Vec<&str> {
    events
        .iter()
        .map(|event| event["event.name"].as_str().unwrap())
        .map(|name| name.strip_prefix("impersonation.").unwrap())
        .collect()
}

#[tokio::test]
async fn events_come_through_whole_and_in_their_order() {
    let desk = Desk::new();
    let (behind, beside) = (Moody::new(Mood::Well), Moody::new(Mood::Well));
    let queue = audit::queued(behind.clone(), 16);
    let sink = audit::all([audit::shared(queue.clone()), audit::shared(beside.clone())]);
    let layer = over(&desk, sink);
    for headers in [AS_ALICE, AS_ROOT, [("impersonate-user", "nobody")]] {
        let mut request = get(&desk.carol(), &headers);
        for (name, value) in [
            ("user-agent", "curl"),
            ("x-request-id", "r-1"),
            ("impersonate-reason", "ticket 4711"),
        ] {
            request.headers_mut().insert(name, value.parse().unwrap());
        }
        desk.send(&layer, request).await;
    }
    desk.as_carol(&layer, &[("impersonate-group", "customers")])
        .await
        .assert_refused(400);
    queue.flush().await.unwrap();
    let expected = ["request", "completed", "denied", "denied", "denied"];
    assert_eq!(names(&behind.kept.events()), expected);
    assert_eq!(behind.kept.events(), beside.kept.events());
    let reason = &behind.kept.events()[1]["impersonation.reason"];
    assert_eq!(reason, "ticket 4711");
    assert_eq!((queue.lost(), queue.waiting()), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_refuses_and_takes_again_what_comes_later() {
    let (desk, sink) = (Desk::new(), Gated::closed());
    let queue = audit::queued(sink.clone(), 2);
    let layer = over(&desk, queue.clone());
    let (first, second, third, ()) = tokio::join!(
        biased;
        desk.as_carol(&layer, &AS_ALICE),
        desk.as_carol(&layer, &AS_ALICE),
        desk.as_carol(&layer, &AS_ALICE),
        async {
            assert_eq!(queue.waiting(), 3, "two events, and the end of the third request");
            sink.open();
        },
    );
    assert_eq!((first.status.as_u16(), second.status.as_u16()), (200, 200));
    assert_eq!(third.status.as_u16(), 503);
    let cause = std::error::Error::source(third.rejection.as_ref().unwrap());
    let mut causes = std::iter::successors(cause, |error| error.source());
    assert!(causes.any(|error| error.to_string() == "the audit queue is full"));

    queue.flush().await.unwrap();
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    queue.flush().await.unwrap();
    let events = sink.taken();
    let named = |name| names(&events).iter().filter(|n| **n == name).count();
    assert_eq!((named("request"), named("completed")), (3, 4));
    assert_eq!((queue.lost(), told(&events)), (0, 0));
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_that_drops_counts_tells_and_warns_once_a_minute() {
    let (desk, sink, log) = (Desk::new(), Gated::closed(), Log::default());
    let subscriber = tracing_subscriber::registry().with(log.json_layer());
    let _guard = scoped(subscriber);
    let queue = audit::queued(sink.clone(), 1)
        .when_full(WhenFull::DropAndCount)
        .acknowledge(On::Queued)
        .deadline(Duration::from_secs(60));
    let layer = over(&desk, queue.clone());
    for _ in 0..100 {
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        assert!(queue.waiting() <= 2, "{queue:?}");
    }
    // Of 200 events, one request and its end found a place.
    assert_eq!(queue.lost(), 198);
    let warnings = |log: &Log| {
        let said = "audit events were lost; the next one that is written tells how many";
        let is_warning = |line: &&Value| line["fields"]["message"] == said;
        log.json()
            .iter()
            .filter(is_warning)
            .cloned()
            .collect::<Vec<_>>()
    };
    let first = &warnings(&log)[..];
    assert_eq!(first.len(), 1, "{first:?}");
    assert_eq!(first[0]["level"], "WARN");
    assert_eq!(first[0]["fields"]["cause"], "the audit queue is full");
    desk.clock.advance(Duration::from_secs(60));
    desk.as_carol(&layer, &AS_ALICE).await;
    assert_eq!(warnings(&log).len(), 2);
    assert_eq!(warnings(&log)[1]["fields"]["lost"], 199);

    sink.open();
    queue.flush().await.unwrap();
    desk.as_carol(&layer, &AS_ALICE).await;
    queue.flush().await.unwrap();
    assert_eq!(sink.taken().len(), 4);
    assert_eq!((queue.lost(), told(&sink.taken())), (200, 200));
    desk.as_carol(&layer, &AS_ALICE).await;
    queue.flush().await.unwrap();
    assert_eq!(told(&sink.taken()), 200, "each loss is told once");
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_for_the_write_unless_it_is_said() {
    for (acknowledge, status) in [(On::Written, 503), (On::Queued, 200)] {
        let (desk, sink) = (Desk::new(), Gated::closed());
        let queue = audit::queued(sink.clone(), 8).acknowledge(acknowledge);
        let layer = over(&desk, queue.clone());
        let seen = desk.as_carol(&layer, &AS_ALICE).await;
        assert_eq!(seen.status.as_u16(), status, "{acknowledge:?}");
        assert!(sink.taken().is_empty());
        // A record too many is safe: who was refused by the deadline is in it all the same.
        sink.open();
        queue.flush().await.unwrap();
        assert_eq!(names(&sink.taken()), ["request", "completed"]);
    }
}

#[tokio::test(start_paused = true)]
async fn whatever_the_sink_does_a_request_that_is_not_written_is_refused() {
    let desk = Desk::new();
    let sink = Moody::new(Mood::Well);
    let queue = audit::queued(sink.clone(), 8).deadline(Duration::from_millis(100));
    let layer = over(&desk, queue.clone());
    for mood in BAD_MOODS {
        sink.turns(mood);
        let before = queue.lost();
        desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
        desk.as_carol(&layer, &AS_ROOT).await.assert_refused(503);
        desk.as_carol(&layer, &[])
            .await
            .assert_ran_as("carol", None);
        let flushed = queue.flush().await;
        assert_eq!(
            queue.lost() - before,
            1,
            "the completion, {mood:?} {flushed:?}"
        );

        sink.turns(Mood::Well);
        sink.kept.clear();
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        queue.flush().await.unwrap();
        let events = sink.kept.events();
        assert_eq!(names(&events), ["request", "completed"], "{mood:?}");
        assert_eq!(events[0]["impersonation.audit.lost"], 1);
        support::schema::assert_valid(&events[0]);
        assert_eq!(events[1].get("impersonation.audit.lost"), None);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_acknowledged_and_then_not_taken_is_lost_and_told() {
    let desk = Desk::new();
    let sink = Moody::new(Mood::FailsLater);
    let queue = audit::queued(sink.clone(), 8).acknowledge(On::Queued);
    let layer = over(&desk, queue.clone());
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    let error = queue.flush().await.unwrap_err();
    assert_eq!(queue.lost(), 2);
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "2 audit events were lost");
    sink.turns(Mood::Well);
    sink.kept.clear();
    desk.as_carol(&layer, &AS_ROOT).await.assert_refused(403);
    queue.flush().await.unwrap();
    assert_eq!(told(&sink.kept.events()), 2);
}

#[tokio::test]
async fn a_flush_at_the_end_writes_what_was_acknowledged() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let queue = audit::queued(audit::jsonl(folder.file()), 64).acknowledge(On::Queued);
    let layer = over(&desk, queue.clone());
    for _ in 0..20 {
        desk.as_carol(&layer, &AS_ALICE).await;
    }
    drop(layer);
    queue.flush().await.unwrap();
    assert_eq!(lines(&folder.file()).len(), 40);
    assert_eq!(queue.waiting(), 0);
}

/// The runtime is gone before the queue is empty, as at the end of a `main` that flushes nothing.
fn left_over(desk: &Desk, sink: impl AuditSink + 'static) -> (Queued, ImpersonationLayer) {
    let queue = audit::queued(sink, 64).acknowledge(On::Queued);
    let layer = over(desk, queue.clone());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    // A completion that comes outside of the runtime, because the answer is kept until then.
    let kept = runtime.block_on(async {
        let handler = |_: Request<Full<Bytes>>| async {
            Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
        };
        let service = layer.layer(service_fn(handler));
        service
            .oneshot(get(&desk.carol(), &AS_ALICE))
            .await
            .unwrap()
    });
    drop(runtime);
    drop(kept);
    (queue, layer)
}

#[test]
fn a_queue_that_is_dropped_gives_the_rest_to_a_sink_that_does_not_wait() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let (queue, layer) = left_over(&desk, audit::jsonl(folder.file()));
    let waiting = queue.waiting();
    assert!(waiting >= 1, "the completion, if not both");
    drop((queue, layer));
    let events = lines(&folder.file());
    assert_eq!(names(&events), ["request", "completed"]);
    assert_eq!(events[1]["impersonation.outcome"], "aborted");
}

#[test]
fn a_queue_that_is_dropped_tells_what_it_lost_before() {
    let (desk, folder) = (Desk::new(), Folder::new());
    let queue = audit::queued(audit::jsonl(folder.file()), 1)
        .when_full(WhenFull::DropAndCount)
        .acknowledge(On::Queued);
    let layer = over(&desk, queue.clone());
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    let answers = runtime.block_on(async {
        let mut answers = Vec::new();
        for _ in 0..6 {
            let handler = |_: Request<Full<Bytes>>| async {
                Ok::<_, Infallible>(Response::new(Full::new(Bytes::from("hello"))))
            };
            let service = layer.layer(service_fn(handler));
            let request = get(&desk.carol(), &AS_ALICE);
            answers.push(service.oneshot(request).await.unwrap());
        }
        answers
    });
    drop(runtime);
    // Six completions at once, which find two places at most.
    drop(answers);
    let lost = queue.lost();
    assert!(lost >= 4, "{queue:?}");
    drop((queue, layer));
    assert_eq!(told(&lines(&folder.file())), lost);
}

#[test]
fn a_queue_that_is_dropped_says_what_it_loses() {
    let (desk, log) = (Desk::new(), Log::default());
    let _guard = scoped(tracing_subscriber::registry().with(log.json_layer()));
    let (queue, layer) = left_over(&desk, Gated::closed());
    let waiting = queue.waiting();
    assert!(waiting >= 1);
    drop((queue, layer));
    let line = log.line("audit events were lost when their queue was dropped: flush it before");
    assert_eq!(line["level"], "ERROR");
    assert_eq!(line["fields"]["lost"], waiting);
}

#[test]
fn a_queue_outlives_the_runtime_that_it_was_used_in() {
    let (desk, sink) = (Desk::new(), Gated::closed());
    let (queue, layer) = left_over(&desk, sink.clone());
    sink.open();
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }.enable_all().build().unwrap();
    runtime.block_on(async {
        drop(queue.flush().await);
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        queue.flush().await.unwrap();
    });
    // What was being written when the first one ended may be lost, but then it is told.
    let events = sink.taken();
    assert_eq!(told(&events), queue.lost());
    assert_eq!(events.len() as u64 + queue.lost(), 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_are_written_each_before_its_handler() {
    for acknowledge in [On::Written, On::Queued] {
        let (desk, folder) = (Arc::new(Desk::new()), Folder::new());
        let queue = audit::queued(audit::jsonl(folder.file()), 1024).acknowledge(acknowledge);
        let layer = over(&desk, queue.clone());
        let tasks: Vec<_> = (0..64)
            .map(|_| {
                let (desk, layer) = (Arc::clone(&desk), layer.clone());
                tokio::spawn(async move {
                    for _ in 0..5 {
                        let seen = desk.as_carol(&layer, &AS_ALICE).await;
                        assert_eq!(seen.status.as_u16(), 200);
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        queue.flush().await.unwrap();
        let events = lines(&folder.file());
        assert_eq!(events.len(), 640);
        let mut open = std::collections::HashSet::new();
        for event in &events {
            let of = match event.get("impersonation.request.event.id") {
                None => open.insert(event["event.id"].as_str().unwrap()),
                Some(request) => open.remove(request.as_str().unwrap()),
            };
            assert!(of, "{event}");
        }
        assert!(open.is_empty());
    }
}

#[tokio::test]
async fn a95_a_request_that_is_cancelled_after_its_effect_is_in_the_record_and_aborted() {
    let (desk, folder) = (Desk::new(), Folder::new());
    for acknowledge in [On::Written, On::Queued] {
        let queue = audit::queued(audit::jsonl(folder.file()), 8).acknowledge(acknowledge);
        let layer = over(&desk, queue.clone());
        let effect = Arc::new(Notify::new());
        let done = Arc::clone(&effect);
        let handler = move |_: Request<Full<Bytes>>| {
            done.notify_one();
            pending::<Result<Response<Full<Bytes>>, Infallible>>()
        };
        let service = layer.layer(service_fn(handler));
        let request = tokio::spawn(service.oneshot(get(&desk.carol(), &AS_ALICE)));
        effect.notified().await;
        request.abort();
        assert!(request.await.unwrap_err().is_cancelled());
        queue.flush().await.unwrap();
        let events = lines(&folder.file());
        let [request, completed] = &events[events.len() - 2..] else {
            panic!("{events:?}")
        };
        assert_eq!(request["event.name"], "impersonation.request");
        assert_eq!(completed["impersonation.outcome"], "aborted");
        assert_eq!(
            completed["impersonation.request.event.id"],
            request["event.id"]
        );
    }
    assert_eq!(lines(&folder.file()).len(), 4);
}

#[test]
fn numbers_out_of_bounds_are_found_when_the_layer_is_built() {
    let desk = Desk::new();
    let queue = |capacity| audit::queued(Moody::new(Mood::Well), capacity);
    let witness = |lag| audit::witnessed(Moody::new(Mood::Well), Moody::new(Mood::Well)).lag(lag);
    let missing = || audit::jsonl("/nowhere/at/all");
    let bad: [Arc<dyn AuditSink>; 8] = [
        audit::shared(queue(0)),
        audit::shared(queue(65_537)),
        audit::shared(queue(1).deadline(Duration::ZERO)),
        audit::shared(queue(1).deadline(Duration::from_secs(61))),
        audit::shared(audit::queued(missing(), 1)),
        audit::shared(witness(0)),
        audit::shared(audit::witnessed(missing(), Moody::new(Mood::Well))),
        audit::shared(audit::witnessed(Moody::new(Mood::Well), missing())),
    ];
    for (index, sink) in bad.into_iter().enumerate() {
        let built = desk.unrecorded().audit(sink).build();
        assert!(matches!(built, Err(ConfigError::Audit(_))), "{index}");
    }
    let good: [Arc<dyn AuditSink>; 3] = [
        audit::shared(queue(1).deadline(Duration::from_millis(1))),
        audit::shared(queue(65_536).deadline(Duration::from_secs(60))),
        audit::shared(witness(1)),
    ];
    for sink in good {
        assert!(desk.unrecorded().audit(sink).build().is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_fails_stops_nobody_and_is_told_what_it_missed() {
    let desk = Desk::new();
    let (primary, witness) = (Moody::new(Mood::Well), Moody::new(Mood::Well));
    let sink = audit::witnessed(primary.clone(), witness.clone());
    let layer = over(&desk, sink.clone());
    for mood in BAD_MOODS {
        let before = sink.missed();
        witness.turns(mood);
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
        desk.as_carol(&layer, &AS_ROOT).await.assert_refused(403);
        assert!(sink.flush().await.is_err(), "{mood:?}");
        assert_eq!(sink.missed() - before, 3, "{mood:?}");

        witness.turns(Mood::Well);
        primary.kept.clear();
        witness.kept.clear();
        desk.as_carol(&layer, &AS_ALICE).await;
        sink.flush().await.unwrap();
        assert_eq!(names(&primary.kept.events()), ["request", "completed"]);
        assert_eq!(names(&witness.kept.events()), ["request", "completed"]);
        assert_eq!(told(&primary.kept.events()), 0);
        assert_eq!(told(&witness.kept.events()), 3, "{mood:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_witness_that_lags_is_bounded() {
    let (desk, primary, witness) = (Desk::new(), Moody::new(Mood::Well), Gated::closed());
    let sink = audit::witnessed(primary.clone(), witness.clone()).lag(3);
    let layer = over(&desk, sink.clone());
    for _ in 0..10 {
        desk.as_carol(&layer, &AS_ALICE)
            .await
            .assert_ran_as("alice", Some("carol"));
    }
    assert_eq!(primary.kept.events().len(), 20);
    witness.open();
    sink.flush().await.unwrap();
    assert_eq!(witness.taken().len() as u64 + sink.missed(), 20);
    assert!(witness.taken().len() <= 6);
    desk.as_carol(&layer, &AS_ALICE).await;
    sink.flush().await.unwrap();
    assert_eq!(told(&witness.taken()), sink.missed());
}

#[tokio::test(start_paused = true)]
async fn a_primary_that_fails_refuses_and_the_witness_knows() {
    let desk = Desk::new();
    let (primary, witness) = (Moody::new(Mood::Well), Moody::new(Mood::Well));
    let sink = audit::witnessed(primary.clone(), witness.clone());
    let layer = over(&desk, sink.clone());
    for mood in BAD_MOODS {
        primary.turns(mood);
        witness.kept.clear();
        desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
        sink.flush().await.unwrap();
        let events = witness.kept.events();
        assert_eq!(names(&events), ["request", "completed"], "{mood:?}");
        assert_ne!(events[1]["impersonation.outcome"], "success");
    }
    assert_eq!(sink.missed(), 0);
    primary.turns(Mood::Well);
    desk.as_carol(&layer, &AS_ALICE)
        .await
        .assert_ran_as("alice", Some("carol"));
    assert!(primary.kept.named(EventName::Completed).len() > 1);
}
