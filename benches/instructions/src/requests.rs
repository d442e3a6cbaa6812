//! Whole requests through the layer around a router, and what is made before they are counted.

use std::convert::Infallible;
use std::hint::black_box;

use aws_lc_rs::signature::{ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RsaPublicKeyComponents};
use axum::body::Body;
use axum::routing::get;
use axum::{Extension, Router};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, COOKIE, HOST, HeaderName, HeaderValue, USER_AGENT,
};
use http::{Request, Response, StatusCode};
use serde_json::Value;
use tokio::runtime::{Builder, Runtime};
use tower::{Layer, Service, ServiceExt};
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{AuditError, AuditSink, Completion, Event};
use tower_impersonate::grant::{GrantStore, Grants, MemoryStore, Others, StartLimit, Started};
use tower_impersonate::testing::TestGrant;
use tower_impersonate::time::Clock;
use tower_impersonate::{
    Identity, ImpersonationLayer, ImpersonationService, Principal, directory, policy, resolve,
};

use crate::BoxError;
use crate::tokens::{ACTOR, FRESH, ISSUER, StandingClock, TARGET, Tokens};

/// How many warm requests are counted, of which the figure is the mean.
pub const WARM: usize = 100;
/// How many of the same kind go before them.
const BEFORE: usize = 10;
const GARBAGE: usize = 8 * 1024;

/// The layer around a router.
pub type Layered = ImpersonationService<Router>;

/// A service, the requests that it will answer, and what it must answer.
#[derive(Debug)]
pub struct Prepared<S> {
    runtime: Runtime,
    service: S,
    requests: Vec<Request<Body>>,
    answer: StatusCode,
}

impl<S, B> Prepared<S>
where
    S: Service<Request<Body>, Response = Response<B>, Error = Infallible> + Clone,
{
    /// Answers `before` requests at once and keeps the others.
    fn new(
        service: S,
        before: usize,
        requests: impl IntoIterator<Item = Request<Body>>,
        answer: StatusCode,
    ) -> Result<Self, BoxError> {
        let mut requests = requests.into_iter();
        let mut prepared = Self {
            runtime: Builder::new_current_thread().enable_time().build()?,
            service,
            requests: requests.by_ref().take(before).collect(),
            answer,
        };
        prepared.answer_all();
        prepared.requests = requests.collect();
        Ok(prepared)
    }

    /// What is counted. The service is cloned for each, as a server does.
    ///
    /// # Panics
    ///
    /// When a request is answered otherwise than it must be.
    pub fn answer_all(&mut self) {
        let requests = std::mem::take(&mut self.requests);
        self.runtime.block_on(async {
            for request in requests {
                let Ok(response) = self.service.clone().oneshot(request).await;
                assert_eq!(response.status(), self.answer);
            }
        });
    }
}

/// A router whose handler knows nobody, and gets the same token.
///
/// # Errors
///
/// When the tokens cannot be read.
pub fn bare() -> Result<Prepared<Router>, BoxError> {
    let router = Router::new().route("/", get(async || "hello"));
    let token = bearer(&Tokens::stored()?.plain)?;
    let requests = (0..BEFORE + WARM).map(|_| request(&token, None));
    Prepared::new(router, BEFORE, requests, StatusCode::OK)
}

/// Nobody acts as anybody.
///
/// # Errors
///
/// When the tokens cannot be read, or the layer refuses the configuration.
pub fn plain() -> Result<Prepared<Layered>, BoxError> {
    let tokens = Tokens::stored()?;
    warm(layered(&tokens)?, &tokens.plain, None, StatusCode::OK)
}

/// The token names the target.
///
/// # Errors
///
/// As [`plain`].
pub fn by_claim() -> Result<Prepared<Layered>, BoxError> {
    let tokens = Tokens::stored()?;
    warm(layered(&tokens)?, &tokens.claim, None, StatusCode::OK)
}

/// A header names the target.
///
/// # Errors
///
/// As [`plain`].
pub fn by_header() -> Result<Prepared<Layered>, BoxError> {
    let tokens = Tokens::stored()?;
    let more = (
        HeaderName::from_static("impersonate-user"),
        HeaderValue::from_static(TARGET),
    );
    warm(layered(&tokens)?, &tokens.plain, Some(more), StatusCode::OK)
}

/// A cookie names a grant, which lies in memory.
///
/// # Errors
///
/// As [`plain`].
pub fn by_grant() -> Result<Prepared<Layered>, BoxError> {
    let tokens = Tokens::stored()?;
    let store = MemoryStore::bounded(1_000);
    let (grant, secret) = TestGrant::new(ACTOR, TARGET).build_with_secret();
    let limit = StartLimit {
        per_actor: 1,
        others: Others::Stay,
        keep_ended: 10,
        now: StandingClock.now(),
    };
    let Ok(Ok(Started::New(..))) = store.start(grant, limit).try_now() else {
        return Err("the grant did not start".into());
    };
    let layer = builder(&tokens)
        .resolve(resolve::cookie(["https://desk.example.com"]))
        .grants(Grants::new(store))
        .build()?;
    let cookie = format!("__Host-impersonation={}", secret.expose().expose());
    let more = (COOKIE, shared(&cookie)?);
    warm(
        layer.layer(routed()),
        &tokens.plain,
        Some(more),
        StatusCode::OK,
    )
}

