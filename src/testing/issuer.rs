use std::fmt;
use std::sync::atomic::{AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use serde_json::json;
use tokio::task::AbortHandle;

use crate::testing::keys::{Keys, text};
use crate::testing::{AUDIENCE, CLIENT_ID, TokenBuilder, server};
use crate::time::{Clock, SystemClock};
use crate::token::{Algorithm, Issuer, StaticKeys};

/// An issuer for tests, with real keys: RSA of 2048 bits, P-256 and Ed25519.
///
/// Clones are the same issuer. A server that it started ends with the last of them.
///
/// ```
/// use tower_impersonate::testing::TestIssuer;
/// use tower_impersonate::token::Authenticator;
///
/// let issuer = TestIssuer::offline("https://issuer.example.com");
/// let authenticator = Authenticator::builder().issuer(issuer.issuer()).build()?;
///
/// let token = issuer.token("alice").groups(["support"]).sign();
/// let now = authenticator.clock().now();
/// let answer = authenticator.authenticate(&token, now).try_now();
/// assert!(matches!(answer, Ok(Ok(claims)) if claims.identity().subject() == "alice"));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct TestIssuer {
    shared: Arc<Shared>,
    clock: Arc<dyn Clock>,
}

pub(super) struct Shared {
    name: String,
    kind: Kind,
    keys: Mutex<Arc<Keys>>,
    requests: AtomicUsize,
    status: AtomicU16,
    server: Option<Server>,
}

enum Kind {
    Oidc,
    Offline,
    Cognito { region: String, pool: String },
}

struct Server {
    url: String,
    task: AbortHandle,
}

impl TestIssuer {
    /// Starts an OpenID Connect provider on `127.0.0.1`: a discovery document and a key set.
    ///
    /// # Panics
    ///
    /// When no port can be had, or outside of a tokio runtime.
    pub async fn start() -> Self {
        let (listener, url) = server::bind().await;
        Self::serving(url.clone(), Kind::Oidc, listener, url)
    }

    /// Starts a key server for a Cognito user pool. Its tokens are access tokens unless they say
    /// otherwise.
    ///
    /// # Panics
    ///
    /// When no port can be had, or outside of a tokio runtime.
    pub async fn start_cognito(region: &str, pool: &str) -> Self {
        let (listener, url) = server::bind().await;
        let name = format!("https://cognito-idp.{region}.amazonaws.com/{pool}");
        let kind = Kind::Cognito {
            region: region.into(),
            pool: pool.into(),
        };
        Self::serving(name, kind, listener, url)
    }

    /// An issuer without a server: [`issuer`](Self::issuer) holds the keys themselves.
    #[must_use]
    pub fn offline(name: &str) -> Self {
        Self::from_shared(Arc::new(Shared::new(name.into(), Kind::Offline, None)))
    }

    fn serving(name: String, kind: Kind, listener: tokio::net::TcpListener, url: String) -> Self {
        Self::from_shared(Arc::new_cyclic(|shared| {
            let task = tokio::spawn(server::serve(listener, shared.clone())).abort_handle();
            Shared::new(name, kind, Some(Server { url, task }))
        }))
    }

    fn from_shared(shared: Arc<Shared>) -> Self {
        Self {
            shared,
            clock: Arc::new(SystemClock::new()),
        }
    }

    /// Issues tokens by this clock; the system's without.
    #[must_use]
    pub fn with_clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// The `iss` of its tokens.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.shared.name
    }

    /// The configuration that accepts its tokens: those for [`AUDIENCE`], or of [`CLIENT_ID`] for
    /// Cognito, with groups from `groups` or `cognito:groups`. An offline issuer puts its keys of
    /// now into it.
    pub fn issuer(&self) -> Issuer {
        let name = self.name();
        match &self.shared.kind {
            Kind::Oidc => Issuer::oidc(name)
                .audiences([AUDIENCE])
                .groups_claim("groups")
                .insecure_loopback_http(),
            Kind::Offline => Issuer::static_keys(name, StaticKeys::jwks(self.jwks()))
                .audiences([AUDIENCE])
                .groups_claim("groups"),
            Kind::Cognito { region, pool } => Issuer::cognito(region, pool)
                .client_ids([CLIENT_ID])
                .jwks_url(self.jwks_url())
                .insecure_loopback_http(),
        }
    }

    /// Where its key set is served; empty for an offline issuer.
    #[must_use]
    pub fn jwks_url(&self) -> String {
        let server = self.shared.server.as_ref();
        server.map_or_else(String::new, |server| format!("{}{JWKS}", server.url))
    }

    /// The key set, as it is served.
    #[must_use]
    pub fn jwks(&self) -> String {
        self.shared.keys().jwks().to_string()
    }

    /// Starts a token for `subject`: an access token that is valid for five minutes from now.
    pub fn token(&self, subject: &str) -> TokenBuilder {
        let builder = TokenBuilder::new(self.clone(), subject, self.clock.now());
        match self.shared.kind {
            Kind::Cognito { .. } => builder.cognito_access(),
            Kind::Oidc | Kind::Offline => builder,
        }
    }

    /// Signs exactly this header and this payload, for tokens that no builder would make.
    ///
    /// # Panics
    ///
    /// For [`Algorithm::ES384`], for which there is no key.
    #[must_use]
    pub fn sign(&self, algorithm: Algorithm, header: &str, payload: &str) -> String {
        let input = format!("{}.{}", text(header.as_bytes()), text(payload.as_bytes()));
        let signature = self.shared.keys().sign(algorithm, input.as_bytes());
        format!("{input}.{}", text(&signature))
    }

    /// The `kid` of the key that signs with this algorithm now.
    #[must_use]
    pub fn kid(&self, algorithm: Algorithm) -> String {
        self.shared.keys().kid(algorithm)
    }

    /// Replaces all keys by new ones of other names. Tokens signed before keep their signature.
    pub fn rotate(&self) {
        let next = Arc::new(Keys::generate(self.shared.keys().generation() + 1));
        *self
            .shared
            .keys
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = next;
    }

    /// How many requests its server has answered.
    #[must_use]
    pub fn requests(&self) -> usize {
        self.shared.requests.load(Ordering::Acquire)
    }

    /// Answers every request with this status from now on; 200 repairs it.
    pub fn answer_with(&self, status: u16) {
        self.shared.status.store(status, Ordering::Release);
    }
}

impl Shared {
    fn new(name: String, kind: Kind, server: Option<Server>) -> Self {
        Self {
            name,
            kind,
            keys: Mutex::new(Arc::new(Keys::generate(1))),
            requests: AtomicUsize::new(0),
            status: AtomicU16::new(200),
            server,
        }
    }

    fn keys(&self) -> Arc<Keys> {
        Arc::clone(&self.keys.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Status and body of what is served at `path`.
    pub(super) fn answer(&self, path: &str) -> (u16, String) {
        self.requests.fetch_add(1, Ordering::AcqRel);
        let status = self.status.load(Ordering::Acquire);
        let url = self.server.as_ref().map_or("", |server| &server.url);
        match path {
            _ if status != 200 => (status, String::new()),
            JWKS => (200, self.keys().jwks().to_string()),
            DISCOVERY => {
                let document = json!({ "issuer": self.name, "jwks_uri": format!("{url}{JWKS}") });
                (200, document.to_string())
            }
            _ => (404, String::new()),
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl fmt::Debug for TestIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestIssuer")
            .field("name", &self.name())
            .finish_non_exhaustive()
    }
}

const JWKS: &str = "/.well-known/jwks.json";
const DISCOVERY: &str = "/.well-known/openid-configuration";
