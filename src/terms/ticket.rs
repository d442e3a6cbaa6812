use std::error::Error;
use std::fmt;
use std::sync::Arc;

/// The ticket for which somebody impersonates: the name that a help desk gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket(Arc<str>);

impl Ticket {
    /// The most characters of a ticket.
    pub const MAX_CHARS: usize = 128;

    /// Takes the ticket as it was sent. White space around it does not count.
    ///
    /// # Errors
    ///
    /// [`TicketError`] when nothing is left after trimming, when it is longer than
    /// [`MAX_CHARS`](Self::MAX_CHARS), or when it has characters of control.
    pub fn parse(text: &str) -> Result<Self, TicketError> {
        let text = text.trim();
        let bad = text.is_empty()
            || text.chars().nth(Self::MAX_CHARS).is_some()
            || text.chars().any(char::is_control);
        if bad {
            return Err(TicketError(()));
        }
        Ok(Self(text.into()))
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A ticket that cannot be taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TicketError(());

impl fmt::Display for TicketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let most = Ticket::MAX_CHARS;
        write!(f, "a ticket is 1 to {most} characters, none of control")
    }
}

impl Error for TicketError {}
