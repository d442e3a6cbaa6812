use crate::token::{Claims, Verified};

/// Without the feature nobody can make one.
#[derive(Debug, Clone)]
enum Never {}

/// No minter.
#[derive(Debug, Clone, Default)]
pub(in crate::middleware) struct Minting(Option<Never>);

impl Minting {
    pub(in crate::middleware) fn needs_grants(&self) -> bool {
        self.0.is_some()
    }

    pub(in crate::middleware) fn is_for_another(&self, _: &Verified<Claims>) -> bool {
        self.0.is_some()
    }
}
