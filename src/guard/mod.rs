//! Routes that never run while somebody impersonates: passwords, second factors, e-mail addresses,
//! payments, keys.
//!
//! [`deny_while_impersonating`] is a layer for whole groups of routes or services, in any framework
//! that takes `tower` layers; with the feature `axum`, `extract::NotImpersonated` is the same for one
//! handler.
//!
//! - While somebody impersonates the answer is 403 with the code `not_while_impersonating`, by the
//!   responder of the [`ImpersonationLayer`](crate::ImpersonationLayer) around it and with
//!   `Cache-Control: no-store`; a gRPC call gets `PERMISSION_DENIED`. Who takes a role impersonates,
//!   too.
//! - The attempt is in the audit: `impersonation.denied`, by the rule `not_while_impersonating`, within
//!   the limit of denials. Where the audit does not take it, the answer is 503.
//! - Plain requests pass, and so do anonymous ones, in optional mode: whether a credential is needed is
//!   not asked here.
//! - It remembers nothing: every request is looked at by itself, before its body is read.
//!
//! Caveat: it must stand inside of the layer that authenticates. Where that is not around it, every
//! request is a 500: a route that forgot the layer must not look like one that nobody impersonates.
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use tower::{ServiceBuilder, ServiceExt};
//! use tower_impersonate::guard::deny_while_impersonating;
//! use tower_impersonate::testing::{RecordingSink, TestIssuer};
//! use tower_impersonate::{Identity, ImpersonationLayer, directory, policy, resolve};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let name = "https://issuer.example.com";
//! # let issuer = TestIssuer::offline(name);
//! let layer = ImpersonationLayer::builder()
//!     // issuers, directory and audit as ever
//! #   .issuer(issuer.issuer())
//! #   .directory(directory::memory([Identity::new(name, "alice-sub").enabled_account()]))
//! #   .audit(RecordingSink::new())
//!     .resolve(resolve::header("impersonate-user"))
//!     .policy(policy::in_group("support"))
//!     .build()?;
//! let service = ServiceBuilder::new()
//!     .layer(layer)
//!     .layer(deny_while_impersonating())
//!     .service_fn(|_: Request<String>| async {
//!         Ok::<_, std::convert::Infallible>(Response::new("changed".to_owned()))
//!     });
//!
//! # let carol = format!("Bearer {}", issuer.token("carol-sub").groups(["support"]).sign());
//! let own = Request::post("/password").header("authorization", &carol);
//! let response = service.clone().oneshot(own.body(String::new())?).await?;
//! assert_eq!(response.status(), StatusCode::OK);
//!
//! let as_alice = Request::post("/password").header("authorization", &carol).header("impersonate-user", "alice-sub");
//! let response = service.oneshot(as_alice.body(String::new())?).await?;
//! assert_eq!(response.status(), StatusCode::FORBIDDEN);
//! # Ok(())
//! # }
//! ```

mod future;
mod layer;
mod service;

pub use self::future::GuardFuture;
pub use self::layer::{DenyWhileImpersonating, deny_while_impersonating};
pub use self::service::Guarded;
