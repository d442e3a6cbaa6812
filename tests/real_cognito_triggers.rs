//! Sign-ins at Cognito user pools, as ministack runs them, with the example `cognito_triggers` as their Lambda
//! function and the service that it asks on a socket.
//!
//! `./tests/run` starts ministack and runs these. Where it differs from AWS's guide, the guide counts: an
//! unknown user has no challenge here at all, and `GetTokensFromRefreshToken` carries no client metadata;
//! those cases stand in `cognito_triggers.rs`.

#![cfg(all(feature = "jwks", feature = "lambda", feature = "manage"))]

#[path = "support/counterparts.rs"]
mod counterparts;
#[path = "support/example.rs"]
mod example;
#[path = "support/over_http.rs"]
mod over_http;
mod support;
#[path = "support/trace.rs"]
mod trace;

use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime};

use axum::Router;
use axum::routing::get;
use bytes::Bytes;
use counterparts::{Ministack, Pool, assert_recorded, decoded, text, variable};
use http::{Method, Request, StatusCode};
use http_body_util::Full;
use over_http::{HttpClient, client, exchange};
use serde_json::{Value, json};
use support::{Seen, tell};
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tower_http::trace::{DefaultMakeSpan, TraceLayer};
use tower_impersonate::grant::codes;
use tower_impersonate::grant::{self, Grants};
use tower_impersonate::manage::{Client, Manage, SignIn};
use tower_impersonate::mint::{Minter, SigningKey};
use tower_impersonate::policy::{self, Right, right};
use tower_impersonate::secret::Secret;
use tower_impersonate::testing::{ManualClock, RecordingSink};
use tower_impersonate::time::Timestamp;
use tower_impersonate::token::Algorithm;
use tower_impersonate::{Identity, ImpersonationLayer, Issuer, directory, resolve};
use tracing::Level;

const MINTER: &str = "https://desk.example.com";

/// A pool whose triggers ask this service. Carol is in its support team.
struct Desk {
    pool: Pool,
    clock: ManualClock,
    sink: RecordingSink,
    url: String,
    client: HttpClient,
    task: AbortHandle,
}

impl Desk {
    async fn start(version: &str) -> Self {
        let ministack = Ministack::of(python(&["pool", &format!("triggers-{version}")], &[]));
        let pool = ministack.pool("user_pool");
        let since = SystemTime::now()
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap();
        let clock = ManualClock::at(Timestamp::from_unix_seconds(since.as_secs() as i64));
        let sink = RecordingSink::new();
        let (lambda, secret) = Client::generate("cognito-triggers").unwrap();
        let manage = |layer: &ImpersonationLayer| {
            let rule = policy::machines(["cognito-triggers"]).of(MINTER);
            Manage::builder(layer)
                .rights([right(Right::Introspect, rule)])
                .client(lambda)
                .sign_in(SignIn::new(codes::memory(), [pool.client("codes")]))
                .build()
                .unwrap()
        };
        let layer = layer(&ministack, &pool, &clock, &sink);
        let manage = manage(&layer);
        let spans =
            TraceLayer::new_for_http().make_span_with(DefaultMakeSpan::new().level(Level::INFO));
        let app = Router::new()
            .route("/me", get(handler))
            .layer(layer)
            .layer(spans)
            .merge(manage.routes());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let task = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        wire(&pool, version, &url, &secret);
        Self {
            pool,
            clock,
            sink,
            url,
            client: client(),
            task: task.abort_handle(),
        }
    }

    async fn call(&self, method: Method, path: &str, token: &str, body: Value) -> Seen {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{}{path}", self.url))
            .header("authorization", format!("Bearer {token}"));
        let bytes = match body {
            Value::Null => Bytes::new(),
            body => {
                request = request.header("content-type", "application/json");
                Bytes::from(body.to_string())
            }
        };
        exchange(&self.client, request.body(Full::new(bytes)).unwrap()).await
    }

