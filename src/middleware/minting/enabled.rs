use crate::middleware::Builder;
use crate::mint::Minter;
use crate::resolve;

/// The minter of tokens, where there is one.
#[derive(Debug, Clone, Default)]
pub(in crate::middleware) struct Minting(Option<Minter>);

impl Minting {
    /// Whether grants must be kept here.
    pub(in crate::middleware) fn needs_grants(&self) -> bool {
        self.0.is_some()
    }

    #[cfg(feature = "manage")]
    pub(in crate::middleware) fn minter(&self) -> Option<&Minter> {
        self.0.as_ref()
    }
}

impl Builder {
    /// Lets in the tokens that this minter makes, as long as their grants live.
    ///
    /// Adds the minter's own [issuer](Minter::issuer), with its `act` believed, and
    /// [`resolve::act`](crate::resolve::act()) where it is not there yet. The minter's app clients count as
    /// staff, so that the tenant rule does not bind them; the policy must name each
    /// ([`machines`](crate::policy::machines)). Needs [`grants`](Self::grants) that are kept here.
    pub fn mint(mut self, minter: &Minter) -> Self {
        if !self.reads_act() {
            self = self.resolve(resolve::act());
        }
        self.minting = Minting(Some(minter.clone()));
        self.issuer(minter.issuer().staff())
    }
}
