use crate::middleware::Builder;
use crate::mint::Minter;
use crate::resolve;
use crate::token::{Claims, Verified};

/// The minter of tokens, where there is one.
#[derive(Debug, Clone, Default)]
pub(in crate::middleware) struct Minting(Option<Minter>);

impl Minting {
    /// Whether grants must be kept here.
    pub(in crate::middleware) fn needs_grants(&self) -> bool {
        self.0.is_some()
    }

    /// Whether a token was made here for another service, which alone may take it.
    pub(in crate::middleware) fn is_for_another(&self, claims: &Verified<Claims>) -> bool {
        let made_here = |minter: &&Minter| claims.issuer() == minter.issuer_name();
        let for_here = |minter: &Minter| claims.only_audience() == Some(minter.own_audience());
        { self.0.as_ref().filter(made_here) }.is_some_and(|minter| !for_here(minter))
    }

    #[cfg(feature = "manage")]
    pub(in crate::middleware) fn minter(&self) -> Option<&Minter> {
        self.0.as_ref()
    }
}

impl Builder {
    /// Lets in the tokens that this minter makes for [this service](Minter::own_audience), as long as their
    /// grants live. Those for others only end their grants here.
    ///
    /// Adds the minter's own [issuer](Minter::issuer), with its `act` believed, and
    /// [`resolve::act`](crate::resolve::act()) where it is not there yet. The minter's app clients count as
    /// staff, so that the tenant rule does not bind them; the policy must name each
    /// ([`machines`](crate::policy::machines)). Needs [`grants`](Self::grants) that are kept here.
    pub fn mint(self, minter: &Minter) -> Self {
        let mut this = self.once("mint");
        if !this.reads_act() {
            this = this.resolve(resolve::act());
        }
        this.minting = Minting(Some(minter.clone()));
        this.issuer(minter.issuer_for_any().staff())
    }
}