/// Letters and two dots, as long as a token may be.
///
/// # Errors
///
/// As [`plain`].
pub fn garbage() -> Result<Prepared<Layered>, BoxError> {
    let tokens = Tokens::stored()?;
    let mut letters = b"aB3-".repeat(GARBAGE / 4);
    letters[GARBAGE / 3] = b'.';
    letters[2 * GARBAGE / 3] = b'.';
    let letters = String::from_utf8(letters)?;
    warm(layered(&tokens)?, &letters, None, StatusCode::UNAUTHORIZED)
}

/// Tokens that were not there before.
///
/// # Errors
///
/// As [`plain`].
pub fn cold() -> Result<Prepared<Layered>, BoxError> {
    let tokens = Tokens::stored()?;
    let fresh: Result<Vec<_>, _> = tokens.fresh.iter().map(|token| bearer(token)).collect();
    let requests: Vec<_> = fresh?.iter().map(|token| request(token, None)).collect();
    Prepared::new(layered(&tokens)?, FRESH, requests, StatusCode::OK)
}

/// The signatures of those tokens, and nothing else.
#[derive(Debug)]
pub struct Signatures {
    key: ParsedPublicKey,
    /// What was signed, and the signature.
    tokens: Vec<(String, Vec<u8>)>,
}

impl Signatures {
    /// The tokens that [`cold`] sends, with the key that signed them.
    ///
    /// # Errors
    ///
    /// When the tokens cannot be read.
    pub fn new() -> Result<Self, BoxError> {
        let tokens = Tokens::stored()?;
        let keys: Value = serde_json::from_str(&tokens.keys)?;
        let rsa = keys["keys"].as_array().into_iter().flatten();
        let rsa = rsa.into_iter().find(|key| key["kty"] == "RSA");
        let member = |name: &str| rsa.and_then(|key| key[name].as_str()).ok_or("no RSA key");
        let key = RsaPublicKeyComponents {
            n: URL_SAFE_NO_PAD.decode(member("n")?)?,
            e: URL_SAFE_NO_PAD.decode(member("e")?)?,
        };
        let key = key.to_parsed_public_key(&RSA_PKCS1_2048_8192_SHA256)?;
        let split = |token: &String| -> Result<_, BoxError> {
            let (signed, signature) = token.rsplit_once('.').ok_or("no token")?;
            Ok((signed.to_owned(), URL_SAFE_NO_PAD.decode(signature)?))
        };
        let split: Result<Vec<_>, _> = tokens.fresh.iter().map(split).collect();
        let mut before = Self {
            key,
            tokens: split?,
        };
        let counted = before.tokens.split_off(FRESH);
        before.check_all();
        Ok(Self {
            key: before.key,
            tokens: counted,
        })
    }

    /// What is counted.
    ///
    /// # Panics
    ///
    /// When a signature is not the key's.
    pub fn check_all(&self) {
        for (signed, signature) in &self.tokens {
            let checked = self.key.verify_sig(signed.as_bytes(), signature);
            assert!(checked.is_ok(), "the signature of a stored token");
        }
    }
}

fn warm(
    service: Layered,
    token: &str,
    more: Option<(HeaderName, HeaderValue)>,
    answer: StatusCode,
) -> Result<Prepared<Layered>, BoxError> {
    let token = bearer(token)?;
    let requests = (0..BEFORE + WARM).map(|_| request(&token, more.as_ref()));
    Prepared::new(service, BEFORE, requests, answer)
}

fn layered(tokens: &Tokens) -> Result<Layered, BoxError> {
    let builder = builder(tokens)
        .resolve(resolve::header("impersonate-user"))
        .resolve(resolve::claim("impersonating"));
    Ok(builder.build()?.layer(routed()))
}

fn builder(tokens: &Tokens) -> tower_impersonate::middleware::Builder {
    let person = |sub: &str, group: &str| {
        Identity::new(ISSUER, sub)
            .with_groups([group])
            .enabled_account()
    };
    ImpersonationLayer::builder()
        .issuer(tokens.issuer())
        .policy(policy::in_group("support"))
        .directory(directory::memory([
            person(TARGET, "customers"),
            person(ACTOR, "support"),
        ]))
        .audit(DiscardForBenchmark)
        .clock(StandingClock)
}

fn routed() -> Router {
    let greet = async |Extension(principal): Extension<Principal>| {
        black_box(principal.subject());
        "hello"
    };
    Router::new().route("/", get(greet))
}

/// Takes every event and keeps none, so that the layer is counted and no disk.
struct DiscardForBenchmark;

impl AuditSink for DiscardForBenchmark {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        black_box(event);
        Answer::now(Ok(()))
    }

    fn complete(&self, done: Completion) {
        black_box(done);
    }
}

/// Copies no value, as a server's headers are views of what it read.
fn request(token: &HeaderValue, more: Option<&(HeaderName, HeaderValue)>) -> Request<Body> {
    let mut request = Request::new(Body::empty());
    let headers = request.headers_mut();
    headers.reserve(16);
    let fixed = [
        (HOST, "api.example.com"),
        (USER_AGENT, "benchmark"),
        (ACCEPT, "*/*"),
        (ACCEPT_ENCODING, "gzip"),
        (HeaderName::from_static("x-request-id"), "1"),
    ];
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.insert(AUTHORIZATION, token.clone());
    if let Some((name, value)) = more {
        headers.insert(name.clone(), value.clone());
    }
    request
}

fn bearer(token: &str) -> Result<HeaderValue, BoxError> {
    shared(&format!("Bearer {token}"))
}

/// A value whose clones are views of it.
fn shared(value: &str) -> Result<HeaderValue, BoxError> {
    let value = HeaderValue::try_from(value)?;
    drop(value.clone());
    Ok(value)
}
