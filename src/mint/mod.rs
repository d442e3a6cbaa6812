//! Access tokens of one's own, made for a user and naming who really acts.
//!
//! A [`Minter`] signs access tokens (RFC 9068) whose `sub` is the target and whose `act` (RFC 8693,
//! section 4.1) is the actor. Any service that trusts it lets them in by [`Minter::issuer`] and
//! [`resolve::act`](crate::resolve::act()), and sees the target with the actor beside it.
//!
//! Rules:
//!
//! - Nothing is minted for a target without a [`Recorded`](crate::audit::Recorded): the policy allowed it
//!   and the audit took it. An actor who is impersonated itself gets no token, and a role none.
//! - A token names one audience, and ends with the grant, with the actor's own token, or after the
//!   lifetime, whichever comes first.
//! - The target stays who it is: `sub_id` (RFC 9493, section 3.2.4) says at which issuer its `sub` is.
//! - Keys are Ed25519, P-256 or RSA of 2048 bits and more, for EdDSA, ES256 and RS256. A private key is in no
//!   `Debug`, no error and no key set; a key file that others may read is refused.
//! - A key signs only after it was published: see [`Minter::rotate`].
//!
//! Caveat: a token counts until it expires, wherever nobody asks whether its grant is alive. Whoever reads
//! the key file can make any token; memory that held a key is not wiped everywhere.
//!
//! ```
//! # #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_impersonate::mint::{Minter, SigningKey};
//! use tower_impersonate::token::{Algorithm, Authenticator};
//!
//! let minter = Minter::builder("https://desk.example.com")
//!     .key(SigningKey::generate(Algorithm::EdDSA)?)
//!     .audiences(["desk-api"])
//!     .build()?;
//! let authenticator = Authenticator::builder().issuer(minter.issuer()).build()?;
//!
//! // What an app client gets for its own secret.
//! let now = authenticator.clock().now();
//! let minted = minter.mint_client("reports", Some("orders:read"), None, now)?;
//! let answer = authenticator.authenticate(minted.token.expose(), now).try_now();
//! assert!(matches!(answer, Ok(Ok(claims)) if claims.identity().subject() == "reports"));
//! assert!(!String::from_utf8(minter.jwks().to_vec())?.contains("\"d\""));
//! # Ok(())
//! # }
//! # #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
//! # fn main() {}
//! ```

mod builder;
mod error;
mod jwk;
mod key;
mod key_file;
mod minter;
mod payload;
mod request;
mod ring;

pub use self::builder::MinterBuilder;
pub use self::error::{KeyError, MintError, MintErrorKind, MinterError};
pub use self::key::SigningKey;
pub use self::minter::Minter;
pub use self::request::{MintRequest, Minted};
pub use self::ring::Rotation;
