//! What the benchmarks of this package share: tokens, requests, the layers that are compared, figures.
//!
//! A peer gets what makes it fastest: one key, the one that fits, handed over without a look-up where
//! its interface allows it; aws-lc-rs wherever it lets its user choose; claims of a type with the few
//! members that a handler reads. Each has to admit a good token and to refuse one whose signature was
//! changed before it is measured.

use std::error::Error;

pub mod call;
pub mod figures;
pub mod ours;
pub mod peers;
pub mod tokens;

/// Why a peer could not be set up.
pub type BoxError = Box<dyn Error + Send + Sync>;
