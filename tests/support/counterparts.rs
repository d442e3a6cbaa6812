//! The servers that `tests/run` starts, as a test asks them: an OpenID provider and Cognito user
//! pools. Every token is fetched over HTTP. The third, glewlwyd, stands in `glewlwyd.rs`.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::env;
use std::fmt::Write;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{Request, StatusCode, request};
use http_body_util::Full;
use serde_json::{Value, json};
use tower_impersonate::audit::EventName;
use tower_impersonate::testing::RecordingSink;

use crate::over_http::{client, exchange};
use crate::support::Seen;

/// Why tests of them are ignored by a plain `cargo test` stands in the attribute; this is what they
/// say when they are run without the servers.
pub fn variable(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this with ./tests/run"))
}

/// An OpenID provider whose keys and failures the test controls.
pub struct OidcProvider {
    url: String,
}

impl OidcProvider {
    /// The one that all tests share: not to be rotated, stopped or counted.
    pub fn shared() -> Self {
        Self {
            url: variable("OIDC_PROVIDER_URL"),
        }
    }

    /// Another one, with a port, keys and failures of its own.
    pub async fn own() -> Self {
        let made = Self::shared().control("issuers").await;
        Self {
            url: text(&made["issuer"]),
        }
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    /// A person's token; `form` says what is unusual about it.
    pub async fn person(&self, account: &str, form: &[(&str, &str)]) -> String {
        let usual = [
            ("grant_type", "urn:example:test:user"),
            ("account", account),
        ];
        self.token("desk-web", &usual, form).await
    }

    /// A machine's token.
    pub async fn machine(&self, client: &str, form: &[(&str, &str)]) -> String {
        let usual = [("grant_type", "client_credentials")];
        self.token(client, &usual, form).await
    }

    /// A token for the subject of `subject`, with the subject of `actor` in `act` (RFC 8693).
    pub async fn exchanged(&self, subject: &str, actor: &str) -> String {
        const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
        let usual = [
            (
                "grant_type",
                "urn:ietf:params:oauth:grant-type:token-exchange",
            ),
            ("subject_token", subject),
            ("subject_token_type", ACCESS_TOKEN),
            ("actor_token", actor),
            ("actor_token_type", ACCESS_TOKEN),
        ];
        self.token("desk-web", &usual, &[]).await
    }

    async fn token(&self, id: &str, usual: &[(&str, &str)], more: &[(&str, &str)]) -> String {
        let request = Request::post(format!("{}/token", self.url));
        let answer = oauth(
            request,
            id,
            &format!("{id}-secret"),
            &[usual, more].concat(),
        )
        .await;
        text(&answer["access_token"])
    }

    /// New keys sign from now on; the old ones stay in the key set.
    pub async fn rotate(&self) {
        self.control("rotate").await;
    }

    /// Only the newest keys stay in the key set.
    pub async fn drop_old(&self) {
        self.control("drop-old").await;
    }

    /// How the key set is answered: `ok`, `hang` or `error`.
    pub async fn keys(&self, mode: &str) {
        let request = Request::post(format!("{}/test/jwks-mode", self.url));
        succeed(request, json!({ "mode": mode }).to_string()).await;
    }

    /// How often the key set was asked for.
    pub async fn key_requests(&self) -> u64 {
        let request = Request::get(format!("{}/test/jwks-hits", self.url));
        succeed(request, "").await["hits"].as_u64().unwrap()
    }

    /// Closes its port.
    pub async fn stop(&self) {
        self.control("stop").await;
    }

    async fn control(&self, route: &str) -> Value {
        succeed(Request::post(format!("{}/test/{route}", self.url)), "").await
    }
}

/// Cognito user pools, as the document of `tests/counterparts/ministack_setup.py` lists them.
#[derive(Clone)]
pub struct Ministack {
    url: String,
    document: Value,
}

/// What a person gets by signing in.
pub struct SignedIn {
    pub access: String,
    pub id: String,
}

impl Ministack {
    /// With other pools than those that `tests/run` made.
    pub fn of(document: Value) -> Self {
        Self {
            url: variable("MINISTACK_URL"),
            document,
        }
    }

    pub fn new() -> Self {
        let document = std::fs::read_to_string(variable("MINISTACK_SETUP")).unwrap();
        Self {
            url: variable("MINISTACK_URL"),
            document: serde_json::from_str(&document).unwrap(),
        }
    }

    pub fn region(&self) -> String {
        text(&self.document["region"])
    }

    /// `user_pool` or `other_pool`.
    pub fn pool(&self, name: &str) -> Pool {
        assert!(self.document[name].is_object(), "{name}");
        Pool {
            url: self.url.clone(),
            document: self.document[name].clone(),
        }
    }
}

#[derive(Clone)]
pub struct Pool {
    url: String,
    document: Value,
}

impl Pool {
    pub fn id(&self) -> String {
        text(&self.document["id"])
    }

