//! A Cognito user pool on paper: it runs the triggers in Cognito's order and signs what they say. It stands
//! for the cases that no emulator has, such as unknown users; the rest runs on ministack.

#![allow(dead_code, unreachable_pub, reason = "each test uses its own part")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use http::{Method, Request};
use http_body_util::Full;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower_impersonate::answer::Answer;
use tower_impersonate::audit::{self, AuditError, AuditSink, Completion, Event};
use tower_impersonate::grant::codes::{self, SignInCode};
use tower_impersonate::grant::{self, Grants};
use tower_impersonate::lambda::{self, Remote, TriggerError, Triggers};
use tower_impersonate::manage::{Client, Manage, SignIn};
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::policy::{self, Right, right};
use tower_impersonate::testing::{ManualClock, RecordingSink, TestIssuer};
use tower_impersonate::token::Algorithm;
use tower_impersonate::{Identity, ImpersonationLayer, directory, resolve};

use crate::over_http::{HttpClient, client, exchange};
use crate::support::{Seen, tell};

pub const REGION: &str = "eu-west-1";
pub const POOL: &str = "eu-west-1_Desk";
/// The app client for codes, and the one at which everybody signs in.
pub const CODES: &str = "desk-sign-in";
pub const WEB: &str = "web";
pub const ADMIN_SCOPE: &str = "aws.cognito.signin.user.admin";

/// The pool, the service with its routes on a socket, and the triggers that ask it over HTTP.
pub struct PaperPool {
    pub issuer: TestIssuer,
    pub clock: ManualClock,
    pub sink: RecordingSink,
    /// Whether the audit takes nothing.
    pub full: FullDisk,
    pub grants: Grants,
    pub layer: ImpersonationLayer,
    pub manage: Manage,
    pub url: String,
    pub secret: String,
    pub plain: String,
    pub triggers: Triggers,
    client: HttpClient,
    task: AbortHandle,
}

/// A sink that is a fault: while it is on, it takes nothing.
#[derive(Clone, Default)]
pub struct FullDisk(Arc<AtomicBool>);

impl FullDisk {
    pub fn turn(&self, on: bool) {
        self.0.store(on, Ordering::SeqCst);
    }
}

impl AuditSink for FullDisk {
    fn record(&self, _: &Event<'_>) -> Answer<Result<(), AuditError>> {
        Answer::now(match self.0.load(Ordering::SeqCst) {
            true => Err(AuditError::new("the disk is full")),
            false => Ok(()),
        })
    }

    fn complete(&self, _: Completion) {}
}

/// How a sign-in ended that gave no tokens.
#[derive(Debug)]
pub enum Failed {
    /// As Cognito says "Incorrect username or password", after these answers of the triggers.
    Refused(Vec<Value>),
    /// As Cognito says that the Lambda failed.
    Error(TriggerError),
}

pub struct Tokens {
    pub access: String,
    pub id: String,
    pub claims: Value,
    pub id_claims: Value,
}

impl PaperPool {
    pub async fn start() -> Self {
        Self::with(|sign_in| sign_in).await
    }

