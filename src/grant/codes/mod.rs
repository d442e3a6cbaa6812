//! Codes by which the actor of a grant signs in at a Cognito user pool as the target.
//!
//! A [`SignInCode`] is the answer to a custom challenge: 256 random bits that count once, for a minute by
//! default. Nobody keeps it but the client; a [`CodeStore`] knows its SHA-256 ([`CodeHash`]) and what it is
//! bound to: the grant, the actor, the target, and the app client of the pool.
//!
//! - Whether a code is any good is decided where the grants are kept, by the routes of
//!   [`manage`](crate::manage), never by the function that Cognito runs alone.
//! - A code is taken by the one challenge that it answers. Cognito may run its function again for the same
//!   challenge, which is the same answer, and no second use.
//! - What was taken stays known as long as the grant can last: the hash is the receipt by which tokens of
//!   that sign-in name their actor. What nobody took is forgotten once it has expired.
//!
//! A [`memory`] store knows one process; codes of several processes belong in one file ([`sqlite`], with the
//! feature of that name), or in a store of your own.
//!
//! Caveat: a code in the answer of a route is as good as a password for a minute. It belongs in no log.
//!
//! ```
//! use tower_impersonate::grant::codes::SignInCode;
//!
//! let code = SignInCode::random()?;
//! assert_eq!(code.expose().expose().len(), 43);
//! assert_eq!(format!("{code:?}"), "SignInCode([redacted])");
//! assert_ne!(code.hash().to_string(), code.expose().expose());
//! # Ok::<(), getrandom::Error>(())
//! ```
//!
//! [`sqlite`]: sqlite()

mod code;
mod kept;
mod memory;
#[cfg(feature = "sqlite")]
mod sqlite;
mod store;

pub use self::code::{ChallengeId, CodeHash, CodeHashError, SignInCode};
pub use self::kept::{KeptCode, Taking};
pub use self::memory::{MemoryCodes, memory};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sqlite::{SqliteCodes, sqlite};
pub use self::store::CodeStore;
