//! From the text of a bearer token to the proof of who sent it.
//!
//! [`Authenticator::authenticate`] is the only maker of [`Verified<Claims>`], and those are the only
//! source of an identity that counts as an actor. The [`Issuer`]s say whose tokens are accepted and
//! what they must look like; [`ExtractToken`] finds the token in a request.
//!
//! Rules:
//!
//! - The token chooses nothing: its `iss` is looked up among the configured issuers, its `kid` among
//!   that issuer's keys, and each key serves one algorithm. Nothing is fetched for an issuer that is
//!   not configured, and no URL in a token is ever read.
//! - The signature is checked before any claim is judged. Times are judged on every use, on the
//!   injected clock: `exp` and `iat` are required, and `now >= exp + leeway` is expired.
//! - JSON with duplicate members is refused, at any depth, and so is JSON of more than 16 levels or
//!   1,024 values.
//! - Keys are fetched once for all who wait, at most every ten seconds, on a task of their own.
//!   Keys that are there keep serving while their endpoint fails, for 24 hours. A failure to get
//!   keys says nothing about a token: it is [`TokenErrorKind::KeysUnavailable`] and never cached.
//! - The cache holds verified tokens or their digests, never permissions and never refusals.
//!
//! Caveat: a token counts until it expires. Signing out or disabling an account at the issuer
//! changes nothing here before that; ask the directory where that matters.
//!
//! ```
//! # #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use tower_impersonate::token::{Algorithm, Authenticator, Issuer, StaticKeys, TokenErrorKind};
//!
//! let key = "-----BEGIN PUBLIC KEY-----\n\
//!     MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
//!     -----END PUBLIC KEY-----\n";
//! let authenticator = Authenticator::builder()
//!     .issuer(
//!         Issuer::static_keys("https://issuer.example.com", StaticKeys::pem(key, Algorithm::EdDSA))
//!             .audiences(["desk-api"]),
//!     )
//!     .build()?;
//!
//! let now = authenticator.clock().now();
//! let answer = authenticator.authenticate("e30.e30.AA", now).try_now();
//! let Ok(Err(error)) = answer else { panic!("no such token is accepted") };
//! assert_eq!(error.kind(), TokenErrorKind::Algorithm);
//! # Ok(())
//! # }
//! # #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
//! # fn main() {}
//! ```

mod algorithm;
mod authenticator;
mod cache;
mod claims;
mod compact;
mod cookie;
mod crypto;
#[cfg(feature = "chain")]
mod ed25519;
mod error;
mod extract;
mod fetch;
#[cfg(all(test, feature = "aws_lc_rs"))]
mod fixture;
mod header;
mod issuer;
mod issuers;
mod json;
mod judge;
mod jwk;
mod jws;
mod keys;
mod name_set;
mod person;
mod sub_id;
mod telling;
mod verified;
#[cfg(feature = "manage")]
mod vouched;
mod weight;
mod window;

pub use self::algorithm::Algorithm;
pub use self::authenticator::{
    Authenticator, AuthenticatorBuilder, AuthenticatorError, ConnectError,
};
pub use self::cache::CacheLimits;
pub use self::claims::Claims;
#[cfg(feature = "mint")]
pub(crate) use self::compact::decode;
pub use self::cookie::{CookieError, CookieToken};
#[cfg(feature = "mint")]
pub(crate) use self::crypto::{Curve, PublicKey, UnusableKey, signing};
#[cfg(feature = "chain")]
pub(crate) use self::ed25519::Ed25519;
pub use self::error::{TokenError, TokenErrorKind};
pub use self::extract::{BearerHeader, ExtractToken, Extraction, Presented};
#[cfg(feature = "jwks")]
pub use self::fetch::HttpClient;
pub use self::fetch::{FetchError, FetchErrorKind, FetchKeys, FetchLimits, Fetched};
#[cfg(feature = "mint")]
pub(crate) use self::header::acceptable_kid;
pub(crate) use self::issuer::UrlRule;
#[cfg(feature = "cognito")]
pub(crate) use self::issuer::pool_name;
pub use self::issuer::{Issuer, IssuerError, IssuerErrorKind, IssuerFacts};
#[cfg(feature = "mint")]
pub(crate) use self::keys::LiveKeys;
pub use self::keys::StaticKeys;
pub(crate) use self::name_set::NameSet;
pub use self::verified::Verified;

/// JSON inside a claim, read as strictly as the claims.
pub(crate) fn strict_object(text: &str) -> Option<serde_json::Map<String, serde_json::Value>> {
    json::object(text.as_bytes())
}
