//! What weakens the promise that a grant can be ended.

use crate::grant::source::{GrantSource, Source};

/// Asks nobody whether a grant is alive: its tokens are good until they expire, revoked or not.
///
/// For a service that can reach neither the store nor the service that issued the token. Issue tokens
/// for as short a time as can be.
#[must_use]
pub fn until_exp() -> GrantSource {
    GrantSource::new(Source::Nowhere)
}
