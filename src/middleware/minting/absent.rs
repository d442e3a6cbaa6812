/// Without the feature there is no minter.
#[derive(Debug, Clone, Default)]
pub(in crate::middleware) struct Minting;

impl Minting {
    pub(in crate::middleware) fn needs_grants(&self) -> bool {
        false
    }
}
