//! What must not happen while somebody impersonates, whatever the framework: guarded services, writes in
//! `read_only` mode, side effects. Routes of axum, sockets and gRPC are in `guard_routes`.

mod support;

#[path = "support/net.rs"]
mod net;

use std::convert::Infallible;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use net::{Step, Steps};
use serde_json::{Value, json};
use support::expect::{ACTOR, BrokenSink, FAULTS, Fault, RULE, TARGET, keeping};
use support::{Desk, Seen, get, send};
use tower::util::BoxCloneService;
use tower::{Layer, Service, ServiceExt, service_fn};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, DenialLimit, Event, EventName};
use tower_impersonate::guard::deny_while_impersonating;
use tower_impersonate::measure::Measurement;
use tower_impersonate::middleware::{Builder, ResponseBody};
use tower_impersonate::principal::{Effect, SideEffects};
use tower_impersonate::rejection::{Rejection, RejectionKind};
use tower_impersonate::testing::RecordingSink;
use tower_impersonate::{ImpersonationLayer, Principal, policy, resolve, stamp};

const AS_ALICE: (&str, &str) = ("impersonate-user", "alice");
const GUARDED: &str = "not_while_impersonating";

/// A desk with every strategy, and one request that impersonates for each: its name, token, headers and
/// the target.
fn strategies(desk: &Desk) -> (Builder, Vec<Impersonating>) {
    let issuer = desk.accepted().trust_claim("impersonating").trust_act();
    let rule = policy::in_group("support").or(policy::takes_group(["beta"]));
    let builder = desk
        .bare()
        .issuer(issuer)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"))
        .resolve(resolve::act())
        .resolve(resolve::role(["beta"]))
        .policy(rule);
    let carol = || desk.token("carol", &["support"]);
    let to_alice = json!({ "sub": "alice" });
    let by_act = desk.token("alice", &["customers"]);
    let by_act = by_act.claim("act", json!({ "sub": "carol" }));
    let requests = vec![
        ("header", carol().sign(), vec![AS_ALICE], Some("alice")),
        (
            "claim",
            carol().claim("impersonating", to_alice).sign(),
            vec![],
            Some("alice"),
        ),
        ("act", by_act.sign(), vec![], Some("alice")),
        (
            "role",
            carol().sign(),
            vec![("impersonate-group", "beta")],
            None,
        ),
    ];
    (builder, requests)
}

type Impersonating = (
    &'static str,
    String,
    Vec<(&'static str, &'static str)>,
    Option<&'static str>,
);

fn read_only(desk: &Desk) -> Builder {
    let rule = policy::in_group("support").and(policy::read_only());
    desk.undecided().policy(rule)
}

/// An application that keeps what it wrote, and for whom.
#[derive(Clone, Default)]
struct Shop {
    wrote: Arc<Mutex<Vec<String>>>,
}

impl Shop {
    /// `/visit` writes whatever the method, `/panic` panics in the write, `/login` is what follows a
    /// sign-in, and everything else reads.
    async fn handle(
        self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Full<Bytes>>, Infallible> {
        let principal = request.extensions().get::<Principal>().unwrap().clone();
        match request.uri().path() {
            "/visit" => {
                if let Err(declined) = principal.require_write().await {
                    return Ok(declined.into_inner().map(Full::new));
                }
                self.write(&principal);
            }
            "/panic" => {
                drop(principal.require_write().await);
                panic!("a handler that panics");
            }
            "/login" if principal.side_effects().allow(Effect::LastLogin) => self.write(&principal),
            _ => {}
        }
        Ok(Response::new(Full::from("done")))
    }

    fn write(&self, principal: &Principal) {
        let mut wrote = self.wrote.lock().unwrap();
        wrote.push(principal.subject().to_owned());
    }

    /// Forgets it.
    fn wrote(&self) -> Vec<String> {
        std::mem::take(&mut self.wrote.lock().unwrap())
    }

    async fn ask(&self, layer: &ImpersonationLayer, request: Request<Full<Bytes>>) -> Seen {
        let shop = self.clone();
        send(
            layer.layer(service_fn(move |r| shop.clone().handle(r))),
            request,
        )
        .await
    }
}

fn at(path: &str, token: &str, headers: &[(&str, &str)]) -> Request<Full<Bytes>> {
    let mut request = get(token, headers);
    *request.uri_mut() = path.parse().unwrap();
    request
}

fn with_method(method: &str, mut request: Request<Full<Bytes>>) -> Request<Full<Bytes>> {
    *request.method_mut() = method.parse().unwrap();
    request
}

/// A service that counts how often it runs, inside the guard.
fn guarded(layer: &ImpersonationLayer, ran: &Arc<AtomicUsize>) -> Boxed {
    let ran = Arc::clone(ran);
    let handler = service_fn(move |request: Request<Full<Bytes>>| {
        ran.fetch_add(1, Ordering::SeqCst);
        async move {
            tokio::task::yield_now().await;
            let principal = request.extensions().get::<Principal>().unwrap();
            let text = format!("changed by {}", principal.subject());
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::from(text)))
        }
    });
    BoxCloneService::new(layer.layer(deny_while_impersonating().layer(handler)))
}

