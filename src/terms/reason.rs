use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// Why somebody impersonates, in the actor's words: trimmed, never empty, bounded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reason(Arc<str>);

impl Reason {
    /// Takes the reason as it was sent. White space around it does not count.
    ///
    /// # Errors
    ///
    /// [`ReasonError::Blank`] when nothing is left after trimming, [`ReasonError::TooLong`] when
    /// there are more than `max_chars` characters left.
    pub fn parse(text: &str, max_chars: usize) -> Result<Self, ReasonError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ReasonError::Blank);
        }
        if text.chars().nth(max_chars).is_some() {
            return Err(ReasonError::TooLong { max_chars });
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A reason that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReasonError {
    /// Nothing but white space.
    Blank,
    /// Longer than allowed.
    #[non_exhaustive]
    TooLong {
        /// The most characters it may have.
        max_chars: usize,
    },
}

impl fmt::Display for ReasonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blank => f.write_str("the reason is blank"),
            Self::TooLong { max_chars } => {
                write!(f, "the reason is longer than {max_chars} characters")
            }
        }
    }
}

impl Error for ReasonError {}
