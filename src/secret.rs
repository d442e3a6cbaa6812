//! Text that must not be printed.
//!
//! A bearer token is whoever holds it. [`Secret`] has no `Display`, its `Debug` shows nothing of the
//! content, and reading it is one named call that a reviewer can search for.
//!
//! It does not wipe its memory when dropped: the token also lives in the header map of the request.
//!
//! ```
//! use tower_impersonate::secret::Secret;
//!
//! let token = Secret::from("eyJhbGciOi");
//! assert_eq!(format!("{token:?}"), "Secret([redacted])");
//! assert_eq!(token.expose(), "eyJhbGciOi");
//! ```

use std::borrow::Cow;
use std::fmt;

/// A piece of text that is borrowed where possible and never shown.
#[derive(Clone)]
pub struct Secret<'a>(Cow<'a, str>);

impl Secret<'_> {
    /// The text itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl<'a> From<&'a str> for Secret<'a> {
    fn from(text: &'a str) -> Self {
        Self(Cow::Borrowed(text))
    }
}

impl From<String> for Secret<'_> {
    fn from(text: String) -> Self {
        Self(Cow::Owned(text))
    }
}

impl fmt::Debug for Secret<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret([redacted])")
    }
}
