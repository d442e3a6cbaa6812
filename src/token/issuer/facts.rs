use std::sync::Arc;

use crate::identity::Affiliation;

/// What the configuration says of an issuer, apart from how its tokens are checked.
#[derive(Debug, Clone)]
pub struct IssuerFacts {
    pub(super) issuer: Arc<str>,
    pub(super) tenant: Tenant,
    pub(super) affiliation: Affiliation,
    pub(super) groups_claim: Option<Arc<str>>,
    pub(super) trusted: Vec<Box<str>>,
    pub(super) act: Act,
    pub(super) sub_id: SubId,
    pub(super) grant_id: GrantIds,
}

/// Whose tenant the people of an issuer belong to.
#[derive(Debug, Clone)]
pub(crate) enum Tenant {
    Fixed(Arc<str>),
    Claim(Box<str>),
}

/// Whether an issuer's `act` is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    Ignored,
    Trusted,
}

/// Whether an issuer may name the people of others (`sub_id`, RFC 9493).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SubId {
    OwnPeople,
    Trusted,
}

/// Whether an issuer's tokens may name a grant that is kept here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum GrantIds {
    OfOthers,
    Trusted,
}

impl IssuerFacts {
    /// The name that identities of this issuer carry.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The one tenant of everybody at this issuer; `None` when each token names its own.
    #[must_use]
    pub fn tenant(&self) -> Option<&str> {
        match &self.tenant {
            Tenant::Fixed(tenant) => Some(tenant),
            Tenant::Claim(_) => None,
        }
    }

    /// Whether this is the issuer of a central staff.
    #[must_use]
    pub fn affiliation(&self) -> Affiliation {
        self.affiliation
    }

    /// Whether its tokens say which groups somebody is in.
    #[must_use]
    pub fn gives_groups(&self) -> bool {
        self.groups_claim.is_some()
    }

    /// Whether this claim of its tokens may start an impersonation.
    #[must_use]
    pub fn trusts_claim(&self, name: &str) -> bool {
        self.trusted.iter().any(|trusted| **trusted == *name)
    }

    /// Whether its tokens may name an actor (`act`, RFC 8693).
    #[must_use]
    pub fn trusts_act(&self) -> bool {
        self.act == Act::Trusted
    }

    /// Whether its tokens may be made for people of another issuer (`sub_id`, RFC 9493).
    #[must_use]
    pub fn trusts_sub_id(&self) -> bool {
        self.sub_id == SubId::Trusted
    }

    /// Whether its tokens may be of a grant that is kept here (`grant_id`).
    #[must_use]
    pub fn trusts_grant_id(&self) -> bool {
        self.grant_id == GrantIds::Trusted
    }

    /// The claims of this issuer that are believed.
    pub fn trusted_claims(&self) -> impl Iterator<Item = &str> {
        self.trusted.iter().map(|name| &**name)
    }

    pub(crate) fn shared_issuer(&self) -> Arc<str> {
        Arc::clone(&self.issuer)
    }

    pub(crate) fn tenant_rule(&self) -> &Tenant {
        &self.tenant
    }

    pub(crate) fn groups_claim(&self) -> Option<&str> {
        self.groups_claim.as_deref()
    }

    pub(crate) fn shared_groups_claim(&self) -> Option<Arc<str>> {
        self.groups_claim.clone()
    }
}