type Boxed = BoxCloneService<
    Request<Full<Bytes>>,
    Response<ResponseBody<ResponseBody<Full<Bytes>>>>,
    Infallible,
>;

/// What the audit has of one guarded or refused request that came as far as the handler.
#[track_caller]
fn assert_declined(desk: &Desk, actor: &str, target: Option<&str>, rule: &str, status: u16) {
    let events = desk.sink.events();
    let names: Vec<_> = events.iter().map(|e| e["event.name"].clone()).collect();
    let expected = [EventName::Request, EventName::Denied, EventName::Completed];
    assert_eq!(names, expected.map(EventName::as_str), "{events:?}");
    for event in &events {
        let said = [ACTOR, TARGET].map(|name| event[name].as_str());
        assert_eq!(said, [Some(actor), target], "{event}");
    }
    assert_eq!(events[1][RULE], rule);
    assert_eq!(events[1]["impersonation.outcome"], "failure");
    assert_eq!(events[1]["url.path"], events[0]["url.path"]);
    assert_eq!(events[2]["impersonation.outcome"], "failure");
    assert_eq!(events[2]["http.response.status_code"], status);
    desk.sink.clear();
}

// --- guards -----------------------------------------------------------------------------------------

#[tokio::test]
async fn a128_p4_p15_a_guarded_service_runs_for_nobody_who_impersonates_by_whatever_strategy() {
    let desk = Desk::new();
    let (builder, requests) = strategies(&desk);
    let layer = builder.build().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    for (strategy, token, headers, target) in requests {
        let seen = send(guarded(&layer, &ran), get(&token, &headers)).await;
        assert_eq!(
            (seen.status.as_u16(), seen.kind().as_str()),
            (403, GUARDED),
            "{strategy}"
        );
        assert_eq!(
            seen.body,
            json!({
                "type": "about:blank",
                "title": "this cannot be done while impersonating",
                "status": 403,
                "error": GUARDED,
            })
        );
        assert_eq!(
            seen.header("content-type"),
            Some("application/problem+json")
        );
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        assert_eq!(
            seen.header("www-authenticate"),
            None,
            "no other token would help"
        );
        assert_eq!(seen.headers.get_all("vary").iter().count(), 1);
        assert_eq!(seen.cause(), format!("denied by {GUARDED}"));
        assert_eq!(ran.load(Ordering::SeqCst), 0, "{strategy}");
        assert_eq!(desk.sink.events()[0]["impersonation.strategy"], strategy);
        assert_declined(&desk, "carol", target, GUARDED, 403);
    }
    // By its own token alone it is Carol's own request.
    let seen = send(guarded(&layer, &ran), get(&desk.carol(), &[])).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body),
        (200, &json!("changed by carol"))
    );
    assert_eq!(seen.header("cache-control"), None);
    assert_eq!(ran.load(Ordering::SeqCst), 1);
    desk.assert_silent();
}