    pub async fn with(sign_in: impl FnOnce(SignIn) -> SignIn) -> Self {
        let clock = ManualClock::new();
        let issuer = TestIssuer::start_cognito(REGION, POOL)
            .await
            .with_clock(clock.clone());
        let sink = RecordingSink::new();
        let full = FullDisk::default();
        let person = |name: &str, groups: &[&str]| {
            Identity::new(issuer.name(), format!("{name}-sub"))
                .with_username(name)
                .with_groups(groups.to_vec())
                .enabled_account()
        };
        let users = directory::memory([
            person("alice", &["customers"]),
            person("bob", &["customers"]),
            person("carol", &["support"]),
            person("dora", &["support"]),
            person("root", &["admins"]),
        ]);
        let minter = Minter::builder("https://desk.example.com")
            .key(SigningKey::generate(Algorithm::EdDSA).unwrap())
            .audiences(["desk-api"])
            .scopes(["orders:read", "orders:write"])
            .build()
            .unwrap();
        let grants = Grants::new(grant::memory());
        let accepted = issuer.issuer().client_ids([WEB, CODES]).id_tokens();
        let layer = ImpersonationLayer::builder()
            .clock(clock.clone())
            .issuer(
                accepted
                    .acting_clients([CODES])
                    .trust_act()
                    .trust_grant_id()
                    .trust_claim("impersonating"),
            )
            .resolve(resolve::claim("impersonating").or_string())
            .policy(policy::in_group("support").except(policy::target_in_group("admins")))
            .directory(users)
            .audit(audit::all([
                audit::shared(full.clone()),
                audit::shared(sink.clone()),
            ]))
            .grants(&grants)
            .mint(&minter)
            .build()
            .unwrap();
        let (lambda, secret) = Client::generate("cognito-triggers").unwrap();
        let (plain, plain_secret) = Client::generate("plain").unwrap();
        let rule = policy::machines(["cognito-triggers"]).of("https://desk.example.com");
        let manage = Manage::builder(&layer)
            .rights([right(Right::Introspect, rule)])
            .client(lambda)
            .client(plain)
            .sign_in(sign_in(SignIn::new(codes::memory(), [CODES])))
            .build()
            .unwrap();
        let app = Router::new()
            .route("/me", get(handler))
            .layer(layer.clone())
            .merge(manage.routes());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        let remote = lambda::remote(&url, "cognito-triggers", secret.expose().to_owned()).unwrap();
        Self {
            triggers: Self::triggers_over(remote),
            issuer,
            clock,
            sink,
            full,
            grants,
            layer,
            manage,
            url,
            secret: secret.expose().to_owned(),
            plain: plain_secret.expose().to_owned(),
            client: client(),
            task: task.abort_handle(),
        }
    }

    fn triggers_over(remote: Remote) -> Triggers {
        let triggers = Triggers::builder(remote).sign_in_clients([CODES]);
        triggers
            .deadline(Duration::from_millis(4500))
            .build()
            .unwrap()
    }

    /// The token with which somebody comes to the service.
    pub fn token(&self, name: &str, groups: &[&str]) -> String {
        let token = self.issuer.token(&format!("{name}-sub")).cognito_access();
        token
            .client_id(WEB)
            .claim("username", name)
            .claim("cognito:groups", groups)
            .expires_in(Duration::from_secs(3600))
            .sign()
    }

    pub fn carol(&self) -> String {
        self.token("carol", &["support"])
    }

