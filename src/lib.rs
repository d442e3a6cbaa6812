#![doc = include_str!("manual/crate.md")]
#![cfg_attr(docsrs, feature(doc_cfg))]
// No request may reach a panic.
#![cfg_attr(
    not(test),
    warn(clippy::expect_used, clippy::panic, clippy::unwrap_used)
)]

pub mod answer;
pub mod audit;
pub mod browser;
#[cfg(feature = "cognito")]
#[cfg_attr(docsrs, doc(cfg(feature = "cognito")))]
pub mod cognito;
pub mod directory;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod extract;
pub mod gate;
pub mod grant;
pub mod guard;
pub mod identity;
#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub mod lambda;
#[cfg(feature = "manage")]
#[cfg_attr(docsrs, doc(cfg(feature = "manage")))]
pub mod manage;
pub mod manual;
pub mod measure;
pub mod middleware;
#[cfg(feature = "mint")]
#[cfg_attr(docsrs, doc(cfg(feature = "mint")))]
pub mod mint;
#[cfg(feature = "otel")]
#[cfg_attr(docsrs, doc(cfg(feature = "otel")))]
pub mod otel;
pub mod policy;
pub mod principal;
pub mod rejection;
pub mod resolve;
pub mod secret;
#[cfg(feature = "sqlite")]
mod sqlite;
pub mod stamp;
pub mod terms;
#[cfg(feature = "testing")]
#[cfg_attr(docsrs, doc(cfg(feature = "testing")))]
pub mod testing;
pub mod time;
pub mod token;
mod visible;

pub use crate::identity::Identity;
pub use crate::middleware::{ImpersonationLayer, ImpersonationService};
pub use crate::principal::{Impersonation, Principal};
pub use crate::terms::Mode;
pub use crate::token::Issuer;