    async fn me(&self, token: &str) -> Seen {
        let mut seen = self.call(Method::GET, "/me", token, Value::Null).await;
        seen.ran = seen.body["anonymous"].is_boolean();
        seen
    }

    async fn carol(&self) -> String {
        self.pool.sign_in("web", "carol").await.access
    }

    /// Starts to act as that user; the grant.
    async fn begin(&self, token: &str, username: &str) -> String {
        let path = format!("/{username}/impersonate");
        let seen = self.call(Method::POST, &path, token, Value::Null).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        text(&seen.body["data"]["attributes"]["grant"])
    }

    /// A code under that grant, as the service tells it.
    async fn code(&self, token: &str, grant: &str) -> Value {
        let path = format!("/grants/{grant}/sign-in-code");
        let seen = self.call(Method::POST, &path, token, Value::Null).await;
        assert_eq!(seen.status, 200, "{seen:?}");
        seen.body["data"]["attributes"].clone()
    }

    async fn revoke(&self, token: &str, grant: &str) {
        let path = format!("/grants/{grant}");
        let seen = self.call(Method::DELETE, &path, token, Value::Null).await;
        assert_eq!(seen.status, 204, "{seen:?}");
    }

    /// Signs in at the client for codes, by whatever is answered.
    async fn sign_in(&self, username: &str, code: &Value) -> Seen {
        let begun = json!({
            "AuthFlow": "CUSTOM_AUTH",
            "ClientId": self.pool.client("codes"),
            "AuthParameters": { "USERNAME": username },
        });
        let begun = self.pool.call("InitiateAuth", &begun).await;
        assert_eq!(begun.body["ChallengeName"], "CUSTOM_CHALLENGE", "{begun:?}");
        assert_eq!(
            begun.body["ChallengeParameters"]["challenge"],
            "IMPERSONATION_CODE"
        );
        let answer = json!({
            "ChallengeName": "CUSTOM_CHALLENGE",
            "ClientId": self.pool.client("codes"),
            "Session": begun.body["Session"],
            "ChallengeResponses": { "USERNAME": username, "ANSWER": code["code"] },
            "ClientMetadata": code["client_metadata"],
        });
        self.pool.call("RespondToAuthChallenge", &answer).await
    }

    /// Signs in at the client `web` with a password that has to be changed, which is the step that carries
    /// client metadata.
    async fn sign_in_with(&self, username: &str, metadata: Value) -> Value {
        let asked = json!({
            "UserPoolId": self.pool.id(), "Username": username, "Password": "Temporary-1!", "Permanent": false,
        });
        let set = self.pool.call("AdminSetUserPassword", &asked).await;
        assert_eq!(set.status, StatusCode::OK, "{set:?}");
        let begun = json!({
            "AuthFlow": "USER_PASSWORD_AUTH",
            "ClientId": self.pool.client("web"),
            "AuthParameters": { "USERNAME": username, "PASSWORD": "Temporary-1!" },
            "ClientMetadata": metadata,
        });
        let begun = self.pool.call("InitiateAuth", &begun).await;
        assert_eq!(
            begun.body["ChallengeName"], "NEW_PASSWORD_REQUIRED",
            "{begun:?}"
        );
        let answer = json!({
            "ChallengeName": "NEW_PASSWORD_REQUIRED",
            "ClientId": self.pool.client("web"),
            "Session": begun.body["Session"],
            "ChallengeResponses": { "USERNAME": username, "NEW_PASSWORD": "Permanent-1!" },
            "ClientMetadata": metadata,
        });
        let seen = self.pool.call("RespondToAuthChallenge", &answer).await;
        assert_eq!(seen.status, StatusCode::OK, "{seen:?}");
        seen.body["AuthenticationResult"].clone()
    }

