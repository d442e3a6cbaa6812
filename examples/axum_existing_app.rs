//! An axum application that existed before, and what changes in it: the layer, and nothing else.
//!
//! ```text
//! cargo run --example axum_existing_app
//! ```
//!
//! The handlers below take `Extension<CurrentUser>`, as they did when the application's own
//! middleware put it there. The example sends a few requests to the application, in process, and
//! prints what the handlers saw.

use axum::body::Body;
use axum::{Extension, Router, routing::get};
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tower::ServiceExt;
use tower_impersonate::testing::TestIssuer;
use tower_impersonate::{
    Identity, ImpersonationLayer, Issuer, Principal, audit, directory, policy, resolve,
};

type BoxError = Box<dyn std::error::Error>;

// --- the application as it was -------------------------------------------------------------------

#[derive(Clone)]
struct CurrentUser {
    name: String,
}

fn routes() -> Router {
    Router::new().route("/me", get(me))
}

async fn me(Extension(user): Extension<CurrentUser>) -> String {
    format!("hello {}", user.name) // not a line changed
}

// --- what is added -------------------------------------------------------------------------------

impl From<&Principal> for CurrentUser {
    fn from(principal: &Principal) -> Self {
        let identity = principal.identity();
        Self {
            name: identity.username().unwrap_or(identity.subject()).to_owned(),
        }
    }
}

fn layer(
    issuer: Issuer,
    users: directory::MemoryDirectory,
) -> Result<ImpersonationLayer, BoxError> {
    let layer = ImpersonationLayer::builder()
        .issuer(issuer)
        .resolve(resolve::header("impersonate-user")) // the admin's own token, and a header
        .policy(
            policy::in_group("support")
                .except(policy::target_in_group("admins"))
                .and(policy::reason_required()),
        )
        .directory(users) // who is the target? groups, profile, enabled?
        .audit(audit::jsonl(
            std::env::temp_dir().join("axum_existing_app_audit.jsonl"),
        ))
        .map_principal(|p: &Principal| CurrentUser::from(p)) // what your handlers extract today
        .build()?;
    Ok(layer)
}

// --- a try ---------------------------------------------------------------------------------------

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    // Stands in for `Issuer::cognito("eu-west-1", "eu-west-1_Ab12Cd34E").client_ids([..])`.
    let issuer = TestIssuer::offline("https://issuer.example.com");
    let person = |sub, name| Identity::new(issuer.name(), sub).with_username(name);
    let users = directory::memory([
        person("alice-sub", "Alice")
            .with_groups(["customers"])
            .enabled_account(),
        person("root-sub", "Root")
            .with_groups(["admins"])
            .enabled_account(),
    ]);
    let accepted = issuer
        .issuer()
        .audiences(["desk-api"])
        .groups_claim("groups");
    let app = routes().layer(layer(accepted, users)?);

    let carol = issuer
        .token("carol-sub")
        .audience("desk-api")
        .username("Carol")
        .groups(["support"])
        .sign();
    for target in [None, Some("alice-sub"), Some("root-sub")] {
        let (status, text) = ask(&app, &carol, target).await?;
        println!(
            "Carol as {:<10} {status}  {text}",
            target.unwrap_or("herself")
        );
    }
    Ok(())
}

async fn ask(
    app: &Router,
    token: &str,
    target: Option<&str>,
) -> Result<(StatusCode, String), BoxError> {
    let mut request = Request::get("/me").header("authorization", format!("Bearer {token}"));
    if let Some(target) = target {
        request = request
            .header("impersonate-user", target)
            .header("impersonate-reason", "ticket 4711");
    }
    let response = app.clone().oneshot(request.body(Body::empty())?).await?;
    let status = response.status();
    let body = response.into_body().collect().await?.to_bytes();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}
