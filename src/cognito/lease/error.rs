use std::error::Error;
use std::fmt;

/// Why groups were not lent, or not taken back.
///
/// It names nobody, so that it may be logged; the cause of a fault is its `source()`.
pub struct LeaseError {
    kind: LeaseErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`LeaseError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LeaseErrorKind {
    /// A group is not on the list of those that may be lent, the target does not have it or has it lent, or
    /// none is named.
    NotOffered,
    /// Actor or target are not people of this pool, or there is no target: a role lends nothing. Or the
    /// lease is one of another pool.
    OutOfReach,
    /// The impersonation may only read.
    ReadOnly,
    /// The impersonation goes as far as its scopes, of which a group knows nothing.
    Scoped,
    /// The actor has as many leases as it may have.
    TooMany,
    /// It goes on under a grant, and [`LeasesBuilder::grants`](crate::cognito::lease::LeasesBuilder::grants)
    /// does not say where to ask for it.
    NoGrants,
    /// The grant that it goes on under cannot be asked for.
    Grants,
    /// One of the groups is being taken back from the same person: try again in a moment.
    Busy,
    /// The lease is over, or there is none of that id.
    Over,
    /// The audit did not take it.
    Audit,
    /// The store could not keep it.
    Store,
    /// The pool could not be asked. What was lent is taken back by the next sweep.
    Pool,
}

impl LeaseError {
    pub(super) fn new(kind: LeaseErrorKind) -> Self {
        Self { kind, source: None }
    }

    pub(super) fn because(
        kind: LeaseErrorKind,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    pub(super) fn store(source: crate::grant::StoreError) -> Self {
        Self::because(LeaseErrorKind::Store, source)
    }

    pub(super) fn pool(source: crate::cognito::ApiError) -> Self {
        Self::because(LeaseErrorKind::Pool, source)
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> LeaseErrorKind {
        self.kind
    }
}

impl fmt::Display for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            LeaseErrorKind::NotOffered => "a group cannot be lent",
            LeaseErrorKind::OutOfReach => "groups are lent between people of one user pool",
            LeaseErrorKind::ReadOnly => "this impersonation may only read",
            LeaseErrorKind::Scoped => "this impersonation goes as far as its scopes",
            LeaseErrorKind::TooMany => "the actor has too many leases",
            LeaseErrorKind::NoGrants => "these leases know of no grants",
            LeaseErrorKind::Grants => "the grant could not be asked for",
            LeaseErrorKind::Busy => "a group is being taken back from the same person",
            LeaseErrorKind::Over => "the lease is over",
            LeaseErrorKind::Audit => "the audit did not take the lease",
            LeaseErrorKind::Store => "the store of leases is not available",
            LeaseErrorKind::Pool => "the user pool could not be asked",
        })
    }
}

// By hand: the debug text of a foreign error may hold whom it was asked for.
impl fmt::Debug for LeaseError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeaseError")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Error for LeaseError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
