//! The audit and tracing: the sink that writes tracing events, and the span that sinks are called in.

mod support;

#[path = "support/trace.rs"]
mod trace;

use std::convert::Infallible;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use support::{Desk, get};
use tokio::sync::Mutex;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::audit;
use trace::{Log, scoped};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::{EnvFilter, registry};

const AS_ALICE: [(&str, &str); 1] = [("impersonate-user", "alice")];
const AS_ROOT: [(&str, &str); 1] = [("impersonate-user", "root")];

/// Whether a call site is on is known to the whole process, and one of the tests has no subscriber.
static ALONE: Mutex<()> = Mutex::const_new(());

#[tokio::test]
async fn the_tracing_sink_says_what_the_file_says() {
    let _alone = ALONE.lock().await;
    let log = Log::default();
    let _default = scoped(registry().with(log.json_layer()));
    let desk = Desk::new();
    let kept = audit::shared(desk.sink.clone());
    let sink = audit::all([kept, audit::shared(audit::tracing())]);
    let layer = desk.unrecorded().audit(sink).build().unwrap();
    let headers = [
        ("impersonate-user", "alice"),
        ("impersonate-reason", "ticket 4711"),
        ("user-agent", "curl/8.0"),
        ("x-request-id", "r-1"),
    ];
    desk.as_carol(&layer, &headers).await;
    desk.as_carol(&layer, &AS_ROOT).await;
    let mut told = log.json();
    told.retain(|line| line["target"] == "impersonation.audit");
    let levels: Vec<_> = told.iter().map(|line| line["level"].clone()).collect();
    assert_eq!(levels, ["INFO", "INFO", "WARN"]);
    for (told, kept) in told.iter().zip(desk.sink.events()) {
        for (field, value) in kept.as_object().unwrap() {
            // The subscriber has a time of its own.
            if field != "time" {
                assert_eq!(told["fields"][field], *value, "{field} of {told}");
            }
        }
        assert_eq!(told["span"]["name"], "impersonation.request");
        assert_eq!(told["span"]["impersonation.actor.sub"], "carol");
    }
}

#[tokio::test]
async fn the_tracing_sink_refuses_what_nobody_would_see() {
    let _alone = ALONE.lock().await;
    let desk = Desk::new();
    let layer = desk.unrecorded().audit(audit::tracing()).build().unwrap();
    desk.as_carol(&layer, &AS_ALICE).await.assert_refused(503);
    for (filter, request, denied) in [
        ("off", 503, 503),
        ("info,impersonation.audit=off", 503, 503),
        ("warn", 503, 403),
        ("info", 200, 403),
        ("warn,impersonation.audit=info", 200, 403),
    ] {
        let log = Log::default();
        let subscriber = registry()
            .with(EnvFilter::new(filter))
            .with(log.json_layer());
        let _default = scoped(subscriber);
        let status = |seen: support::Seen| seen.status.as_u16();
        assert_eq!(status(desk.as_carol(&layer, &AS_ALICE).await), request);
        assert_eq!(status(desk.as_carol(&layer, &AS_ROOT).await), denied);
    }
}

#[tokio::test]
async fn events_are_given_to_the_sink_inside_the_request_span() {
    let _alone = ALONE.lock().await;
    #[derive(Clone, Default)]
    struct Where(std::sync::Arc<std::sync::Mutex<Vec<Seen>>>);

    type Seen = (&'static str, Option<&'static str>);

    impl Where {
        fn note(&self, event: &audit::Event<'_>) {
            let span = tracing::Span::current();
            let name = span.metadata().map(tracing::Metadata::name);
            self.0.lock().unwrap().push((event.outcome.as_str(), name));
        }
    }

    impl audit::AuditSink for Where {
        fn record(
            &self,
            event: &audit::Event<'_>,
        ) -> tower_impersonate::answer::Answer<Result<(), audit::AuditError>> {
            self.note(event);
            Ok(()).into()
        }

        fn complete(&self, done: audit::Completion) {
            self.note(&done.event());
        }
    }

    let _default = tracing::subscriber::set_default(
        tracing_subscriber::registry()
            .with(tracing_subscriber::fmt::layer().with_writer(std::io::sink)),
    );
    let (desk, seen) = (Desk::new(), Where::default());
    let layer = desk.unrecorded().audit(seen.clone()).build().unwrap();
    desk.as_carol(&layer, &AS_ALICE).await;
    desk.as_carol(&layer, &AS_ROOT).await;
    // The body is left unread.
    let service = layer.layer(service_fn(|_: Request<Full<Bytes>>| async {
        Ok::<_, Infallible>(Response::new(Full::<Bytes>::from("text")))
    }));
    drop(service.oneshot(get(&desk.carol(), &AS_ALICE)).await);
    let own = Some("impersonation.request");
    assert_eq!(
        *seen.0.lock().unwrap(),
        [
            ("success", own),
            ("success", own),
            ("failure", own),
            ("success", own),
            ("aborted", own),
        ]
    );
}