#[tokio::test]
async fn an_anonymous_request_passes_a_guard_and_a_bad_credential_never_comes_so_far() {
    let desk = Desk::new();
    let layer = desk.builder().anonymous(|| ()).build().unwrap();
    let ran = Arc::new(AtomicUsize::new(0));
    let seen = send(guarded(&layer, &ran), Request::new(Full::default())).await;
    assert_eq!((seen.status.as_u16(), ran.load(Ordering::SeqCst)), (200, 1));
    for request in [
        get("a.b.c", &[]),
        get(&desk.alice(), &[("impersonate-user", "bob")]),
    ] {
        let seen = send(guarded(&layer, &ran), request).await;
        assert!([401, 403].contains(&seen.status.as_u16()));
        assert_ne!(seen.kind(), RejectionKind::NotWhileImpersonating);
    }
    assert_eq!(ran.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn a_guard_without_the_layer_around_it_is_500_for_everybody() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&ran);
    let service = deny_while_impersonating().layer(service_fn(move |_: Request<Full<Bytes>>| {
        count.fetch_add(1, Ordering::SeqCst);
        async { Ok::<_, Infallible>(Response::new(Full::<Bytes>::default())) }
    }));
    for request in [
        Request::new(Full::default()),
        get(&desk.carol(), &[]),
        get(&desk.carol(), &[AS_ALICE]),
    ] {
        let seen = send(service.clone(), request).await;
        assert_eq!(
            (seen.status.as_u16(), seen.kind()),
            (500, RejectionKind::LayerMissing)
        );
        assert_eq!(
            seen.body["title"],
            "the service is not configured correctly"
        );
        assert_eq!(seen.header("cache-control"), Some("no-store"));
    }
    let call = [("content-type", "application/grpc"), ("te", "trailers")];
    let seen = send(service, with_method("POST", get(&desk.carol(), &call))).await;
    assert_eq!(
        (seen.status.as_u16(), seen.header("grpc-status")),
        (200, Some("13"))
    );
    // The guard outside of the layer is no better.
    let outside = deny_while_impersonating().layer(guarded(&desk.layer(), &ran));
    let seen = send(outside, get(&desk.carol(), &[])).await;
    assert_eq!(seen.status, 500);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
    desk.assert_silent();
}

#[tokio::test]
async fn the_responder_of_the_layer_answers_for_the_guard_and_is_replaced_if_it_panics() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let own = |rejection: &Rejection, request: &Parts| {
        // It sees the request as the guard did: without credential and impersonation headers.
        assert!(!request.headers.contains_key("authorization"));
        let text = format!("{} at {}", rejection.kind().as_str(), request.uri);
        let mut response = Response::new(Bytes::from(text));
        *response.status_mut() = rejection.kind().status();
        response
    };
    let layer = desk.builder().respond(own).build().unwrap();
    let seen = send(guarded(&layer, &ran), get(&desk.carol(), &[AS_ALICE])).await;
    assert_eq!(seen.body, format!("{GUARDED} at /orders"));
    assert_eq!(seen.header("cache-control"), Some("no-store"));
    assert_declined(&desk, "carol", Some("alice"), GUARDED, 403);

    let panics = |_: &Rejection, _: &Parts| -> Response<Bytes> { panic!("a responder") };
    let layer = desk.builder().respond(panics).build().unwrap();
    let seen = send(guarded(&layer, &ran), get(&desk.carol(), &[AS_ALICE])).await;
    assert_eq!(
        (seen.status.as_u16(), &seen.body["error"]),
        (403, &json!(GUARDED))
    );
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

/// A fake: takes requests, and fails at denials.
struct FailsAtDenials(Fault);

impl AuditSink for FailsAtDenials {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        match event.name {
            EventName::Denied => BrokenSink(self.0).record(event),
            _ => Answer::now(Ok(())),
        }
    }

    fn complete(&self, _: Completion) {}
}

/// A fake: takes everything, a moment later.
struct Slow(RecordingSink);

