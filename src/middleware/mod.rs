//! The layer: authenticate, resolve, decide, record, swap, stamp, run.
//!
//! [`ImpersonationLayer`] wraps any `tower` service that takes HTTP requests; it knows no web
//! framework. Handlers find one [`Principal`] in the request's extensions, and beside it the
//! application's own user type where [`Builder::map_principal`] says how to make it.
//!
//! - Nothing runs before the token was verified, except in optional mode without any credential.
//! - An impersonated request runs after its event was written, under its own span, to the last byte
//!   of the response body.
//! - The impersonation headers never reach the handler, and neither does an `Authorization` header
//!   that would speak as the actor; it stays only where `act` makes the token the target's.
//! - While impersonating, responses are `Cache-Control: no-store`, and what tells a cache otherwise
//!   (`expires`, `surrogate-control`, `cdn-cache-control` of any kind) is taken off.
//!
//! Put the layer outside the router where you can: it then covers unknown paths, too. It must stand
//! once around a handler; twice is an error that every request tells. Waiting needs a tokio runtime.
//!
//! ```
//! use bytes::Bytes;
//! use http::{Request, Response, StatusCode};
//! use http_body_util::Full;
//! use tower::{Layer, ServiceExt, service_fn};
//! use tower_impersonate::{ImpersonationLayer, testing::TestIssuer};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let issuer = TestIssuer::offline("https://issuer.example.com");
//! let layer = ImpersonationLayer::builder()
//!     .issuer(issuer.issuer().audiences(["shop"]))
//!     .build()?;
//! let handler = service_fn(|_: Request<Full<Bytes>>| async move {
//!     Ok::<_, std::convert::Infallible>(Response::new(Full::new(Bytes::from("hello"))))
//! });
//! let response = layer.layer(handler).oneshot(Request::new(Full::default())).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! # Ok(())
//! # }
//! ```
//!
//! [`Principal`]: crate::principal::Principal

mod body;
mod builder;
mod checks;
mod config;
mod error;
mod future;
#[cfg(feature = "manage")]
mod inside;
mod layer;
mod minting;
mod own;
mod pipeline;
mod reads;
mod recheck;
mod respond;
mod service;
mod session;
#[cfg(test)]
mod tests;
mod upgrades;

pub use self::body::{GrantEnded, ResponseBody};
pub use self::builder::Builder;
pub use self::error::ConfigError;
pub use self::future::ResponseFuture;
pub use self::layer::ImpersonationLayer;
#[cfg(feature = "manage")]
pub(crate) use self::own::{Asking, OwnRoute};
pub use self::recheck::RecheckGroups;
pub use self::service::ImpersonationService;
pub use self::upgrades::Upgrades;

/// Any error that can cross threads.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
