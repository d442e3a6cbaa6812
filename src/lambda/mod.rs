//! Lambda triggers of a Cognito user pool: an actor signs in as the target, or gets a token that names the
//! target, and every token says who is really there.
//!
//! [`Triggers`] are functions over the events of Cognito, as JSON: [`define`](Triggers::define),
//! [`create`](Triggers::create) and [`verify`](Triggers::verify) of a custom challenge, and
//! [`pre_token`](Triggers::pre_token), the pre-token generation of versions 1 to 3.
//! [`handle`](Triggers::handle) picks the right one by `triggerSource`.
//!
//! - At the app clients that are [for sign-in codes](TriggersBuilder::sign_in_clients), and at no others, a
//!   user signs in by a [`SignInCode`](crate::grant::codes::SignInCode) alone, and gets no token that does not
//!   name its actor in `act`. Sign-ins at all other app clients go their usual way.
//! - At the other app clients, a caller that names a grant of its own in the client metadata gets
//!   `impersonating`, if the service that keeps the grant confirms it now.
//! - Nothing is believed from client metadata: it says what to ask for, and [`Confirm`] answers.
//! - Of an event only `response` is edited; what is not known there goes through as it came.
//! - A wrong code, one that was used, expired or made for another user, app client or pool, and an unknown
//!   user are answered alike. An event that makes no sense is an error, which fails the sign-in.
//!
//! Caveat: Cognito tells the text of an error to whoever signs in, so that [`TriggerError`] says little; its
//! cause is logged. [`manual::cognito_triggers`](crate::manual::cognito_triggers) tells what each way can and
//! cannot do, and the example `cognito_triggers` is the program for Lambda.
//!
//! ```
//! use serde_json::json;
//! use tower_impersonate::answer::Answer;
//! use tower_impersonate::grant::StoreError;
//! use tower_impersonate::lambda::{Confirm, Confirmed, Question, Redemption, Triggers};
//!
//! struct Nobody;
//!
//! impl Confirm for Nobody {
//!     fn redeem(&self, _: &Redemption) -> Answer<Result<bool, StoreError>> {
//!         Answer::now(Ok(false))
//!     }
//!     fn confirm(&self, _: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
//!         Answer::now(Ok(None))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let triggers = Triggers::builder(Nobody).sign_in_clients(["desk-sign-in"]).build()?;
//! let event = json!({
//!     "version": "1",
//!     "triggerSource": "DefineAuthChallenge_Authentication",
//!     "region": "eu-west-1",
//!     "userPoolId": "eu-west-1_Ab12Cd34E",
//!     "userName": "alice",
//!     "callerContext": { "clientId": "desk-sign-in" },
//!     "request": { "userAttributes": { "sub": "alice-sub" }, "session": [] },
//!     "response": {},
//! });
//! let answered = triggers.handle(event).await?;
//! assert_eq!(answered["response"]["challengeName"], "CUSTOM_CHALLENGE");
//! assert_eq!(answered["response"]["issueTokens"], false);
//! # Ok(())
//! # }
//! ```

mod challenge;
mod claims;
pub mod client;
mod confirm;
mod error;
mod event;
mod pre_token;
#[cfg(feature = "jwks")]
mod remote;
mod triggers;

pub use self::confirm::{Confirm, Confirmed, PoolUser, Proof, Question, Redemption, Step};
pub use self::error::{TriggerError, TriggerErrorKind, TriggersError};
#[cfg(feature = "jwks")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwks")))]
pub use self::remote::{Remote, remote};
pub use self::triggers::{Triggers, TriggersBuilder};
