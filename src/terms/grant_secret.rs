use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::secret::Secret;
use crate::terms::GrantId;

/// What a client holds of a grant that it uses by a cookie: 256 bits from the system's random source.
///
/// Nobody keeps it but the client. The grant is found by its SHA-256, which is its [`GrantId`].
#[derive(Clone, PartialEq, Eq)]
pub struct GrantSecret([u8; 32]);

impl GrantSecret {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn new() -> Result<Self, getrandom::Error> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes)?;
        Ok(Self(bytes))
    }

    /// Takes it as a client sent it, in its one spelling.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        // Both are 32 bytes in base64url.
        let bytes: GrantId = text.parse().ok()?;
        Some(Self(*bytes.as_bytes()))
    }

    /// The id of the grant that it belongs to.
    #[must_use]
    pub fn id(&self) -> GrantId {
        GrantId::from_bytes(Sha256::digest(self.0).into())
    }

    /// As it is sent to the client.
    #[must_use]
    pub fn expose(&self) -> Secret<'static> {
        URL_SAFE_NO_PAD.encode(self.0).into()
    }
}

impl fmt::Debug for GrantSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GrantSecret([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_not_what_is_held() {
        let secret = GrantSecret::new().unwrap();
        let held = secret.expose();
        assert_ne!(held.expose(), secret.id().to_string());
        assert_eq!(GrantSecret::parse(held.expose()).unwrap().id(), secret.id());
        assert_ne!(GrantSecret::new().unwrap().id(), secret.id());
        assert_eq!(GrantSecret::parse("short"), None);
        assert!(!format!("{secret:?}").contains(held.expose()));
    }
}
