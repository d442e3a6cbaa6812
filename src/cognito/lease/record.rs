use crate::grant::Grant;
use crate::identity::{Identity, IdentityKey, Names};
use crate::terms::{Ask, GrantId};
use crate::time::Timestamp;

/// Groups of a target that are lent to an actor. Cheap to clone.
///
/// A value of it is what a store said at one moment.
#[derive(Debug, Clone)]
pub struct Lease {
    agreed: Grant,
    stage: Stage,
}

/// How far a lease has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stage {
    /// The groups are being added; who was at it may be dead.
    Taking,
    /// All groups are there.
    Held,
}

impl Lease {
    /// What was agreed, in the form of a grant whose ask names the groups, and how far it has come, as a
    /// store found it.
    #[must_use]
    pub fn new(agreed: Grant, stage: Stage) -> Self {
        Self { agreed, stage }
    }

    /// Which. The audit calls it by this id.
    #[must_use]
    pub fn id(&self) -> &GrantId {
        self.agreed.id()
    }

    /// Who gets the groups.
    #[must_use]
    pub fn member(&self) -> &IdentityKey {
        self.actor().key()
    }

    /// The same, with its name as it was then.
    #[must_use]
    pub fn actor(&self) -> &Identity {
        self.agreed.actor()
    }

    /// Whose groups they are.
    #[must_use]
    pub fn target(&self) -> &Identity {
        self.agreed.target()
    }

    /// The groups.
    #[must_use]
    pub fn groups(&self) -> Names {
        self.agreed.ask().groups().cloned().unwrap_or_default()
    }

    /// When it ends by itself.
    #[must_use]
    pub fn deadline(&self) -> Timestamp {
        self.agreed.deadline()
    }

    /// The moment beyond which nobody can renew it.
    #[must_use]
    pub fn latest(&self) -> Timestamp {
        self.agreed.latest()
    }

    /// How far it has come.
    #[must_use]
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether it lends its groups.
    #[must_use]
    pub fn is_alive_at(&self, now: Timestamp) -> bool {
        self.agreed.is_alive_at(now)
    }

    /// The grant under which it was taken, and with which it ends; `None` without one.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantId> {
        self.agreed.ask().grant()
    }

    /// What was asked for, as the audit is told: under its own id.
    pub(super) fn told(&self) -> Ask {
        self.agreed.ask().clone().under(*self.id())
    }

    /// What was agreed, its deadline and its end, for a store to keep.
    #[must_use]
    pub fn agreed(&self) -> &Grant {
        &self.agreed
    }
}
