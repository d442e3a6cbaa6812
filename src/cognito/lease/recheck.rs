use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::answer::Answer;
use crate::cognito::lease::{LeaseStore, Loan, Standing};
use crate::directory::LookupError;
use crate::identity::Names;
use crate::middleware::RecheckGroups;
use crate::time::{Clock, Timestamp};
use crate::token::{Claims, Verified};

/// Takes groups that are not lent any more off tokens that were minted while they were; made by
/// [`Leases::recheck`](crate::cognito::lease::Leases::recheck).
///
/// The store is asked where a token of the pool names a group that may be lent, and nowhere else.
#[derive(Clone)]
pub struct Recheck {
    pub(super) issuer: Arc<str>,
    pub(super) store: Arc<dyn LeaseStore>,
    pub(super) groups: Names,
    pub(super) clock: Arc<dyn Clock>,
}

impl RecheckGroups for Recheck {
    fn lapsed(&self, claims: &Verified<Claims>) -> Answer<Result<Names, LookupError>> {
        let identity = claims.identity();
        let named = |group| self.groups.contains(group);
        let may_be_lent = identity.issuer() == &*self.issuer
            && identity
                .groups()
                .is_some_and(|groups| groups.iter().any(named));
        if !may_be_lent {
            return Answer::now(Ok(Names::default()));
        }
        let minted = claims.get("iat").and_then(serde_json::Value::as_i64);
        let minted = minted.map(Timestamp::from_unix_seconds);
        let loans = self.store.loans(identity.key(), self.clock.now());
        loans.map(move |loans| {
            let loans = loans.map_err(LookupError::unavailable)?;
            let lapsed = loans.into_iter().filter(|loan| is_lapsed(loan, minted));
            Ok(lapsed.map(|loan| loan.group).collect())
        })
    }
}

/// A token that was minted after the group was taken back has it from somebody else.
fn is_lapsed(loan: &Loan, minted: Option<Timestamp>) -> bool {
    match loan.standing {
        Standing::Lent => false,
        Standing::Owed => true,
        Standing::Own => loan.settled_at.is_some_and(|settled| {
            let cleared = settled.saturating_add(CLOCKS_MAY_DIFFER);
            minted.is_none_or(|minted| minted <= cleared)
        }),
    }
}

const CLOCKS_MAY_DIFFER: Duration = Duration::from_secs(60);

impl fmt::Debug for Recheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Recheck")
            .field("issuer", &self.issuer)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}
