use std::fmt;
use std::sync::Arc;

use crate::grant::codes::{ChallengeId, CodeHash};
use crate::identity::IdentityKey;
use crate::terms::GrantId;
use crate::time::Timestamp;

/// What a store knows of a code.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptCode {
    /// Which.
    pub hash: CodeHash,
    /// The grant under which it was made.
    pub grant: GrantId,
    /// Who may use it: the actor of the grant.
    pub actor: IdentityKey,
    /// As whom it signs in: the target of the grant, at the issuer that the user pool is.
    pub target: IdentityKey,
    /// The target's username; `None` where nobody told it, so that its `sub` alone counts.
    pub username: Option<Arc<str>>,
    /// At which app client of the pool.
    pub client: Arc<str>,
    /// From when on nobody can take it any more; from then on the store may forget one that was not taken.
    pub expires_at: Timestamp,
    /// From when on the store may forget one that was taken: when its grant is over in any case.
    pub keep_until: Timestamp,
    /// By what it was taken; `None` as long as it was not.
    pub taken: Option<Taking>,
}

/// How a code was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taking {
    /// By which run of a challenge.
    pub challenge: ChallengeId,
    /// When.
    pub at: Timestamp,
}

impl fmt::Debug for KeptCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptCode")
            .field("grant", &self.grant)
            .field("taken", &self.taken.is_some())
            .finish_non_exhaustive()
    }
}