impl AuditSink for Slow {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        self.0.record(event).then(|written| {
            Answer::later(async {
                tokio::task::yield_now().await;
                written
            })
        })
    }

    fn complete(&self, done: Completion) {
        self.0.complete(done);
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_audit_does_not_take_is_503_and_the_handler_does_not_run_either() {
    let desk = Desk::new();
    let (ran, shop) = (Arc::new(AtomicUsize::new(0)), Shop::default());
    for fault in FAULTS {
        let failures = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&failures);
        let measure = move |measurement: &Measurement<'_>| {
            if matches!(measurement, Measurement::AuditFailure) {
                count.fetch_add(1, Ordering::SeqCst);
            }
        };
        let layer = read_only(&desk)
            .replacing()
            .audit(FailsAtDenials(fault))
            .measure(measure);
        let layer = layer.build().unwrap();
        let request = || at("/visit", &desk.carol(), &[AS_ALICE]);
        for seen in [
            send(guarded(&layer, &ran), request()).await,
            shop.ask(&layer, request()).await,
        ] {
            let kind = (seen.status.as_u16(), seen.kind());
            assert_eq!(kind, (503, RejectionKind::Unavailable), "{fault:?}");
            assert_eq!(seen.header("retry-after"), Some("1"));
        }
        assert_eq!(failures.load(Ordering::SeqCst), 2, "{fault:?}");
    }
    assert_eq!((ran.load(Ordering::SeqCst), shop.wrote().len()), (0, 0));
    // One that only takes its time is waited for.
    let layer = read_only(&desk)
        .replacing()
        .audit(Slow(desk.sink.clone()))
        .build()
        .unwrap();
    let seen = send(guarded(&layer, &ran), get(&desk.carol(), &[AS_ALICE])).await;
    assert_eq!(seen.status, 403);
    assert_declined(&desk, "carol", Some("alice"), GUARDED, 403);
}

#[tokio::test]
async fn the_denials_of_guards_are_limited_counted_and_measured() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let rules = Arc::new(Mutex::new(Vec::new()));
    let told = Arc::clone(&rules);
    let layer = desk
        .builder()
        .denial_limit(DenialLimit::new(2, Duration::from_secs(60)))
        .measure(move |measurement| {
            if let Measurement::Denial { rule } = measurement {
                told.lock().unwrap().push(rule.as_str());
            }
        })
        .build()
        .unwrap();
    let service = guarded(&layer, &ran);
    for _ in 0..5 {
        let seen = send(service.clone(), get(&desk.carol(), &[AS_ALICE])).await;
        assert_eq!(seen.status, 403, "recorded or not");
    }
    assert_eq!(desk.events(EventName::Denied).len(), 2);
    assert_eq!(desk.events(EventName::Completed).len(), 5);
    assert_eq!(*rules.lock().unwrap(), [GUARDED; 5]);
    desk.clock.advance(Duration::from_secs(60));
    send(service, get(&desk.carol(), &[AS_ALICE])).await;
    let last = desk.events(EventName::Denied).pop().unwrap();
    assert_eq!(last["impersonation.denials.left_out"], 3);
    assert_eq!(ran.load(Ordering::SeqCst), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_guard_remembers_nothing_between_requests_that_run_at_once() {
    let desk = Desk::new();
    let ran = Arc::new(AtomicUsize::new(0));
    let service = guarded(&desk.layer(), &ran);
    // Two that are begun before either is polled, and end in the other order.
    for impersonating_first in [true, false] {
        let (mut one, mut two) = (service.clone(), service.clone());
        let carol = desk.carol();
        let impersonating = one.ready().await.unwrap().call(get(&carol, &[AS_ALICE]));
        let plain = two.ready().await.unwrap().call(get(&carol, &[]));
        let statuses = if impersonating_first {
            let first = impersonating.await.unwrap().status();
            [first, plain.await.unwrap().status()]
        } else {
            let second = plain.await.unwrap().status();
            [impersonating.await.unwrap().status(), second]
        };
        assert_eq!(statuses.map(|status| status.as_u16()), [403, 200]);
    }
    let before = ran.load(Ordering::SeqCst);
    let tasks = (0..60).map(|i| {
        let (service, carol) = (service.clone(), desk.carol());
        tokio::spawn(async move {
            let headers: &[(&str, &str)] = if i % 2 == 0 { &[AS_ALICE] } else { &[] };
            send(service, get(&carol, headers)).await.status.as_u16()
        })
    });
    for (i, task) in tasks.collect::<Vec<_>>().into_iter().enumerate() {
        assert_eq!(task.await.unwrap(), if i % 2 == 0 { 403 } else { 200 });
    }
    assert_eq!(ran.load(Ordering::SeqCst) - before, 30);
}

#[tokio::test]
async fn a_guard_reads_no_body_and_passes_those_of_plain_requests_frame_by_frame() {
    let desk = Desk::new();
    let echo = service_fn(|request: Request<Steps>| async move {
        Ok::<_, Infallible>(Response::new(request.into_body()))
    });
    let service = desk.layer().layer(deny_while_impersonating().layer(echo));
    let upload = |headers: &[(&str, &str)], steps: &[Step]| {
        get(&desk.carol(), headers).map(|_| Steps::new(steps.iter().copied()))
    };
    // Polled, this body would panic.
    let refused = service
        .clone()
        .oneshot(upload(&[AS_ALICE], &[Step::Panic]))
        .await;
    assert_eq!(refused.unwrap().status(), 403);
    let steps = [Step::Data("one"), Step::Data("two"), Step::Trailers];
    let mut body = service
        .oneshot(upload(&[], &steps))
        .await
        .unwrap()
        .into_body();
    let mut seen = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.unwrap();
        seen.push(frame.data_ref().map_or("trailers".into(), |d| {
            String::from_utf8_lossy(d).into_owned()
        }));
    }
    assert_eq!(seen, ["one", "two", "trailers"]);
}

