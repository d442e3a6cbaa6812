//! What the targets share: a desk whose tokens are really signed, and what must hold of whatever
//! its layer lets through.

pub mod oracle;
pub mod signer;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Request, Response, StatusCode, header};
use http_body_util::Empty;
use tokio::runtime::Runtime;
use tower::{Layer, ServiceExt, service_fn};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event, EventName};
use tower_impersonate::testing::ManualClock;
use tower_impersonate::token::StaticKeys;
use tower_impersonate::{
    Identity, ImpersonationLayer, Issuer, Principal, directory, policy, resolve,
};

use crate::signer::{HEADER, Signer, members};

pub const ISSUER: &str = "https://issuer.example.com";
pub const AUDIENCE: &str = "desk-api";
/// Where the clock stands.
pub const NOW: i64 = 1_700_000_000;
/// The groups that may be taken as a role.
pub const ROLES: [&str; 1] = ["viewers"];

/// Who there is, with which groups.
pub const PEOPLE: [(&str, &[&str]); 4] = [
    ("alice", &["customers", "beta"]),
    ("bob", &["customers"]),
    ("carol", &["support"]),
    ("root", &["admins"]),
];

pub struct Desk {
    pub signer: Signer,
    layer: ImpersonationLayer,
    recorded: Counter,
    runtime: Runtime,
}

/// What came back.
pub struct Outcome {
    pub status: StatusCode,
    /// What the handler saw, if it ran.
    pub ran: Option<Ran>,
    /// How many impersonated requests were recorded.
    pub recorded: usize,
}

/// What the handler saw.
#[derive(Clone)]
pub struct Ran {
    pub principal: Option<Principal>,
    pub headers: HeaderMap,
}

impl Default for Desk {
    fn default() -> Self {
        let signer = Signer::default();
        let desk = Self::with_keys(signer.jwks()).expect("a sound desk");
        desk.assert_lets_in();
        desk
    }
}

impl Desk {
    /// A desk whose issuer has these keys, unless none of them is of use.
    pub fn with_keys(jwks: String) -> Option<Self> {
        let people = PEOPLE.map(|(sub, groups)| {
            Identity::new(ISSUER, sub)
                .with_groups(groups.to_vec())
                .enabled_account()
        });
        let recorded = Counter::default();
        let issuer = Issuer::static_keys(ISSUER, StaticKeys::jwks(jwks))
            .audiences([AUDIENCE])
            .groups_claim("groups")
            .trust_claim("impersonating")
            .trust_act();
        let may = policy::in_group("support").or(policy::vouched_by(ISSUER));
        let layer = ImpersonationLayer::builder()
            .issuer(issuer)
            .clock(ManualClock::new())
            .directory(directory::memory(people))
            .audit(recorded.clone())
            .resolve(resolve::act())
            .resolve(resolve::claim("impersonating").or_string())
            .resolve(resolve::header("impersonate-user"))
            .resolve(resolve::role(ROLES))
            .policy(may.except(policy::target_in_group("admins")))
            .build()
            .ok()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_time()
            .build()
            .expect("a runtime");
        Some(Self {
            signer: Signer::default(),
            layer,
            recorded,
            runtime,
        })
    }

    /// Sends a request with these headers through the layer.
    pub fn send(&self, headers: &HeaderMap) -> Outcome {
        timed(|| self.send_once(headers))
    }

    /// Sends a request with this token.
    pub fn send_token(&self, token: &str) -> Option<Outcome> {
        let value = http::HeaderValue::try_from(format!("Bearer {token}")).ok()?;
        let headers = HeaderMap::from_iter([(header::AUTHORIZATION, value)]);
        Some(self.send(&headers))
    }

    /// A desk that refused everything would find nothing wrong.
    fn assert_lets_in(&self) {
        let carol = members("carol", r#"["support"]"#);
        let alice = members("alice", r#"["customers"]"#);
        for (payload, header) in [
            (alice.clone(), None),
            (carol.clone(), Some("impersonate-user: alice")),
            (carol.clone(), Some("impersonate-group: viewers")),
            (
                format!(r#"{carol},"impersonating":{{"sub":"alice"}}"#),
                None,
            ),
            (format!(r#"{alice},"act":{{"sub":"carol"}}"#), None),
        ] {
            let token = self
                .signer
                .sign(HEADER, format!("{{{payload}}}").as_bytes());
            let mut sent = HeaderMap::new();
            let token = format!("Bearer {token}").parse().expect("ASCII");
            sent.insert(header::AUTHORIZATION, token);
            if let Some((name, value)) = header.and_then(|line| line.split_once(": ")) {
                sent.insert(name, value.parse().expect("ASCII"));
            }
            let outcome = self.send(&sent);
            assert!(outcome.ran.is_some(), "{payload} {header:?}");
            oracle::check(&self.signer, &sent, &outcome);
        }
    }

    fn send_once(&self, headers: &HeaderMap) -> Outcome {
        let mut request = Request::new(Empty::<Bytes>::new());
        *request.headers_mut() = headers.clone();
        let handler = service_fn(|request: Request<Empty<Bytes>>| {
            let ran = Ran {
                principal: request.extensions().get().cloned(),
                headers: request.headers().clone(),
            };
            let mut response = Response::new(Empty::<Bytes>::new());
            response.extensions_mut().insert(ran);
            async move { Ok::<_, Infallible>(response) }
        });
        self.recorded.0.store(0, Ordering::Relaxed);
        let sent = self.layer.layer(handler).oneshot(request);
        let response = self.runtime.block_on(sent).expect("infallible");
        let ran = response.extensions().get::<Ran>().cloned();
        let status = response.status();
        // The end of the body completes the audit.
        drop(response);
        Outcome {
            status,
            ran,
            recorded: self.recorded.0.load(Ordering::Relaxed),
        }
    }
}

/// No input may take long. The quickest of three tries counts: a busy machine is not the code's fault.
pub fn timed<T>(work: impl Fn() -> T) -> T {
    static SLOWEST: AtomicU64 = AtomicU64::new(1000);
    let slowest = Duration::from_micros(SLOWEST.load(Ordering::Relaxed));
    let mut quickest = Duration::MAX;
    let mut tries = 0;
    loop {
        let began = Instant::now();
        let done = work();
        quickest = quickest.min(began.elapsed());
        tries += 1;
        if quickest <= slowest {
            return done;
        }
        if tries == 3 {
            assert!(quickest < LONG, "an input takes {quickest:?}");
            SLOWEST.store(quickest.as_micros() as u64, Ordering::Relaxed);
            eprintln!("slowest input so far: {quickest:?}");
            return done;
        }
    }
}

const LONG: Duration = Duration::from_millis(100);

/// Counts what was recorded as about to run.
#[derive(Clone, Default)]
struct Counter(Arc<AtomicUsize>);

impl AuditSink for Counter {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        if event.name == EventName::Request {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
        Answer::now(Ok(()))
    }

    fn complete(&self, _: Completion) {}
}
