//! AWS Cognito user pools: who is in them, groups that are lent, and sign-outs that follow the end of a
//! grant.
//!
//! The layer itself needs none of it: tokens of a pool are checked by [`Issuer::cognito`], and whoever
//! takes a [role](crate::resolve::role) or names a user by header changes nothing in the pool. This is for
//! the rest:
//!
//! - [`directory`](fn@directory) says who people are: standing, groups and profile, as the pool knows them now.
//! - [`lease`] puts an actor into the groups of a target for a while, where other services look at
//!   `cognito:groups` and at nothing else, and takes it out again whatever happens.
//! - [`sign_out_on_end`] and [`revoke_tokens_on_end`] tell the pool that a grant ended.
//!
//! Rules: people are told apart by issuer and `sub`; a username, an e-mail address and a linked identity
//! are for look-up, and two people that bear one name are nobody. The client is the application's own,
//! with its credentials, region and time limits; this crate brings no second HTTPS stack. What the API
//! throttles is asked again within the deadline, every other fault is a fault and never an answer.
//!
//! Caveat: every look-up is two or three calls of an API whose rate is limited for the whole account. Put
//! the directory behind [`directory::cached`](crate::directory::cached).
//!
//! The guide is [`manual::cognito`](crate::manual::cognito).
//!
//! ```
//! use tower_impersonate::cognito::{self, Pool};
//! use tower_impersonate::directory;
//!
//! # use aws_sdk_cognitoidentityprovider as aws;
//! # let config = aws::Config::builder().behavior_version(aws::config::BehaviorVersion::v2025_08_07()).build();
//! let client = aws::Client::from_conf(config); // yours, with region, credentials and HTTP client
//! let desk = Pool::new("eu-west-1", "eu-west-1_Ab12Cd34E", client);
//! assert_eq!(desk.issuer(), Some("https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_Ab12Cd34E"));
//! let users = directory::cached(cognito::directory([desk]).build()?);
//! # drop(users);
//! # Ok::<(), cognito::ConfigError>(())
//! ```
//!
//! [`Issuer::cognito`]: crate::Issuer::cognito

mod api;
mod budget;
mod directory;
mod error;
mod filter;
mod follow_up;
pub mod lease;
mod people;
mod pool;
mod sdk;
mod user;

pub use self::api::{ApiError, ApiErrorKind, Page, UserPoolApi};
pub use self::directory::{CognitoDirectory, DirectoryBuilder, directory};
pub use self::error::ConfigError;
pub use self::filter::Filter;
pub use self::follow_up::{
    RefreshToken, RevokeTokens, SignOut, revoke_tokens_on_end, sign_out_on_end,
};
pub use self::pool::Pool;
pub use self::sdk::SdkPool;
pub use self::user::{AccountStatus, PoolUser};
