//! Codes by which an actor signs in at a Cognito user pool as the target (feature `lambda`).

#[cfg(feature = "lambda")]
mod code;
#[cfg(feature = "lambda")]
mod enabled;
#[cfg(feature = "lambda")]
mod judge;
#[cfg(feature = "lambda")]
mod taking;
#[cfg(feature = "lambda")]
pub use self::enabled::SignIn;
#[cfg(feature = "lambda")]
pub(super) use self::enabled::{Offered, Wanted, routes, schemas};

#[cfg(not(feature = "lambda"))]
mod absent;
#[cfg(not(feature = "lambda"))]
pub(super) use self::absent::{Offered, Wanted, routes, schemas};
