//! What `benches/requests.rs` counts, and the figures that it is compared with.

pub mod figures;
pub mod requests;
pub mod tokens;

/// Whatever keeps a figure from being had.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;