    pub async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Seen {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url));
        if !token.is_empty() {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let bytes = match body {
            Value::Null => Bytes::new(),
            body => {
                request = request.header("content-type", "application/json");
                Bytes::from(body.to_string())
            }
        };
        exchange(&self.client, request.body(Full::new(bytes)).unwrap()).await
    }

    pub async fn post(&self, path: &str, token: &str, body: Value) -> Seen {
        self.call(Method::POST, path, token, body).await
    }

    pub async fn me(&self, token: &str) -> Seen {
        let mut seen = self.call(Method::GET, "/me", token, Value::Null).await;
        seen.ran = seen.body["anonymous"].is_boolean();
        seen
    }

    pub async fn form(
        &self,
        path: &str,
        (id, secret): (&str, &str),
        form: &[(&str, &str)],
    ) -> Seen {
        use base64::Engine;
        let basic = base64::engine::general_purpose::STANDARD.encode(format!("{id}:{secret}"));
        let form = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let mut request = Request::post(format!("{}{path}", self.url))
            .header("content-type", "application/x-www-form-urlencoded");
        if !id.is_empty() {
            request = request.header("authorization", format!("Basic {basic}"));
        }
        let request = request.body(Full::new(Bytes::from(form))).unwrap();
        exchange(&self.client, request).await
    }

    /// A grant on that user for whoever has the token.
    pub async fn begin(&self, token: &str, username: &str, body: Value) -> String {
        let seen = self
            .post(&format!("/{username}/impersonate"), token, body)
            .await;
        assert_eq!(seen.status, 200, "{seen:?}");
        seen.body["data"]["attributes"]["grant"]
            .as_str()
            .unwrap()
            .to_owned()
    }

    /// A code under that grant.
    pub async fn code(&self, token: &str, grant: &str) -> SignInCode {
        let path = format!("/grants/{grant}/sign-in-code");
        let seen = self.post(&path, token, Value::Null).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        let code = seen.body["data"]["attributes"]["code"].as_str().unwrap();
        SignInCode::parse(code).unwrap()
    }

    /// Carol starts to act as Alice, and gets a code.
    pub async fn carol_as_alice(&self) -> (String, SignInCode) {
        let grant = self.begin(&self.carol(), "alice", Value::Null).await;
        let code = self.code(&self.carol(), &grant).await;
        (grant, code)
    }

    pub async fn revoke(&self, grant: &str) {
        let (path, token) = (format!("/grants/{grant}"), self.carol());
        let seen = self.call(Method::DELETE, &path, &token, Value::Null).await;
        assert_eq!(seen.status, 204);
    }

    /// A sign-in by a custom challenge, as Cognito runs it.
    pub async fn sign_in(&self, mut attempt: Attempt<'_>) -> Result<Tokens, Failed> {
        let mut said = Vec::new();
        let begun = self
            .run(attempt.event("DefineAuthChallenge_Authentication"))
            .await?;
        said.push(begun["response"].clone());
        if begun["response"]["challengeName"] != "CUSTOM_CHALLENGE" {
            return Err(Failed::Refused(said));
        }
        let mut create = attempt.event("CreateAuthChallenge_Authentication");
        create["request"]["challengeName"] = json!("CUSTOM_CHALLENGE");
        let created = self.run(create).await?;
        let mut verify = attempt.event("VerifyAuthChallengeResponse_Authentication");
        verify["request"]["privateChallengeParameters"] =
            created["response"]["privateChallengeParameters"].clone();
        verify["request"]["challengeAnswer"] = attempt.answer.clone();
        let verified = self.run(verify).await?;
        said.push(verified["response"].clone());
        attempt.session = json!([{
            "challengeName": "CUSTOM_CHALLENGE",
            "challengeResult": verified["response"]["answerCorrect"],
            "challengeMetadata": created["response"]["challengeMetadata"],
        }]);
        let defined = self
            .run(attempt.event("DefineAuthChallenge_Authentication"))
            .await?;
        said.push(defined["response"].clone());
        if defined["response"]["issueTokens"] != true {
            assert_eq!(defined["response"]["failAuthentication"], true);
            return Err(Failed::Refused(said));
        }
        self.tokens("2", attempt.event("TokenGeneration_Authentication"))
            .await
    }

    /// What Cognito makes of the answer of pre-token generation.
    pub async fn tokens(&self, version: &str, mut event: Value) -> Result<Tokens, Failed> {
        event["version"] = json!(version);
        event["request"]["scopes"] = json!([ADMIN_SCOPE]);
        event["request"]["groupConfiguration"] = json!({ "groupsToOverride": groups(&event), "iamRolesToOverride": [], "preferredRole": null });
        let answered = self.run(event.clone()).await?;
        let response = &answered["response"];
        let (name, client) = (
            event["userName"].as_str().unwrap(),
            event["callerContext"]["clientId"].as_str().unwrap(),
        );
        let subject = event["request"]["userAttributes"]["sub"].as_str().unwrap();
        let details = &response["claimsAndScopeOverrideDetails"];
        let (access_part, id_part) = match version {
            "1" => (Value::Null, response["claimsOverrideDetails"].clone()),
            _ => (
                details["accessTokenGeneration"].clone(),
                details["idTokenGeneration"].clone(),
            ),
        };
        let added = |part: &Value| {
            part["claimsToAddOrOverride"]
                .as_object()
                .cloned()
                .unwrap_or_default()
        };
        let names = |value: &Value| {
            let list = value.as_array().cloned().unwrap_or_default();
            list.iter()
                .map(|name| name.as_str().unwrap().to_owned())
                .collect::<Vec<_>>()
        };
        let mut scopes = vec![ADMIN_SCOPE.to_owned()];
        scopes.retain(|scope| !names(&access_part["scopesToSuppress"]).contains(scope));
        scopes.extend(names(&access_part["scopesToAdd"]));
        let mut access = self
            .issuer
            .token(subject)
            .cognito_access()
            .client_id(client);
        access = access
            .claim("username", name)
            .claim("scope", scopes.join(" "));
        access = access.claim("cognito:groups", groups(&event));
        let mut id = self.issuer.token(subject).cognito_id().claim("aud", client);
        id = id
            .claim("cognito:username", name)
            .claim("cognito:groups", groups(&event));
        for (name, value) in added(&access_part) {
            access = access.claim(&name, value);
        }
        for (name, value) in added(&id_part) {
            id = id.claim(&name, value);
        }
        Ok(Tokens {
            access: access.sign(),
            id: id.sign(),
            claims: json!(added(&access_part)),
            id_claims: json!(added(&id_part)),
        })
    }

    pub async fn run(&self, event: Value) -> Result<Value, Failed> {
        let answered = self.triggers.handle(event.clone()).await;
        let answered = answered.map_err(Failed::Error)?;
        let without = |mut event: Value| {
            event.as_object_mut().unwrap().remove("response");
            event
        };
        assert_eq!(
            without(answered.clone()),
            without(event),
            "only the response is edited"
        );
        Ok(answered)
    }
}

