use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::testing::{AUDIENCE, CLIENT_ID, TestIssuer};
use crate::time::Timestamp;
use crate::token::Algorithm;

/// Builds one token; what is not said is as an acceptable token has it.
///
/// RS256, `typ` `JWT`, for [`AUDIENCE`], issued to [`CLIENT_ID`] now and valid for five minutes.
///
/// ```
/// use tower_impersonate::testing::TestIssuer;
///
/// let issuer = TestIssuer::offline("https://issuer.example.com");
/// let token = issuer.token("alice").scope("read write").claim("act", serde_json::json!({ "sub": "bob" })).without("jti").sign();
/// assert_eq!(token.split('.').count(), 3);
/// ```
#[derive(Clone)]
#[must_use]
pub struct TokenBuilder {
    issuer: TestIssuer,
    algorithm: Algorithm,
    header: Map<String, Value>,
    claims: Map<String, Value>,
    issued_at: Timestamp,
    lifetime: Duration,
    left_out: Vec<String>,
}

impl TokenBuilder {
    pub(super) fn new(issuer: TestIssuer, subject: &str, now: Timestamp) -> Self {
        let jti = format!("token-{}", NEXT_ID.fetch_add(1, Ordering::Relaxed));
        let mut claims = Map::new();
        claims.insert("iss".into(), issuer.name().into());
        claims.insert("sub".into(), subject.into());
        claims.insert("aud".into(), AUDIENCE.into());
        claims.insert("client_id".into(), CLIENT_ID.into());
        claims.insert("jti".into(), jti.into());
        Self {
            issuer,
            algorithm: Algorithm::RS256,
            header: Map::from_iter([("typ".into(), json!("JWT"))]),
            claims,
            issued_at: now,
            lifetime: Duration::from_secs(300),
            left_out: Vec::new(),
        }
    }

    /// `aud`.
    pub fn audience(self, audience: &str) -> Self {
        self.claim("aud", audience)
    }

    /// `client_id`.
    pub fn client_id(self, id: &str) -> Self {
        self.claim("client_id", id)
    }

    /// `username`, or `cognito:username` in a Cognito ID token; call it after the kind is chosen.
    pub fn username(self, name: &str) -> Self {
        let id_token = self
            .claims
            .get("token_use")
            .is_some_and(|usage| usage == "id");
        let claim = if id_token {
            "cognito:username"
        } else {
            "username"
        };
        self.claim(claim, name).claim("preferred_username", name)
    }

    /// `cognito:groups`, and `groups` besides.
    pub fn groups<'a>(self, groups: impl IntoIterator<Item = &'a str>) -> Self {
        let groups: Vec<&str> = groups.into_iter().collect();
        self.claim("cognito:groups", groups.clone())
            .claim("groups", groups)
    }

    /// `scope`, separated by spaces.
    pub fn scope(self, scope: &str) -> Self {
        self.claim("scope", scope)
    }

    /// Any claim.
    ///
    /// # Panics
    ///
    /// When the value is no JSON.
    pub fn claim(mut self, name: &str, value: impl serde::Serialize) -> Self {
        self.claims.insert(name.into(), to_json(value));
        self
    }

    /// Any member of the header, in place of the right one if there is one.
    ///
    /// # Panics
    ///
    /// When the value is no JSON.
    pub fn header(mut self, name: &str, value: impl serde::Serialize) -> Self {
        self.header.insert(name.into(), to_json(value));
        self
    }

    /// Leaves out a claim, or a member of the header.
    pub fn without(mut self, name: &str) -> Self {
        self.left_out.push(name.into());
        self
    }

    /// Time from `iat` to `exp`.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// `iat`; `exp` moves with it.
    pub fn issued_at(mut self, at: Timestamp) -> Self {
        self.issued_at = at;
        self
    }

    /// Signs with the issuer's key for this algorithm. The RSA key signs with all six, though it
    /// is published for RS256.
    pub fn algorithm(mut self, algorithm: Algorithm) -> Self {
        self.algorithm = algorithm;
        self
    }

    /// Makes it a Cognito access token: `token_use`, `username`, no `aud` and no `typ`.
    pub fn cognito_access(mut self) -> Self {
        let username = self.claims.get("sub").cloned().unwrap_or_default();
        self.header.remove("typ");
        self.claims.remove("aud");
        self.claim("token_use", "access")
            .claim("username", username)
    }

    /// Makes it a Cognito ID token: `token_use`, `aud` is the app client, no `client_id`, no `typ`.
    pub fn cognito_id(mut self) -> Self {
        let username = self.claims.get("sub").cloned().unwrap_or_default();
        self.header.remove("typ");
        self.claims.remove("client_id");
        self.claims.remove("username");
        self.claim("token_use", "id")
            .claim("aud", CLIENT_ID)
            .claim("cognito:username", username)
    }

    /// Makes it an access token by RFC 9068.
    pub fn at_jwt(self) -> Self {
        self.header("typ", "at+jwt")
    }

    /// The token.
    ///
    /// # Panics
    ///
    /// For [`Algorithm::ES384`], for which a test issuer has no key.
    #[must_use]
    pub fn sign(self) -> String {
        let expires_at = self.issued_at.saturating_add(self.lifetime);
        let mut header = Map::from_iter([
            ("alg".into(), json!(self.algorithm.name())),
            ("kid".into(), json!(self.issuer.kid(self.algorithm))),
        ]);
        header.extend(self.header);
        let mut claims = Map::from_iter([
            ("iat".into(), json!(self.issued_at.unix_seconds())),
            ("exp".into(), json!(expires_at.unix_seconds())),
        ]);
        claims.extend(self.claims);
        for name in &self.left_out {
            header.remove(name);
            claims.remove(name);
        }
        let (header, claims) = (Value::Object(header), Value::Object(claims));
        self.issuer
            .sign(self.algorithm, &header.to_string(), &claims.to_string())
    }
}

fn to_json(value: impl serde::Serialize) -> Value {
    serde_json::to_value(value).expect("a value that JSON can hold")
}

impl fmt::Debug for TokenBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenBuilder")
            .field("issuer", &self.issuer)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

static NEXT_ID: AtomicU64 = AtomicU64::new(1);
