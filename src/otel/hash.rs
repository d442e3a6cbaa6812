use std::error::Error;
use std::fmt::{self, Write};
use std::sync::Arc;

use hmac::{Hmac, Mac};
use sha2::Sha256;

use crate::secret::Secret;

/// The key of [`Identifiers::KeyedHash`](super::Identifiers::KeyedHash): HMAC-SHA-256 (RFC 2104).
///
/// Cheap to clone; shows nothing of itself.
///
/// ```
/// use tower_impersonate::otel::HashKey;
/// use tower_impersonate::secret::Secret;
///
/// let key = HashKey::new(&Secret::from("a secret of 32 bytes, or longer!"))?;
/// assert_eq!(key.hash("alice-sub").len(), 32);
/// assert_eq!(format!("{key:?}"), "HashKey([redacted])");
/// assert!(HashKey::new(&Secret::from("short")).is_err());
/// # Ok::<(), tower_impersonate::otel::WeakKey>(())
/// ```
#[derive(Clone)]
pub struct HashKey(Arc<Hmac<Sha256>>);

impl HashKey {
    /// A key of these bytes, at least 32 of them.
    ///
    /// # Errors
    ///
    /// [`WeakKey`] where there are fewer: who guesses the key can try out every `sub`.
    pub fn new(key: &Secret<'_>) -> Result<Self, WeakKey> {
        let key = key.expose().as_bytes();
        if key.len() < 32 {
            return Err(WeakKey { _private: () });
        }
        let mac = Hmac::new_from_slice(key).map_err(|_| WeakKey { _private: () })?;
        Ok(Self(Arc::new(mac)))
    }

    /// The hash that stands for a `sub`: the first 128 bits, as 32 hexadecimal digits.
    #[must_use]
    pub fn hash(&self, sub: &str) -> String {
        let mut mac = Hmac::clone(&self.0);
        mac.update(sub.as_bytes());
        let mut text = String::with_capacity(32);
        for byte in mac.finalize().into_bytes().iter().take(16) {
            // A text is always written.
            let _ = write!(text, "{byte:02x}");
        }
        text
    }
}

impl fmt::Debug for HashKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HashKey([redacted])")
    }
}

/// A key that is too short to keep identifiers secret.
#[derive(Debug)]
pub struct WeakKey {
    _private: (),
}

impl fmt::Display for WeakKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the key of a keyed hash needs at least 32 bytes")
    }
}

impl Error for WeakKey {}
