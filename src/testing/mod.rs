//! What tests of an application need: an issuer with real keys, tokens of any shape, and a clock
//! that stands still.
//!
//! The tokens are signed for real and go through the same checks as in production; nothing here
//! switches a check off. For tests only: the private keys of a [`TestIssuer`] live in memory and its
//! server speaks plain HTTP on `127.0.0.1`. Helpers panic where a test could not go on.
//!
//! ```
//! use std::sync::Arc;
//! use std::time::Duration;
//! use tower_impersonate::testing::{ManualClock, TestIssuer};
//! use tower_impersonate::time::Clock;
//! use tower_impersonate::token::{Authenticator, TokenErrorKind};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = ManualClock::new();
//! let issuer = TestIssuer::start().await.with_clock(clock.clone());
//! let authenticator = Authenticator::builder()
//!     .issuer(issuer.issuer())
//!     .clock(Arc::new(clock.clone()))
//!     .build()?;
//!
//! let token = issuer.token("alice").expires_in(Duration::from_secs(300)).sign();
//! let claims = authenticator.authenticate(&token, clock.now()).await?;
//! assert_eq!(claims.identity().subject(), "alice");
//!
//! clock.advance(Duration::from_secs(3600));
//! let error = authenticator.authenticate(&token, clock.now()).await.err();
//! assert_eq!(error.map(|error| error.kind()), Some(TokenErrorKind::Expired));
//! # Ok(())
//! # }
//! ```

// Where a test could not go on, a helper may panic.
#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used)]

mod clock;
mod grant_store;
mod issuer;
mod keys;
#[cfg(feature = "cognito")]
mod lease_store;
#[cfg(feature = "otel")]
mod otel;
mod recording;
mod server;
mod stamped;
mod token;

pub use self::clock::ManualClock;
pub use self::grant_store::{StoreToTest, assert_grant_store};
pub use self::issuer::TestIssuer;
#[cfg(feature = "cognito")]
#[cfg_attr(docsrs, doc(cfg(feature = "cognito")))]
pub use self::lease_store::{assert_lease_store, test_lease};
pub use self::recording::RecordingSink;
pub use self::stamped::{Observed, assert_all_stamped, assert_none_stamped};
pub use self::token::TokenBuilder;
pub use crate::grant::made_up::TestGrant;

/// The audience that test tokens carry and test issuers ask for.
pub const AUDIENCE: &str = "test-api";

/// The app client that test tokens are issued to.
pub const CLIENT_ID: &str = "test-client";

#[cfg(test)]
mod tests;
