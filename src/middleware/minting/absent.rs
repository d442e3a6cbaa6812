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
}