// --- only to read -------------------------------------------------------------------------------------

#[tokio::test]
async fn p16_nothing_in_a_request_widens_its_mode() {
    let desk = Desk::new();
    let layer = read_only(&desk).build().unwrap();
    let token = desk
        .token("carol", &["support"])
        .claim("mode", "full")
        .claim("impersonation.mode", "full")
        .sign();
    let said = [
        AS_ALICE,
        ("impersonate-mode", "full"),
        ("impersonation-mode", "full"),
        ("x-impersonate-mode", "full"),
        ("mode", "full"),
        ("cookie", "mode=full"),
    ];
    let path = "/orders?mode=full&impersonate-mode=full";
    let seen = desk.send(&layer, at(path, &token, &said)).await;
    seen.assert_ran_as("alice", Some("carol"));
    assert_eq!(seen.body["mode"], "read_only");
    desk.assert_recorded("carol", Some("alice"));
    let post = with_method("POST", at(path, &token, &said));
    let post = post.map(|_| Full::from(r#"{"mode":"full","impersonation":{"mode":"full"}}"#));
    let seen = desk.send(&layer, post).await;
    seen.assert_refused(403);
    assert_eq!(seen.kind(), RejectionKind::ReadOnly);
    desk.assert_denied("carol", Some("alice"), "read_only");
}

#[tokio::test]
async fn p17_a_get_that_writes_after_all_is_refused_and_recorded() {
    let desk = Desk::new();
    let shop = Shop::default();
    let layer = read_only(&desk).build().unwrap();
    for method in ["GET", "HEAD", "OPTIONS"] {
        let request = at(
            "/visit",
            &desk.carol(),
            &[AS_ALICE, ("x-request-id", "r-1")],
        );
        let seen = shop.ask(&layer, with_method(method, request)).await;
        assert_eq!(
            (seen.status.as_u16(), seen.kind()),
            (403, RejectionKind::ReadOnly)
        );
        assert_eq!(seen.body["title"], "this impersonation may only read");
        assert_eq!(seen.body["error"], "insufficient_scope");
        assert_eq!(seen.header("cache-control"), Some("no-store"));
        assert_eq!(shop.wrote(), Vec::<String>::new());
        let denial = desk.denial();
        assert_eq!(denial["http.request.method"], method);
        assert_eq!(denial["url.path"], "/visit");
        assert_eq!(denial["http.request.id"], "r-1");
        assert_declined(&desk, "carol", Some("alice"), "read_only", 403);
    }
    // The same in full mode, and as oneself, and a read in the same mode.
    let seen = shop
        .ask(&desk.layer(), at("/visit", &desk.carol(), &[AS_ALICE]))
        .await;
    assert_eq!(
        (seen.status.as_u16(), shop.wrote()),
        (200, vec!["alice".to_owned()])
    );
    let seen = shop.ask(&layer, at("/visit", &desk.carol(), &[])).await;
    assert_eq!(
        (seen.status.as_u16(), shop.wrote()),
        (200, vec!["carol".to_owned()])
    );
    let seen = shop
        .ask(&layer, at("/orders", &desk.carol(), &[AS_ALICE]))
        .await;
    assert_eq!(seen.status, 200);
    // A gRPC call hears it in its own way.
    let call = [
        AS_ALICE,
        ("content-type", "application/grpc"),
        ("te", "trailers"),
    ];
    let layer = read_only(&desk).reads(|_| true).build().unwrap();
    let call = with_method("POST", at("/visit", &desk.carol(), &call));
    let seen = shop.ask(&layer, call).await;
    assert_eq!(
        (seen.status.as_u16(), seen.header("grpc-status")),
        (200, Some("7"))
    );
    assert_eq!(shop.wrote(), Vec::<String>::new());
}

#[tokio::test]
async fn p17_a_write_hidden_behind_another_method_is_refused_in_read_only_mode() {
    let desk = Desk::new();
    let all = DenialLimit::new(10_000, Duration::from_secs(60));
    let layer = read_only(&desk).denial_limit(all).build().unwrap();
    let names = [
        "x-http-method-override",
        "X-HTTP-Method-Override",
        "x-http-method",
        "x-method-override",
        "x_http_method_override",
    ];
    for method in ["GET", "HEAD", "OPTIONS", "TRACE"] {
        for name in names {
            for hidden in [
                "DELETE",
                "post",
                " PUT ",
                "PATCH",
                "PROPPATCH",
                "GET, DELETE",
                "",
            ] {
                let request = get(&desk.carol(), &[AS_ALICE, (name, hidden)]);
                let seen = desk.send(&layer, with_method(method, request)).await;
                seen.assert_refused(403);
                assert_eq!(
                    seen.kind(),
                    RejectionKind::ReadOnly,
                    "{method} {name}: {hidden}"
                );
                desk.assert_denied("carol", Some("alice"), "read_only");
            }
            for harmless in ["GET", "head", " OPTIONS "] {
                let request = get(&desk.carol(), &[AS_ALICE, (name, harmless)]);
                let seen = desk.send(&layer, with_method(method, request)).await;
                seen.assert_ran_as("alice", Some("carol"));
                desk.assert_recorded("carol", Some("alice"));
            }
        }
    }
    // Two values, of which one is harmless.
    let twice = [
        AS_ALICE,
        ("x-http-method", "GET"),
        ("x-http-method", "DELETE"),
    ];
    desk.as_carol(&layer, &twice).await.assert_refused(403);
    desk.sink.clear();
    for (query, status) in [
        ("_method=DELETE", 403),
        ("page=2&_method=put", 403),
        ("_method=get&_method=delete", 403),
        ("%5Fmethod=DELETE", 403),
        ("_method", 403),
        ("_method=GET", 200),
        ("method=DELETE", 200),
        ("q=_method=DELETE", 200),
    ] {
        let request = at(&format!("/orders?{query}"), &desk.carol(), &[AS_ALICE]);
        let seen = desk.send(&layer, request).await;
        assert_eq!(seen.status, status, "{query}");
    }
    // A closure that takes the request for a read is not asked.
    let lax = read_only(&desk).reads(|_| true).build().unwrap();
    let hidden = [AS_ALICE, ("x-http-method-override", "DELETE")];
    desk.as_carol(&lax, &hidden).await.assert_refused(403);
    // In full mode, and as oneself, it is the application's business.
    for (layer, headers) in [(desk.layer(), &hidden[..]), (layer, &hidden[1..])] {
        assert_eq!(desk.as_carol(&layer, headers).await.status, 200);
    }
}

#[tokio::test]
async fn p19_a_handler_that_panics_leaves_nothing_behind() {
    let desk = Desk::new();
    let shop = Shop::default();
    let layer = read_only(&desk).build().unwrap();
    let (of_task, request) = (shop.clone(), at("/panic", &desk.carol(), &[AS_ALICE]));
    let around = layer.clone();
    let panicked = tokio::spawn(async move { of_task.ask(&around, request).await.status }).await;
    assert!(panicked.unwrap_err().is_panic());
    assert_declined_and_broken(&desk);
    // On the same thread, with the same layer: Carol writes as herself, and still not as Alice.
    for (headers, status, wrote) in [(&[][..], 200, vec!["carol"]), (&[AS_ALICE], 403, vec![])] {
        let seen = shop.ask(&layer, at("/visit", &desk.carol(), headers)).await;
        assert_eq!(
            (seen.status.as_u16(), shop.wrote()),
            (status, wrote.into_iter().map(str::to_owned).collect())
        );
    }
    assert!(stamp::current().is_none());
}

#[track_caller]
fn assert_declined_and_broken(desk: &Desk) {
    assert_eq!(desk.denial()[RULE], "read_only");
    let completed = desk.events(EventName::Completed);
    assert_eq!(completed[0]["impersonation.outcome"], "failure");
    desk.sink.clear();
}

#[tokio::test]
async fn p20_a_job_has_the_mode_of_the_request_that_started_it() {
    let desk = Desk::new();
    for (builder, headers, writes) in [
        (read_only(&desk), &[AS_ALICE][..], false),
        (desk.builder(), &[AS_ALICE], true),
        (read_only(&desk), &[], true),
    ] {
        let (builder, kept) = keeping(builder);
        let layer = builder.build().unwrap();
        desk.as_carol(&layer, headers).await;
        // The request is over, and its layer is gone.
        drop(layer);
        let principal = kept();
        let job = stamp::spawn(async move {
            let read_only = principal.impersonation().map(|i| i.is_read_only());
            (
                read_only,
                principal.allows_writes(),
                principal.require_write().await,
            )
        });
        let (is_read_only, allowed, required) = job.await.unwrap();
        assert_eq!((allowed, required.is_ok()), (writes, writes));
        assert_eq!(is_read_only, (!headers.is_empty()).then_some(!writes));
        let denials = desk.events(EventName::Denied);
        assert_eq!(denials.len(), usize::from(!writes));
        if let (Err(declined), [denial]) = (required, &denials[..]) {
            assert_eq!(declined.kind(), RejectionKind::ReadOnly);
            assert_eq!(declined.to_string(), "this impersonation may only read");
            assert_eq!(
                [ACTOR, TARGET, RULE].map(|n| &denial[n]),
                ["carol", "alice", "read_only"]
            );
            assert_eq!(declined.into_inner().status(), 403);
        }
        desk.sink.clear();
    }
}

#[tokio::test]
async fn what_a_job_takes_along_has_no_credential_in_it() {
    let desk = Desk::new();
    let seen = Arc::new(Mutex::new(None));
    let keep = Arc::clone(&seen);
    let own = move |_: &Rejection, request: &Parts| {
        *keep.lock().unwrap() = Some(request.headers.clone());
        Response::new(Bytes::new())
    };
    let (builder, kept) = keeping(read_only(&desk).respond(own));
    let layer = builder.build().unwrap();
    let headers = [
        AS_ALICE,
        ("cookie", "session=secret"),
        ("accept-language", "de"),
        ("x-api-key", "secret"),
    ];
    desk.as_carol(&layer, &headers).await;
    assert!(kept().require_write().await.is_err());
    let seen = seen.lock().unwrap().take().unwrap();
    let names: Vec<_> = seen.keys().map(|name| name.as_str()).collect();
    assert_eq!(names, ["accept-language"]);
}

#[tokio::test]
async fn p21_read_only_never_keeps_the_audit_from_writing() {
    let desk = Desk::new();
    let file = std::env::temp_dir().join(format!("guards-p21-{}.jsonl", std::process::id()));
    let _ = std::fs::remove_file(&file);
    let sinks = [
        tower_impersonate::audit::shared(tower_impersonate::audit::jsonl(&file)),
        tower_impersonate::audit::shared(desk.sink.clone()),
    ];
    let layer = read_only(&desk)
        .replacing()
        .audit(tower_impersonate::audit::all(sinks))
        .build()
        .unwrap();
    desk.as_carol(&layer, &[AS_ALICE])
        .await
        .assert_ran_as("alice", Some("carol"));
    let post = with_method("POST", get(&desk.carol(), &[AS_ALICE]));
    desk.send(&layer, post).await.assert_refused(403);
    Shop::default()
        .ask(&layer, at("/visit", &desk.carol(), &[AS_ALICE]))
        .await;
    let lines = std::fs::read_to_string(&file).unwrap();
    let names: Vec<String> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| {
            event["event.name"]
                .as_str()
                .unwrap()
                .replace("impersonation.", "")
        })
        .collect();
    assert_eq!(
        names,
        [
            "request",
            "completed",
            "denied",
            "request",
            "denied",
            "completed"
        ]
    );
    std::fs::remove_file(&file).unwrap();
}

// --- side effects -------------------------------------------------------------------------------------

const EFFECTS: [Effect; 5] = [
    Effect::LastLogin,
    Effect::Mail,
    Effect::Webhook,
    Effect::Analytics,
    Effect::EnrolmentGate,
];

#[tokio::test]
async fn h19_l10_nobody_who_impersonates_leaves_a_login_unless_it_is_configured() {
    let desk = Desk::new();
    let shop = Shop::default();
    for allowed in [false, true] {
        let (builder, requests) = strategies(&desk);
        let builder = if allowed {
            builder.allow_effects([Effect::LastLogin])
        } else {
            builder
        };
        let layer = builder.build().unwrap();
        for (strategy, token, headers, target) in requests {
            let seen = shop.ask(&layer, at("/login", &token, &headers)).await;
            assert_eq!(seen.status, 200);
            let expected: Vec<_> = allowed
                .then(|| target.unwrap_or("carol"))
                .into_iter()
                .collect();
            assert_eq!(shop.wrote(), expected, "{strategy}");
        }
        // A sign-in of one's own counts either way.
        shop.ask(&layer, at("/login", &desk.alice(), &[])).await;
        assert_eq!(shop.wrote(), ["alice"]);
    }
}

#[tokio::test]
async fn side_effects_are_all_on_plain_requests_and_what_is_configured_while_impersonating() {
    let desk = Desk::new();
    let only = |allowed: &[Effect]| allowed.iter().copied().collect::<SideEffects>();
    for allowed in [
        &[][..],
        &[Effect::Webhook],
        &[Effect::Analytics, Effect::Mail],
        &EFFECTS,
    ] {
        let builder = desk
            .builder()
            .anonymous(|| ())
            .allow_effects(allowed.iter().copied());
        let (builder, kept) = keeping(builder);
        let layer = builder.build().unwrap();
        desk.as_carol(&layer, &[AS_ALICE]).await;
        let principal = kept();
        for effect in EFFECTS {
            assert_eq!(
                principal.side_effects().allow(effect),
                allowed.contains(&effect),
                "{effect:?}"
            );
        }
        assert_eq!(principal.side_effects(), only(allowed));
        desk.as_carol(&layer, &[]).await;
        assert_eq!(kept().side_effects(), SideEffects::ALL);
    }
    assert_eq!(only(&[]), SideEffects::NONE);
    assert_eq!(
        format!("{:?}", only(&[Effect::Mail, Effect::LastLogin])),
        "{LastLogin, Mail}"
    );
    assert_eq!(format!("{:?}", SideEffects::NONE), "{}");
}

#[tokio::test]
async fn h20_a_plain_request_has_nothing_of_ours_and_varies_only_by_headers_that_are_read() {
    let desk = Desk::new();
    let claim = desk
        .bare()
        .issuer(desk.accepted().trust_claim("impersonating"))
        .resolve(resolve::claim("impersonating"))
        .policy(policy::in_group("support"));
    let authenticating = desk.bare().issuer(desk.accepted());
    for (builder, varies) in [
        (desk.builder(), true),
        (claim, false),
        (authenticating, false),
    ] {
        let layer = builder.build().unwrap();
        let seen = desk
            .send_to(
                &layer,
                &[("x-shop", "1")],
                get(&desk.alice(), &[("accept", "*/*")]),
            )
            .await;
        seen.assert_ran_as("alice", None);
        assert_eq!(
            (&seen.body["mode"], &seen.body["actor"]),
            (&Value::Null, &Value::Null)
        );
        assert_eq!(seen.body["headers"], json!(["authorization", "accept"]));
        let names: Vec<_> = seen.headers.keys().map(|name| name.as_str()).collect();
        let vary = if varies {
            &["x-shop", "vary"][..]
        } else {
            &["x-shop"]
        };
        assert_eq!(names, vary);
        desk.assert_silent();
    }
}

#[tokio::test]
async fn h22_h23_h24_bodies_and_their_length_stay_as_they_are() {
    let desk = Desk::new();
    let page = "<html><body>hello</body></html>";
    for kind in ["text/html", "application/json"] {
        for headers in [&[][..], &[AS_ALICE]] {
            let service =
                desk.layer()
                    .layer(service_fn(move |_: Request<Full<Bytes>>| async move {
                        let response = Response::builder().header("content-type", kind);
                        let response = response.header("content-length", page.len());
                        Ok::<_, Infallible>(response.body(Full::<Bytes>::from(page)).unwrap())
                    }));
            let seen = send(service, get(&desk.carol(), headers)).await;
            assert_eq!(seen.body, page);
            assert_eq!(
                seen.header("content-length"),
                Some(&*page.len().to_string())
            );
        }
    }
}
