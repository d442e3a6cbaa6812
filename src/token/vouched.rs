//! Proofs that come from the service that keeps the grants, and not from a token at hand.

use std::sync::Arc;

use crate::identity::{Affiliation, Identity, Kind};
use crate::time::Timestamp;
use crate::token::verified::{Evidence, Origin, Verified};

impl Verified<Identity> {
    /// An app client of one's own that proved itself by its secret, just now.
    pub(crate) fn of_client(issuer: &str, client_id: &str, now: Timestamp) -> Self {
        let issuer: Arc<str> = issuer.into();
        let identity = Identity::new(Arc::clone(&issuer), client_id)
            .with_kind(Kind::Machine)
            .with_affiliation(Affiliation::Staff);
        let evidence = Evidence {
            voucher: issuer,
            expires_at: now,
            origin: Origin::Own,
        };
        Self::new(identity, evidence)
    }

    /// The actor of a grant that is kept here, for a question about the grant itself: nothing is known of it
    /// but what its issuer's configuration says.
    pub(crate) fn of_grant(actor: &Identity, voucher: &str, deadline: Timestamp) -> Self {
        let evidence = Evidence {
            voucher: voucher.into(),
            expires_at: deadline,
            origin: Origin::NamedByAct,
        };
        let known = Identity::from_key(actor.key().clone())
            .with_kind(actor.kind())
            .with_affiliation(actor.affiliation());
        Self::new(known, evidence)
    }
}
