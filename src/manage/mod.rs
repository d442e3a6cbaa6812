//! The HTTP interface by which impersonations start, are seen, and end (axum).
//!
//! `POST /{username}/impersonate` hands an administrator, or an app client, an access token for that user.
//! Behind the token stands a [grant](crate::grant) that can be listed, bounded, and ended at once.
//!
//! | route | what |
//! |---|---|
//! | `POST /{username}/impersonate`, `POST /users/{username}/impersonate` | start, or another token under the grant that is alive |
//! | `GET /grants`, `GET /grants/{id}` | one's own grants, those on oneself, and all with the right `grants.read` |
//! | `DELETE /grants/{id}` | stop one's own, end one on oneself, and any with the right `grants.revoke` |
//! | `POST /grants/{id}/extend` | move the deadline of one's own forward |
//! | `POST /grants/{id}/sign-in-code` | with the feature `lambda` and [`sign_in`](ManageBuilder::sign_in): a code by which the actor signs in at a Cognito user pool as the target |
//! | `POST /oauth2/sign-in/redeem`, `/oauth2/sign-in/confirm` | likewise: for the triggers of that pool |
//! | `POST /grants/stop` | end the grant by which the request comes |
//! | `POST /oauth2/token`, `/oauth2/revoke`, `/oauth2/introspect` | RFC 6749 and RFC 8693, RFC 7009, RFC 7662, for app clients |
//! | `GET /.well-known/jwks.json`, `/.well-known/oauth-authorization-server`, `/openapi.json` | keys, metadata (RFC 8414), the document |
//!
//! - There is one decision: the layer's policy, directory and audit decide here, too, and nothing starts
//!   before its event was written.
//! - Rights are those of who is really there ([`policy::right`](crate::policy::right())), and nobody has one
//!   without a rule. A refusal is 403 and an event in the audit, and tells nobody whether a grant exists.
//! - An impersonated request gets 403 everywhere but at `stop` and at the extension of its own grant, and
//!   409 where it would start another impersonation.
//! - Ending is never held up: `stop` works in every mode, and while policy, directory or audit fail.
//! - One person has one grant at a time: another target is 409 unless the body says `replace`.
//! - A token never outlives its grant or the actor's own token.
//!
//! Errors are problem+json (RFC 9457), under `/oauth2` those of RFC 6749. [`Manage::openapi`] has every
//! parameter and every answer.
//!
//! The routes authenticate by themselves: merge them outside of what the layer wraps. A user of the name
//! `grants` is reached by the second form of the first path alone. Limit how long a body may take where you
//! limit connections; its size is limited here. A token that was minted for another service is 401 here, but
//! at `stop`; exchange, revocation and introspection read it.
//!
//! ```
//! use axum::{Router, routing::get};
//! use tower_impersonate::grant::{self, Grants};
//! use tower_impersonate::manage::{Client, Manage};
//! use tower_impersonate::mint::{Minter, SigningKey};
//! use tower_impersonate::policy::{self, Right, right};
//! use tower_impersonate::testing::{RecordingSink, TestIssuer};
//! use tower_impersonate::token::Algorithm;
//! use tower_impersonate::{Identity, ImpersonationLayer, Principal, directory};
//! # use http::Request;
//! # use http_body_util::BodyExt;
//! # use tower::ServiceExt;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! const USERS: &str = "https://issuer.example.com";
//! let issuer = TestIssuer::offline(USERS);
//! let alice = Identity::new(USERS, "alice-sub").with_username("alice").enabled_account();
//! let minter = Minter::builder("https://desk.example.com")
//!     .key(SigningKey::generate(Algorithm::EdDSA)?) // a service has a file: `.key_file("keys/minter.jwk")`
//!     .audiences(["desk-api"])
//!     .build()?;
//! let layer = ImpersonationLayer::builder()
//!     .issuer(issuer.issuer())
//!     .policy(policy::in_group("support"))
//!     .directory(directory::memory([alice]))
//!     .audit(RecordingSink::new())
//!     .grants(Grants::new(grant::memory()))
//!     .mint(&minter)
//!     .build()?;
//! let (client, secret) = Client::generate("ticket-system")?;
//! let manage = Manage::builder(&layer)
//!     .rights([right(Right::GrantsRevoke, policy::in_group("security"))])
//!     .client(client.scopes(["tickets:read"]))
//!     .build()?;
//! # let _ = secret;
//! let me = |principal: Principal| async move { principal.subject().to_owned() };
//! let app = Router::new()
//!     .route("/me", get(me))
//!     .layer(layer)
//!     .merge(manage.routes())
//!     .merge(manage.well_known());
//!
//! let carol = issuer.token("carol-sub").groups(["support"]).sign();
//! let start = Request::post("/alice/impersonate").header("authorization", format!("Bearer {carol}"));
//! let answer = app.clone().oneshot(start.body(axum::body::Body::empty())?).await?;
//! assert_eq!(answer.status(), 200);
//! let body: serde_json::Value = serde_json::from_slice(&answer.into_body().collect().await?.to_bytes())?;
//!
//! let token = body["data"]["attributes"]["token"].as_str().unwrap_or_default();
//! let request = Request::get("/me").header("authorization", format!("Bearer {token}"));
//! let answer = app.oneshot(request.body(axum::body::Body::empty())?).await?;
//! assert_eq!(answer.into_body().collect().await?.to_bytes(), "alice-sub");
//! # Ok(())
//! # }
//! ```

mod builder;
mod caller;
mod caught;
mod client;
mod desk;
mod error;
mod grants;
mod handing;
mod http;
mod issue;
mod known;
mod oauth;
mod openapi;
mod rate;
mod router;
mod routes;
mod schemas;
mod sign_in;
mod start;
mod wanted;

pub use self::builder::ManageBuilder;
pub use self::client::Client;
pub use self::error::ManageError;
pub use self::routes::{Credential, Endpoint};
#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub use self::sign_in::SignIn;

use std::fmt;
use std::sync::Arc;

use axum::Router;

use self::desk::Desk;
use self::routes::{ROUTES, WELL_KNOWN};
use crate::middleware::ImpersonationLayer;

/// The routes by which impersonations start, are seen and end; see the [module](self). Cheap to clone.
#[derive(Clone)]
pub struct Manage(Arc<Desk>);

impl Manage {
    /// Starts the configuration, with the layer whose policy, directory, audit and grants decide.
    pub fn builder(layer: &ImpersonationLayer) -> ManageBuilder {
        ManageBuilder::new(layer.clone())
    }

    fn new(desk: Arc<Desk>) -> Self {
        Self(desk)
    }

    /// The routes, to be merged outside of what the layer wraps: they authenticate by themselves.
    pub fn routes(&self) -> Router {
        router::routes(&self.0)
    }

    /// What belongs to the root of the issuer: keys (RFC 7517), metadata (RFC 8414) and the
    /// [document](Self::openapi).
    pub fn well_known(&self) -> Router {
        router::well_known(&self.0)
    }

    /// All routes with everything that they take and answer, as OpenAPI 3.1 in JSON.
    #[must_use]
    pub fn openapi(&self) -> serde_json::Value {
        serde_json::to_value(openapi::document(&self.0)).unwrap_or_default()
    }

    /// All routes, those of [`routes`](Self::routes) first.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        let table = ROUTES.iter().chain(sign_in::routes(&self.0));
        table.chain(WELL_KNOWN).map(|route| Endpoint {
            method: route.method.clone(),
            path: router::path(&self.0, route),
            credential: route.credential,
        })
    }
}

impl fmt::Debug for Manage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manage").finish_non_exhaustive()
    }
}
