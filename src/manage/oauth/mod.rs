//! The endpoints of OAuth 2.0: tokens for app clients and other services, revocation, introspection.
//!
//! App clients prove themselves by their secret, in HTTP Basic or in the form (RFC 6749, section 2.3.1).

mod authenticate;
mod client_credentials;
mod error;
mod exchange;
mod form;
mod introspect;
mod metadata;
mod revoke;
#[cfg(feature = "lambda")]
mod sign_in;
mod token;

pub(super) use self::error::OAuthErrorView;
pub(super) use self::introspect::introspect;
pub(super) use self::metadata::{GRANT_TYPES, issuer_path, metadata, metadata_path};
pub(super) use self::revoke::revoke;
#[cfg(feature = "lambda")]
pub(super) use self::sign_in::{SignInView, confirm, redeem};
pub(super) use self::token::{TokenView, token};
