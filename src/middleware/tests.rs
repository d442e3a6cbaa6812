//! What the audit, spans and log lines say of a grant, from its start to its end.

use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use std::{env, io, process};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, Sampler, SdkTracerProvider};
use serde_json::Value;
use tower::{Layer, ServiceExt, service_fn};
use tracing::{Dispatch, dispatcher, info, info_span};
use tracing_subscriber::fmt::format::{JsonFields, format};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry;

use crate::audit::{self, AuditSink, DenialLimit, EventName, OfGrant, Trail};
use crate::grant::{self, Beginning, Grants, Others};
use crate::identity::{Identity, IdentityKey};
use crate::middleware::ImpersonationLayer;
use crate::otel::{self, StampSampler};
use crate::policy::{self, Permit, screen};
use crate::resolve;
use crate::stamp::fields;
use crate::stamp::subscriber::StampFormat;
use crate::terms::{Ask, EndReason, GrantSecret, Mode, Reason, Strategy, TargetRef, Ticket};
use crate::testing::{ManualClock, TestIssuer};
use crate::time::Clock;
use crate::token::Verified;

const ISSUER: &str = "https://issuer.example.com";

/// Carol of the support team, Alice the customer, a layer that takes the cookie of a grant, and a real file.
struct Desk {
    clock: ManualClock,
    grants: Grants,
    trail: Trail,
    layer: ImpersonationLayer,
    token: String,
    file: PathBuf,
}

impl Desk {
    fn new(name: &str) -> Self {
        let folder = format!("tower-impersonate-grant-{name}-{}", process::id());
        let file = env::temp_dir().join(folder).join("audit.jsonl");
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let clock = ManualClock::new();
        let issuer = TestIssuer::offline(ISSUER).with_clock(clock.clone());
        let sink: Arc<dyn AuditSink> = Arc::new(audit::jsonl(&file));
        let grants = Grants::new(grant::memory());
        let layer = ImpersonationLayer::builder()
            .clock(clock.clone())
            .issuer(issuer.issuer().audiences(["desk"]).groups_claim("groups"))
            .resolve(resolve::cookie(["https://desk.example.com"]))
            .policy(policy::in_group("support"))
            .directory(crate::directory::memory([carol(), alice()]))
            .grants(grants.clone())
            .audit(Arc::clone(&sink))
            .build()
            .unwrap();
        let trail = Trail::new(sink, Arc::new(clock.clone()), DenialLimit::default());
        let token = issuer.token("carol").audience("desk").groups(["support"]);
        Self {
            clock,
            grants,
            trail,
            layer,
            token: token.sign(),
            file,
        }
    }

    fn permit(&self, secret: &GrantSecret) -> Permit {
        let ask = Ask::user(TargetRef::subject(ISSUER, "alice"), Strategy::Cookie)
            .with_reason(Reason::parse("she cannot see her order", 500).unwrap())
            .with_ticket(Ticket::parse("DESK-4711").unwrap())
            .with_mode(Mode::Scoped)
            .with_scopes(["orders:read"]);
        let (rule, now) = (policy::in_group("support"), self.clock.now());
        screen(&rule, Verified::for_test(carol()), ask, now)
            .and_then(|eligible| eligible.decide(&rule, alice(), now))
            .unwrap()
            .under(secret.id())
    }

    /// Carol acts as Alice for an hour.
    async fn start(&self, secret: &GrantSecret) {
        let now = self.clock.now();
        let deadline = now.saturating_add(Duration::from_secs(3600));
        let (parts, ()) = Request::post("/impersonation")
            .body(())
            .unwrap()
            .into_parts();
        let step = OfGrant::Starts { deadline };
        let recorded = self.trail.of_grant(step, self.permit(secret), &parts, now);
        let beginning = Beginning {
            secret: secret.clone(),
            deadline,
            actor_was_found: true,
            others: Others::Replaced,
            now,
        };
        self.grants
            .start(&recorded.await.unwrap(), &beginning)
            .await
            .unwrap();
    }

    async fn end(&self, secret: &GrantSecret, reason: EndReason, by: &str) {
        let (id, by) = (secret.id(), IdentityKey::new(ISSUER, by));
        let ended = self.grants.end(&id, reason, Some(&by)).await.unwrap();
        assert!(ended.is_some_and(|ended| ended.now));
    }

    /// A request under the grant, with Carol's own token; answers with the status.
    async fn send(&self, secret: &GrantSecret) -> u16 {
        let cookie = format!("__Host-impersonation={}", secret.expose().expose());
        let request = Request::get("/orders")
            .header("authorization", format!("Bearer {}", self.token))
            .header("cookie", cookie)
            .body(Full::<Bytes>::default())
            .unwrap();
        let handler = service_fn(|_: Request<Full<Bytes>>| async {
            info_span!("find_orders").in_scope(|| info!("looking for orders"));
            Ok::<_, Infallible>(Response::new(Full::<Bytes>::default()))
        });
        let response = self.layer.layer(handler).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        response.into_body().collect().await.unwrap();
        status
    }

    fn events(&self) -> Vec<String> {
        let text = fs::read_to_string(&self.file).unwrap();
        text.lines().map(str::to_owned).collect()
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        // What is left is in the folder for what is left.
        let _ = self.file.parent().map(fs::remove_dir_all);
    }
}

fn carol() -> Identity {
    let carol = Identity::new(ISSUER, "carol").with_tenant(ISSUER);
    carol.with_groups(["support"]).enabled_account()
}

