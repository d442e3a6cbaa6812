//! What the audit must hold after a request, and plug-ins that count, wait or fail.

use std::convert::Infallible;
use std::error::Error;
use std::future::pending;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Request, Response};
use http_body_util::Full;
use serde_json::{Value, json};
use tower::{Layer, service_fn};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event, EventName};
use tower_impersonate::directory::{Directory, LookupError, MemoryDirectory};
use tower_impersonate::middleware::Builder;
use tower_impersonate::rejection::RejectionKind;
use tower_impersonate::terms::TargetRef;
use tower_impersonate::{Identity, ImpersonationLayer, Principal};

use super::{Desk, Seen, send, tell};

pub const ACTOR: &str = "impersonation.actor.sub";
pub const TARGET: &str = "impersonation.target.sub";
pub const RULE: &str = "impersonation.deny.rule";

impl Desk {
    /// Exactly one event was written: the denial of this actor, by this rule, with the target if it
    /// was found. Forgets it.
    #[track_caller]
    pub fn assert_denied(&self, actor: &str, target: Option<&str>, rule: &str) {
        let event = self.denial();
        let said = [ACTOR, TARGET, RULE].map(|name| event[name].as_str());
        assert_eq!(said, [Some(actor), target, Some(rule)], "{event}");
        assert_eq!(event["impersonation.outcome"], "failure");
        assert_eq!(self.sink.events().len(), 1, "{:?}", self.sink.events());
        self.sink.clear();
    }

    /// Exactly two events were written, the request and its completion, both with both people.
    /// Forgets them.
    #[track_caller]
    pub fn assert_recorded(&self, actor: &str, target: Option<&str>) {
        let events = self.sink.events();
        let names: Vec<_> = events.iter().map(|event| &event["event.name"]).collect();
        let expected = [EventName::Request, EventName::Completed].map(EventName::as_str);
        assert_eq!(names, expected, "{events:?}");
        for event in &events {
            let said = [ACTOR, TARGET].map(|name| event[name].as_str());
            assert_eq!(said, [Some(actor), target], "{event}");
            assert_eq!(event["impersonation.outcome"], "success");
        }
        let completes = &events[1]["impersonation.request.event.id"];
        assert_eq!(completes, &events[0]["event.id"]);
        self.sink.clear();
    }

    /// Nothing was written.
    #[track_caller]
    pub fn assert_silent(&self) {
        assert_eq!(self.sink.events(), Vec::<Value>::new());
    }

    /// Sends a request to a handler that answers with these headers.
    pub async fn send_to(
        &self,
        layer: &ImpersonationLayer,
        answer: &'static [(&'static str, &'static str)],
        request: Request<Full<Bytes>>,
    ) -> Seen {
        let service = layer.layer(service_fn(
            move |request: Request<Full<Bytes>>| async move {
                let mut response = Response::new(Full::new(Bytes::from(tell(&request))));
                for (name, value) in answer {
                    let headers = response.headers_mut();
                    headers.append(
                        HeaderName::from_static(name),
                        HeaderValue::from_static(value),
                    );
                }
                Ok::<_, Infallible>(response)
            },
        ));
        send(service, request).await
    }

    /// The people of the desk, in a directory that counts how often it is asked.
    pub fn counting(&self) -> (impl Directory + 'static, Arc<AtomicUsize>) {
        let asked = Arc::new(AtomicUsize::new(0));
        let (users, count) = (self.users.clone(), Arc::clone(&asked));
        let directory = move |target: &TargetRef| {
            count.fetch_add(1, Ordering::SeqCst);
            MemoryDirectory::find(&users, target)
        };
        (directory, asked)
    }
}

impl Seen {
    #[track_caller]
    pub fn kind(&self) -> RejectionKind {
        self.rejection.as_ref().expect("a rejection").kind()
    }

    /// What stands in logs, never in the answer.
    #[track_caller]
    pub fn cause(&self) -> String {
        let rejection = self.rejection.as_ref().expect("a rejection");
        rejection.source().expect("a cause").to_string()
    }

    /// Everything that a client can tell.
    pub fn answer(&self) -> (u16, Vec<(String, String)>, Value) {
        let headers = self.headers.iter();
        let headers =
            headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().into()));
        (self.status.as_u16(), headers.collect(), self.body.clone())
    }

    /// The status and the challenge.
    #[track_caller]
    pub fn assert_challenge(&self, status: u16, challenge: Option<&str>) {
        self.assert_refused(status);
        assert_eq!(self.header("www-authenticate"), challenge, "{self:?}");
    }

    pub fn groups(&self) -> Value {
        self.body["groups"].clone()
    }

    /// Whether the handler got a header of this name.
    pub fn handler_got(&self, name: &str) -> bool {
        let names = self.body["headers"].as_array().expect("the handler ran");
        names.contains(&json!(name))
    }
}

/// Keeps the principal of the last request that reached the handler.
pub fn keeping(builder: Builder) -> (Builder, impl Fn() -> Principal) {
    let kept = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&kept);
    let builder = builder.map_principal(move |principal| {
        *keep.lock().unwrap() = Some(principal.clone());
    });
    (builder, move || {
        kept.lock().unwrap().clone().expect("a principal")
    })
}

/// How a plug-in fails.
#[derive(Debug, Clone, Copy)]
pub enum Fault {
    Errs,
    Panics,
    NeverAnswers,
}

pub const FAULTS: [Fault; 3] = [Fault::Errs, Fault::Panics, Fault::NeverAnswers];

/// A directory that fails.
pub fn broken_directory(fault: Fault) -> impl Directory + 'static {
    move |_: &TargetRef| -> Answer<Result<Identity, LookupError>> {
        match fault {
            Fault::Errs => Answer::now(Err(LookupError::unavailable("the table is locked"))),
            Fault::Panics => panic!("the directory panics"),
            Fault::NeverAnswers => Answer::later(pending()),
        }
    }
}

/// A sink that fails.
pub struct BrokenSink(pub Fault);

impl AuditSink for BrokenSink {
    fn record(&self, _: &Event<'_>) -> Answer<Result<(), AuditError>> {
        match self.0 {
            Fault::Errs => Answer::now(Err(AuditError::new("the disk is full"))),
            Fault::Panics => panic!("the sink panics"),
            Fault::NeverAnswers => Answer::later(pending()),
        }
    }

    fn complete(&self, _: Completion) {}
}
