//! A service that mints tokens, with its routes, on a socket.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use axum::Router;
use axum::routing::{any, get};
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower_impersonate::grant::{self, GrantLimits, Grants};
use tower_impersonate::manage::{Client, Manage, ManageBuilder};
use tower_impersonate::middleware::Builder;
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::policy::{self, Right, right};
use tower_impersonate::secret::Secret;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{ImpersonationLayer, resolve};

use crate::over_http::{HttpClient, client, exchange};
use crate::support::{Desk, Seen, tell};

pub const MINTER: &str = "https://desk.example.com";
pub const OTHER_API: &str = "orders-api";

/// Dora is of the security team, beside support; the client `auditor` may introspect and revoke; the client
/// `tickets` may impersonate.
pub struct Api {
    pub desk: Desk,
    pub grants: Grants,
    pub minter: Minter,
    pub layer: ImpersonationLayer,
    pub manage: Manage,
    pub auditor: Secret<'static>,
    pub tickets: Secret<'static>,
    pub plain: Secret<'static>,
    pub url: String,
    client: HttpClient,
    task: AbortHandle,
}

pub fn usual_policy() -> policy::Rule {
    policy::in_group("support")
        .or(policy::machines(["tickets"]).of(MINTER))
        .except(policy::target_in_group("admins"))
}

impl Api {
    pub async fn start() -> Self {
        Self::with(|builder| builder, |manage| manage, GrantLimits::default()).await
    }

    pub async fn with(
        layer: impl FnOnce(Builder) -> Builder,
        manage: impl FnOnce(ManageBuilder) -> ManageBuilder,
        limits: GrantLimits,
    ) -> Self {
        Self::at(
            Desk::new(),
            Grants::with_limits(grant::memory(), limits),
            layer,
            manage,
        )
        .await
    }

    pub async fn at(
        desk: Desk,
        grants: Grants,
        layer: impl FnOnce(Builder) -> Builder,
        manage: impl FnOnce(ManageBuilder) -> ManageBuilder,
    ) -> Self {
        let minter = Minter::builder(MINTER)
            .key(SigningKey::generate(Algorithm::EdDSA).unwrap())
            .audiences([crate::support::AUDIENCE, OTHER_API])
            .own_audience(crate::support::AUDIENCE)
            .scopes(["a", "b", "c", "orders:read"])
            .build()
            .unwrap();
        let builder = desk
            .bare()
            .issuer(desk.accepted())
            .resolve(resolve::header("impersonate-user"))
            .policy(usual_policy())
            .grants(&grants)
            .mint(&minter);
        let layer = layer(builder).build().unwrap();
        let (auditor, auditor_secret) = Client::generate("auditor").unwrap();
        let (tickets, tickets_secret) = Client::generate("tickets").unwrap();
        let (plain, plain_secret) = Client::generate("plain").unwrap();
        let builder = Manage::builder(&layer)
            .rights([
                right(Right::GrantsRead, policy::in_group("security")),
                right(
                    Right::GrantsRevoke,
                    policy::in_group("security").or(policy::machines(["auditor"]).of(MINTER)),
                ),
                right(Right::Introspect, policy::machines(["auditor"]).of(MINTER)),
            ])
            .client(auditor)
            .client(tickets.scopes(["tickets:read", "tickets:write"]))
            .client(plain.exchanges_for([crate::support::AUDIENCE, OTHER_API]));
        let manage = manage(builder).build().unwrap();
        let ran = Arc::clone(&desk.ran);
        let handler = move |request: axum::extract::Request| {
            ran.fetch_add(1, Ordering::SeqCst);
            async move { tell(&request) }
        };
        let app = Router::new()
            .route("/me", get(handler.clone()))
            .route("/write", any(handler))
            .layer(layer.clone())
            .merge(manage.routes())
            .merge(manage.well_known());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            desk,
            grants,
            minter,
            layer,
            manage,
            auditor: auditor_secret,
            tickets: tickets_secret,
            plain: plain_secret,
            url,
            client: client(),
            task: task.abort_handle(),
        }
    }

    pub fn carol(&self) -> String {
        self.desk.carol()
    }

    pub fn security(&self) -> String {
        self.desk.token("erin", &["security"]).sign()
    }

    /// Sends it; also says whether a handler ran, where one request comes at a time.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Seen {
        let before = self.desk.ran.load(Ordering::SeqCst);
        let mut seen = exchange(&self.client, request).await;
        seen.ran = self.desk.ran.load(Ordering::SeqCst) > before;
        seen
    }

    /// A request with a bearer token, if it is not empty, and a body in JSON, if it is not null.
    pub async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Seen {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let bytes = if body.is_null() {
            Bytes::new()
        } else {
            request = request.header("content-type", "application/json");
            Bytes::from(body.to_string())
        };
        self.send(request.body(Full::new(bytes)).unwrap()).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Seen {
        self.call(Method::POST, path, token, body).await
    }

    pub async fn get(&self, path: &str, token: &str) -> Seen {
        self.call(Method::GET, path, token, Value::Null).await
    }

    /// Starts an impersonation of Alice for this token: the minted one, and its grant.
    pub async fn begin(&self, token: &str, mut body: Value) -> (String, String) {
        body["audience"] = crate::support::AUDIENCE.into();
        let seen = self.post("/Alice/impersonate", token, body).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        issued(&seen)
    }

    /// A form by a client that proves itself with this secret.
    pub async fn form(&self, path: &str, id: &str, secret: &str, form: &[(&str, &str)]) -> Seen {
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let request = Request::post(format!("{}{path}", self.url))
            .header("authorization", format!("Basic {basic}"))
            .header("content-type", "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .unwrap();
        self.send(request).await
    }

    pub async fn introspect(&self, token: &str) -> Seen {
        let secret = self.auditor.expose();
        self.form("/oauth2/introspect", "auditor", secret, &[("token", token)])
            .await
    }

    pub fn advance(&self, seconds: u64) {
        self.desk.clock.advance(Duration::from_secs(seconds));
    }
}

impl Drop for Api {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Token and grant of an answer.
pub fn issued(seen: &Seen) -> (String, String) {
    let attributes = &seen.body["data"]["attributes"];
    let text = |name: &str| attributes[name].as_str().unwrap().to_owned();
    (text("token"), text("grant"))
}
