//! The one place where signatures are checked, and tokens hashed.
//!
//! One backend is compiled in: aws-lc-rs where its feature is on, else RustCrypto, else none. Each
//! offers the same `VerifyingKey` and `sha256`, and nothing of a backend's types leaves its file. No backend
//! reads or sets a process-wide provider.

#[cfg(feature = "aws_lc_rs")]
mod aws_lc;
#[cfg(feature = "aws_lc_rs")]
use self::aws_lc as backend;

#[cfg(all(feature = "rust_crypto", any(test, not(feature = "aws_lc_rs"))))]
mod rust_crypto;
#[cfg(all(feature = "rust_crypto", not(feature = "aws_lc_rs")))]
use self::rust_crypto as backend;

#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
mod absent;
#[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
use self::absent as backend;

mod der;
mod public_key;
mod roca;
mod self_test;
#[cfg(feature = "mint")]
#[cfg_attr(
    not(any(feature = "aws_lc_rs", feature = "rust_crypto")),
    allow(dead_code, reason = "without a backend there is no key")
)]
pub(crate) mod signing;
mod spki;

pub(crate) use self::backend::{AVAILABLE, VerifyingKey, sha256};
pub(crate) use self::public_key::{Curve, PublicKey};
#[cfg(all(test, feature = "aws_lc_rs", feature = "rust_crypto"))]
pub(crate) use self::rust_crypto::VerifyingKey as PureRustKey;
pub(crate) use self::self_test::self_test;

/// A key that no token may be checked with; the reason for the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct UnusableKey(pub(crate) &'static str);

/// A signature that does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mismatch;

#[cfg(test)]
mod tests;
