use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use crate::identity::Identity;
use crate::time::Timestamp;
use crate::token::claims::Claims;

/// The proof that something stands in a verified token.
///
/// Only this module makes one: who holds a `Verified<Identity>` need not ask where it comes from.
/// It derefs to what was verified.
#[derive(Clone)]
pub struct Verified<T: Provable> {
    value: T,
    evidence: T::Evidence,
}

/// What can stand in a token: its claims, and whom they name.
pub trait Provable {
    /// What the proof says beside it.
    type Evidence: Clone;
}

impl Provable for Identity {
    type Evidence = Evidence;
}

/// Claims know their token themselves.
impl Provable for Claims {
    type Evidence = ();
}

/// The token behind a proof.
#[derive(Debug, Clone)]
pub struct Evidence {
    pub(super) voucher: Arc<str>,
    pub(super) expires_at: Timestamp,
    pub(super) origin: Origin,
}

/// Whether the token was issued to the one whom it proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Origin {
    Own,
    NamedByAct,
    /// Named by a token that goes on with what its own token began.
    Resumed,
}

impl<T: Provable> Verified<T> {
    pub(super) fn new(value: T, evidence: T::Evidence) -> Self {
        Self { value, evidence }
    }
}

impl Verified<Identity> {
    /// The issuer whose token says so, by its canonical name. For an actor named by `act` it may
    /// be another one than the actor's own.
    #[must_use]
    pub fn voucher(&self) -> &str {
        &self.evidence.voucher
    }

    /// Whether the token was issued to this identity itself; `false` for an actor that somebody
    /// else's token names.
    #[must_use]
    pub fn is_own(&self) -> bool {
        self.evidence.origin == Origin::Own
    }

    /// Whether what is known of this identity comes from a token of its own, now or when the grant
    /// started under which somebody else's token names it.
    #[must_use]
    pub fn speaks_for_itself(&self) -> bool {
        matches!(self.evidence.origin, Origin::Own | Origin::Resumed)
    }

    /// When the token expires, without leeway.
    #[must_use]
    pub fn expires_at(&self) -> Timestamp {
        self.evidence.expires_at
    }

    /// Adds what a directory knows and the token does not say.
    pub(crate) fn completed_by(mut self, found: Identity) -> Self {
        self.value = self.value.completed_by(found);
        self
    }

    /// Goes on with what was known when the grant started under which a token names this identity: what
    /// is known now stays.
    pub(crate) fn resumed(
        mut self,
        start: &Identity,
        voucher: &Arc<str>,
        spoke_for_itself: bool,
    ) -> Self {
        if self.is_own() {
            return self;
        }
        self.value = self.value.resumed_from(start);
        self.evidence.voucher = Arc::clone(voucher);
        if spoke_for_itself {
            self.evidence.origin = Origin::Resumed;
        }
        self
    }

    /// A proof out of thin air, for the unit tests of other folders.
    #[cfg(test)]
    pub(crate) fn for_test(identity: Identity) -> Self {
        let evidence = Evidence {
            voucher: identity.key().shared_issuer(),
            expires_at: Timestamp::from_unix_seconds(i64::MAX),
            origin: Origin::Own,
        };
        Self::new(identity, evidence)
    }

    /// The same, as if the token of that issuer had named the identity in `act`.
    #[cfg(test)]
    pub(crate) fn for_test_by_act(identity: Identity, voucher: &str) -> Self {
        let evidence = Evidence {
            voucher: voucher.into(),
            expires_at: Timestamp::from_unix_seconds(i64::MAX),
            origin: Origin::NamedByAct,
        };
        Self::new(identity, evidence)
    }
}

impl<T: Provable> Deref for Verified<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: Provable + fmt::Debug> fmt::Debug for Verified<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Verified").field(&self.value).finish()
    }
}