impl Drop for PaperPool {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Who signs in, and how.
#[derive(Clone)]
pub struct Attempt<'a> {
    pub username: &'a str,
    pub subject: &'a str,
    pub client: &'a str,
    pub pool: &'a str,
    pub is_unknown: bool,
    pub answer: Value,
    pub metadata: Value,
    pub session: Value,
}

impl<'a> Attempt<'a> {
    /// Alice, with a code and its receipt, at the app client for codes.
    pub fn by(code: &SignInCode) -> Self {
        Self {
            username: "alice",
            subject: "alice-sub",
            client: CODES,
            pool: POOL,
            is_unknown: false,
            answer: json!(code.expose().expose()),
            metadata: json!(lambda::client::code_metadata(code)),
            session: json!([]),
        }
    }

    /// Somebody at the usual app client.
    pub fn at_web(username: &'a str, subject: &'a str, metadata: Value) -> Self {
        Self {
            username,
            subject,
            client: WEB,
            pool: POOL,
            is_unknown: false,
            answer: Value::Null,
            metadata,
            session: json!([]),
        }
    }

    pub fn event(&self, source: &str) -> Value {
        let mut attributes = json!({ "sub": self.subject, "email_verified": "true" });
        if self.is_unknown {
            attributes = json!({});
        }
        json!({
            "version": "1",
            "triggerSource": source,
            "region": REGION,
            "userPoolId": self.pool,
            "userName": self.username,
            "callerContext": { "awsSdkVersion": "aws-sdk-unknown-unknown", "clientId": self.client },
            "request": {
                "userAttributes": attributes,
                "session": self.session,
                "userNotFound": self.is_unknown,
                "clientMetadata": self.metadata,
                "somethingNew": { "nested": [1, null] },
            },
            "response": {},
            "alsoNew": true,
        })
    }
}

fn groups(event: &Value) -> Value {
    match event["userName"].as_str().unwrap() {
        "carol" | "dora" => json!(["support"]),
        _ => json!(["customers"]),
    }
}

async fn handler(request: axum::extract::Request) -> String {
    tell(&request)
}