    async fn refresh(&self, client: &str, tokens: &Value) -> Seen {
        let asked = json!({
            "AuthFlow": "REFRESH_TOKEN_AUTH",
            "ClientId": self.pool.client(client),
            "AuthParameters": { "REFRESH_TOKEN": tokens["RefreshToken"] },
        });
        self.pool.call("InitiateAuth", &asked).await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn layer(
    ministack: &Ministack,
    pool: &Pool,
    clock: &ManualClock,
    sink: &RecordingSink,
) -> ImpersonationLayer {
    let person = |name: &str, groups: &[&str]| {
        Identity::new(pool.issuer(), pool.sub(name))
            .with_username(name)
            .with_groups(groups.to_vec())
            .enabled_account()
    };
    let issuer = Issuer::cognito(ministack.region(), pool.id())
        .client_ids(["web", "codes", "bot"].map(|name| pool.client(name)))
        .jwks_url(pool.jwks_url())
        .insecure_loopback_http()
        .id_tokens()
        .acting_clients([pool.client("codes")])
        .trust_act()
        .trust_grant_id()
        .trust_claim("impersonating");
    let minter = Minter::builder(MINTER)
        .key(SigningKey::generate(Algorithm::EdDSA).unwrap())
        .audiences(["desk-api"])
        .build()
        .unwrap();
    ImpersonationLayer::builder()
        .clock(clock.clone())
        .issuer(issuer)
        .resolve(resolve::claim("impersonating").or_string())
        .policy(policy::in_group("support").or(policy::machines([pool.client("bot")])))
        .directory(directory::memory([
            person("alice", &["customers"]),
            person("bob", &["customers"]),
            person("carol", &["support"]),
        ]))
        .audit(sink.clone())
        .grants(Grants::new(grant::memory()))
        .mint(&minter)
        .build()
        .unwrap()
}

/// The example becomes the function of the pool's triggers.
fn wire(pool: &Pool, version: &str, url: &str, secret: &Secret<'_>) {
    let binary = example::binary("cognito_triggers");
    let binary = binary.to_str().unwrap();
    let clients = pool.client("codes");
    let variables = [
        ("DESK_URL", url),
        ("DESK_CLIENT_ID", "cognito-triggers"),
        ("DESK_CLIENT_SECRET", secret.expose()),
        ("SIGN_IN_CLIENTS", &clients),
    ];
    python(&["wire", &pool.id(), version, binary], &variables);
}

fn python(arguments: &[&str], variables: &[(&str, &str)]) -> Value {
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/counterparts/ministack_triggers.py");
    let ran = Command::new(Path::new(&variable("COUNTERPARTS_BIN")).join("python"))
        .arg(script)
        .arg(variable("MINISTACK_URL"))
        .args(arguments)
        .envs(variables.iter().copied())
        .env("PYTHONDONTWRITEBYTECODE", "1")
        .output()
        .unwrap();
    assert!(
        ran.status.success(),
        "{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    serde_json::from_slice(&ran.stdout).unwrap()
}

async fn handler(request: axum::extract::Request) -> String {
    tracing::info!("handled");
    tell(&request)
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn by_a_code_carol_signs_in_as_alice_and_all_that_follows_says_so() {
    let exported = trace::Exported::new();
    let desk = Desk::start("V2_0").await;
    let (alice, carol) = (desk.pool.sub("alice"), desk.pool.sub("carol"));
    let token = desk.carol().await;
    let grant = desk.begin(&token, "alice").await;
    let code = desk.code(&token, &grant).await;
    assert_eq!(
        (&code["username"], &code["expires_in"]),
        (&json!("alice"), &json!(60))
    );

    let signed_in = desk.sign_in("alice", &code).await;
    assert_eq!(signed_in.status, StatusCode::OK, "{signed_in:?}");
    let tokens = &signed_in.body["AuthenticationResult"];
    let issuer = desk.pool.issuer();
    for (name, usage) in [("AccessToken", "access"), ("IdToken", "id")] {
        let token = text(&tokens[name]);
        let claims = decoded(&token).1;
        assert_eq!(
            (&claims["sub"], &claims["token_use"]),
            (&json!(alice), &json!(usage))
        );
        assert_eq!(claims["act"], json!({ "sub": carol, "iss": issuer }));
        assert_eq!(claims["grant_id"], grant);
        assert!(
            !claims["scope"]
                .as_str()
                .unwrap_or_default()
                .contains("aws.cognito")
        );
        desk.sink.clear();
        let seen = {
            let _current = trace::scoped(subscriber_of(&exported));
            desk.me(&token).await
        };
        seen.assert_ran_as(&alice, Some(&carol));
        assert_recorded(&desk.sink, "act", (&issuer, &carol), (&issuer, &alice)).await;
    }
    for span in exported.spans("impersonation.request") {
        let one = |field: &str| trace::values(&span, field);
        assert_eq!(one("user.id"), [&*alice]);
        assert_eq!(one("impersonation.actor.sub"), [&*carol]);
        assert_eq!(one("impersonation.target.sub"), [&*alice]);
        assert_eq!(one("impersonation.grant.id"), [&*grant]);
    }
    assert_eq!(exported.spans("impersonation.request").len(), 2);

    // Cognito's own API is not open to it, and a refresh gives nothing: neither before the end nor after.
    let refused = |seen: Seen| {
        assert_ne!(seen.status, StatusCode::OK, "{seen:?}");
        assert!(
            seen.body
                .to_string()
                .contains("this sign-in is not allowed"),
            "{seen:?}"
        );
    };
    refused(desk.refresh("codes", tokens).await);
    desk.revoke(&token, &grant).await;
    refused(desk.refresh("codes", tokens).await);
    let seen = desk.me(&text(&tokens["AccessToken"])).await;
    assert_eq!(seen.status, StatusCode::UNAUTHORIZED);
    // Alice herself signs in as ever.
    let own = desk.pool.sign_in("web", "alice").await;
    desk.me(&own.access).await.assert_ran_as(&alice, None);
}

fn subscriber_of(exported: &trace::Exported) -> impl Into<tracing::Dispatch> + use<> {
    use tracing_subscriber::layer::SubscriberExt;
    tracing_subscriber::registry().with(exported.layer())
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn incident_a15_wrong_replayed_expired_foreign_and_ended_codes_fail_alike() {
    let desk = Desk::start("V2_0").await;
    let token = desk.carol().await;
    let grant = desk.begin(&token, "alice").await;
    let used = desk.code(&token, &grant).await;
    assert_eq!(desk.sign_in("alice", &used).await.status, StatusCode::OK);
    let expired = desk.code(&token, &grant).await;
    desk.clock.advance(Duration::from_secs(60));
    let good = desk.code(&token, &grant).await;
    let mut wrong = good.clone();
    wrong["code"] = json!("A".repeat(43));
    let mut answers = Vec::new();
    for (what, username, code) in [
        ("wrong", "alice", &wrong),
        ("replayed", "alice", &used),
        ("expired", "alice", &expired),
        ("foreign", "bob", &good),
    ] {
        let seen = desk.sign_in(username, code).await;
        assert_eq!(
            seen.body["__type"], "NotAuthorizedException",
            "{what}: {seen:?}"
        );
        answers.push((seen.status, seen.body));
    }
    // One receipt for another code: Cognito would issue tokens, the trigger does not.
    let mut mixed = good.clone();
    mixed["client_metadata"] = json!({ "impersonation_receipt": "A".repeat(43) });
    let seen = desk.sign_in("alice", &mixed).await;
    assert!(!seen.body.to_string().contains("Token\":"), "{seen:?}");
    assert_ne!(seen.status, StatusCode::OK);

    let last = desk.code(&token, &grant).await;
    desk.revoke(&token, &grant).await;
    let seen = desk.sign_in("alice", &last).await;
    answers.push((seen.status, seen.body));
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

/// By version 2 both tokens name the target, by version 1 the ID token alone.
#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn an_actor_with_a_grant_gets_tokens_that_name_the_target() {
    for version in ["V1_0", "V2_0"] {
        let desk = Desk::start(version).await;
        let (alice, carol) = (desk.pool.sub("alice"), desk.pool.sub("carol"));
        let token = desk.carol().await;
        let grant = desk.begin(&token, "alice").await;
        let metadata = json!({ "impersonation_grant": grant });
        let tokens = desk.sign_in_with("carol", metadata.clone()).await;
        let (access, id) = (text(&tokens["AccessToken"]), text(&tokens["IdToken"]));
        let named = json!({ "sub": alice, "grant_id": grant });
        let (in_access, in_id) = match version {
            "V1_0" => (Value::Null, json!(named.to_string())),
            _ => (named.clone(), named.clone()),
        };
        assert_eq!(decoded(&access).1["impersonating"], in_access);
        assert_eq!(decoded(&id).1["impersonating"], in_id);
        assert_eq!(
            decoded(&id).1["cognito:groups"],
            json!(["support"]),
            "groups stay"
        );

        let issuer = desk.pool.issuer();
        desk.sink.clear();
        desk.me(&id).await.assert_ran_as(&alice, Some(&carol));
        assert_recorded(&desk.sink, "claim", (&issuer, &carol), (&issuer, &alice)).await;
        let by_access = (version == "V2_0").then_some(&*carol);
        let sub = if by_access.is_some() { &alice } else { &carol };
        desk.me(&access).await.assert_ran_as(sub, by_access);

        // Bob says the same of himself.
        let forged = desk.sign_in_with("bob", metadata.clone()).await;
        for name in ["AccessToken", "IdToken"] {
            let token = text(&forged[name]);
            assert_eq!(decoded(&token).1["impersonating"], Value::Null);
            desk.me(&token)
                .await
                .assert_ran_as(&desk.pool.sub("bob"), None);
        }

        // A refresh says nothing of a grant, and is plain; after the end nothing else is to be had.
        let refreshed = desk.refresh("web", &tokens).await;
        let again = text(&refreshed.body["AuthenticationResult"]["AccessToken"]);
        desk.me(&again).await.assert_ran_as(&carol, None);
        desk.revoke(&token, &grant).await;
        assert_eq!(desk.me(&id).await.status, StatusCode::UNAUTHORIZED);
        let after = desk.sign_in_with("carol", metadata).await;
        let refreshed = desk.refresh("web", &after).await;
        for tokens in [&after, &refreshed.body["AuthenticationResult"]] {
            for name in ["AccessToken", "IdToken"] {
                desk.me(&text(&tokens[name]))
                    .await
                    .assert_ran_as(&carol, None);
            }
        }
    }
}

#[tokio::test]
#[ignore = "needs the servers that ./tests/run starts"]
async fn client_credentials_reach_the_endpoint_as_an_app_client() {
    let desk = Desk::start("V3_0").await;
    let (alice, bot) = (desk.pool.sub("alice"), desk.pool.client("bot"));
    let machine = desk.pool.machine().await;
    let seen = desk
        .call(Method::POST, "/alice/impersonate", &machine, Value::Null)
        .await;
    assert_eq!(seen.status, 200, "{seen:?}");
    let attributes = &seen.body["data"]["attributes"];
    let (minted, grant) = (text(&attributes["token"]), text(&attributes["grant"]));
    desk.me(&minted).await.assert_ran_as(&alice, Some(&bot));

    // And by a token of its own that version 3 wrote into.
    let metadata = json!({ "impersonation_grant": grant }).to_string();
    let named = desk
        .pool
        .machine_with(&[("aws_client_metadata", &metadata)])
        .await;
    assert_eq!(decoded(&named).1["impersonating"]["sub"], alice);
    desk.me(&named).await.assert_ran_as(&alice, Some(&bot));
    let other = json!({ "impersonation_grant": "A".repeat(43) }).to_string();
    let plain = desk
        .pool
        .machine_with(&[("aws_client_metadata", &other)])
        .await;
    assert_eq!(decoded(&plain).1["impersonating"], Value::Null);
    desk.me(&plain).await.assert_ran_as(&bot, None);
}