fn alice() -> Identity {
    let alice = Identity::new(ISSUER, "alice").with_tenant(ISSUER);
    alice.with_groups(["customers"]).enabled_account()
}

/// The same in each run, so that the id of its grant is.
fn secret(letter: &str) -> GrantSecret {
    GrantSecret::parse(&format!("{}A", letter.repeat(42))).unwrap()
}

/// The line with the ids of its events numbered in their order.
fn normal(line: &str) -> String {
    let event: Value = serde_json::from_str(line).unwrap();
    let mut line = line.to_owned();
    let ids = event.as_object().unwrap().iter();
    let ids = ids.filter(|(field, _)| field.ends_with("event.id"));
    for (number, (_, id)) in ids.enumerate() {
        let numbered = format!("018bcfe5-6800-7000-8000-{:012}", number + 1);
        line = line.replace(id.as_str().unwrap(), &numbered);
    }
    line + "\n"
}

/// `BLESS=1` writes the golden files: only for a field that is new.
#[track_caller]
fn assert_golden(name: &str, line: &str) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/audit");
    let path = folder.join(format!("grant_{name}.json"));
    if env::var_os("BLESS").is_some() {
        fs::write(&path, line).unwrap();
    }
    assert_eq!(fs::read_to_string(&path).unwrap(), line, "{name}");
}

#[tokio::test]
async fn a_golden_file_for_each_event_of_a_grant() {
    let desk = Desk::new("golden");
    let [first, second, third] = ["a", "b", "c"].map(secret);
    let (parts, ()) = Request::post("/token").body(()).unwrap().into_parts();

    desk.start(&first).await;
    assert_eq!(desk.send(&first).await, 200);
    let now = desk.clock.now();
    let issued = desk.trail.of_grant(
        OfGrant::Issues {
            client: Some("orders"),
        },
        desk.permit(&first),
        &parts,
        now,
    );
    drop(issued.await.unwrap());
    let grant = desk.grants.find(&first.id()).await.unwrap().unwrap();
    let ask = grant.ask().clone().under(first.id());
    let later = now.saturating_add(Duration::from_secs(7200));
    let extended = desk
        .trail
        .extended(&ask, [grant.actor(), grant.target()], later, now);
    extended.await.unwrap();
    desk.end(&first, EndReason::Stopped, "carol").await;
    assert_eq!(desk.send(&first).await, 403);

    desk.start(&second).await;
    desk.end(&second, EndReason::Revoked, "root").await;

    desk.start(&third).await;
    desk.clock.advance(Duration::from_secs(3600));
    desk.grants.sweep().await.unwrap();

    let lines = desk.events();
    let names = [
        "started",
        "request",
        "completed",
        "issued",
        "extended",
        "ended",
        "denied",
        "",
        "revoked",
        "",
        "expired",
    ];
    assert_eq!(lines.len(), names.len(), "{lines:#?}");
    for (name, line) in names
        .iter()
        .zip(&lines)
        .filter(|(name, _)| !name.is_empty())
    {
        assert_golden(name, &normal(line));
    }
    for name in EventName::ALL {
        let written = format!(r#""event.name":"{}""#, name.as_str());
        assert!(
            lines.iter().any(|line| line.contains(&written)),
            "{written}"
        );
    }
}

/// The request's own span, the one around it and every log line name the grant; spans below do by their
/// trace.
#[tokio::test]
async fn the_id_of_a_grant_stands_on_the_requests_spans_and_on_each_line() {
    // A process with one subscriber only switches call sites off for all threads.
    static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(registry()));
    LazyLock::force(&SECOND);
    let (spans, log) = (InMemorySpanExporter::default(), Log::default());
    let tracers = SdkTracerProvider::builder()
        .with_sampler(StampSampler::new(Sampler::AlwaysOn))
        .with_simple_exporter(spans.clone())
        .build();
    let writer = log.clone();
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(StampFormat::json(format().json()))
        .with_writer(move || writer.clone());
    let both = registry()
        .with(lines)
        .with(otel::layer(tracers.tracer("test")));
    let desk = Desk::new("stamped");
    let secret = secret("d");
    let id = secret.id().to_string();
    let send = async |status| {
        let outer = info_span!("outer");
        let sent = tracing::Instrument::instrument(desk.send(&secret), outer);
        assert_eq!(sent.await, status);
    };
    desk.start(&secret).await;
    {
        let _default = dispatcher::set_default(&both.into());
        send(200).await;
        desk.end(&secret, EndReason::Stopped, "carol").await;
        send(403).await;
    }

    let named = |name: &str| -> Vec<Option<String>> {
        let spans = spans.get_finished_spans().unwrap();
        let spans = spans.iter().filter(|span| span.name == *name);
        let grant = spans.map(|span| {
            let mut grants = span.attributes.iter();
            let grants = grants.find(|a| a.key.as_str() == fields::GRANT_ID);
            grants.map(|a| a.value.as_str().into_owned())
        });
        grant.collect()
    };
    let (told, untold) = (Some(id.clone()), None);
    let own = named("impersonation.request");
    assert_eq!(own, [told.clone(), told.clone()], "accepted and denied");
    assert_eq!(
        named("outer"),
        [told, untold.clone()],
        "accepted and denied"
    );
    assert_eq!(named("find_orders"), [untold], "below");
    let text = String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!(line["fields"]["message"], "looking for orders", "{line}");
    assert_eq!(line[fields::GRANT_ID], id, "{line}");
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
