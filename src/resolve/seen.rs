//! What of a request could ask for an impersonation.

/// Found by one look at names, before any strategy is asked, so that nobody looks again for what is not
/// there. Where nobody looked, everything may be there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seen {
    /// Headers of ours, or twins of them.
    pub(super) headers: bool,
    pub(super) cookies: bool,
    /// Claims that say something here.
    pub(super) claims: bool,
    /// A strategy that reads whatever it likes.
    pub(super) anything: bool,
}

impl Seen {
    /// Whether no strategy can have anything to say.
    pub(crate) fn asks_nothing(self) -> bool {
        !(self.headers || self.cookies || self.claims || self.anything)
    }
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            headers: true,
            cookies: true,
            claims: true,
            anything: true,
        }
    }
}