    pub fn issuer(&self) -> String {
        text(&self.document["issuer"])
    }

    pub fn jwks_url(&self) -> String {
        text(&self.document["jwks_uri"])
    }

    /// The ID of the client with that name.
    pub fn client(&self, name: &str) -> String {
        text(&self.document["clients"][name]["id"])
    }

    pub fn sub(&self, username: &str) -> String {
        text(&self.document["users"][username]["sub"])
    }

    /// A person signs in by password at one of the pool's clients.
    pub async fn sign_in(&self, client: &str, username: &str) -> SignedIn {
        let password = &self.document["users"][username]["password"];
        let asked = json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.client(client),
            "AuthParameters": { "USERNAME": username, "PASSWORD": password },
        });
        let seen = self.call("InitiateAuth", &asked).await;
        assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
        let tokens = &seen.body["AuthenticationResult"];
        SignedIn {
            access: text(&tokens["AccessToken"]),
            id: text(&tokens["IdToken"]),
        }
    }

    /// The access token of the client `bot`.
    pub async fn machine(&self) -> String {
        self.machine_with(&[]).await
    }

    /// The same, with these parameters beside.
    pub async fn machine_with(&self, more: &[(&str, &str)]) -> String {
        let bot = &self.document["clients"]["bot"];
        let usual = [
            ("grant_type", "client_credentials"),
            ("scope", "desk-api/read"),
        ];
        let form = [&usual[..], more].concat();
        let request = Request::post(format!("{}/oauth2/token", self.url));
        let answer = oauth(request, &text(&bot["id"]), &text(&bot["secret"]), &form).await;
        text(&answer["access_token"])
    }

    /// Administration of this pool.
    pub async fn admin(&self, action: &str, username: &str) -> Seen {
        let asked = json!({ "UserPoolId": self.id(), "Username": username });
        self.call(action, &asked).await
    }

    /// Any action of the API, as anybody may ask for it.
    pub async fn call(&self, action: &str, asked: &Value) -> Seen {
        let request = Request::post(format!("{}/", self.url))
            .header("content-type", "application/x-amz-json-1.1")
            .header(
                "x-amz-target",
                format!("AWSCognitoIdentityProviderService.{action}"),
            );
        send(request, asked.to_string()).await
    }
}

/// The header and the claims of a token, unchecked.
pub fn decoded(token: &str) -> (Value, Value) {
    let part = |n| {
        let part = token.split('.').nth(n).unwrap();
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    (part(0), part(1))
}

/// The audit holds exactly one impersonated request, before it ran and after, each time with who
/// really acted and as whom. Forgets it then.
pub async fn assert_recorded(
    sink: &RecordingSink,
    strategy: &str,
    actor: (&str, &str),
    target: (&str, &str),
) {
    let completed = sink.wait_for(EventName::Completed, 1).await;
    let requests = sink.named(EventName::Request);
    assert_eq!((requests.len(), completed.len()), (1, 1), "{sink:?}");
    for event in requests.iter().chain(&completed) {
        let person = |which: &str| {
            let member = |name: &str| event[format!("impersonation.{which}.{name}")].as_str();
            (member("iss").unwrap(), member("sub").unwrap())
        };
        assert_eq!(person("actor"), actor);
        assert_eq!(person("target"), target);
        assert_eq!(event["impersonation.strategy"], strategy);
        assert_eq!(event["impersonation.outcome"], "success");
        assert_eq!(event["user.id"], target.1);
    }
    sink.clear();
}

pub async fn oauth(
    request: request::Builder,
    id: &str,
    secret: &str,
    form: &[(&str, &str)],
) -> Value {
    let credentials = STANDARD.encode(format!("{id}:{secret}"));
    let request = request
        .header("authorization", format!("Basic {credentials}"))
        .header("content-type", "application/x-www-form-urlencoded");
    let pairs: Vec<_> = form
        .iter()
        .map(|(name, value)| format!("{name}={}", percent_encoded(value)))
        .collect();
    succeed(request, pairs.join("&")).await
}

fn percent_encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' => {
                encoded.push(byte.into());
            }
            _ => write!(encoded, "%{byte:02X}").unwrap(),
        }
    }
    encoded
}

async fn succeed(request: request::Builder, body: impl Into<Bytes>) -> Value {
    let seen = send(request, body).await;
    assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
    seen.body
}

pub async fn send(request: request::Builder, body: impl Into<Bytes>) -> Seen {
    exchange(&client(), request.body(Full::new(body.into())).unwrap()).await
}

pub fn text(value: &Value) -> String {
    value
        .as_str()
        .unwrap_or_else(|| panic!("{value} is no text"))
        .to_owned()
}
