use std::fmt;
use std::sync::Arc;

use crate::answer::Answer;
use crate::grant::{End, Grant, Grants, StoreError};
use crate::identity::IdentityKey;
use crate::terms::{GrantId, Mode, Reason, Ticket};
use crate::time::Timestamp;

/// Where a service asks whether a grant is alive.
///
/// The service that issues tokens keeps [`Grants`]; another one asks it, by introspection.
#[derive(Clone)]
pub struct GrantSource(Source);

#[derive(Clone)]
pub(super) enum Source {
    Here(Grants),
    #[cfg_attr(
        not(feature = "jwks"),
        allow(dead_code, reason = "it is asked over HTTP")
    )]
    Elsewhere(Arc<dyn AskElsewhere>),
    Nowhere,
}

/// Asks the service that keeps the grant.
pub(super) trait AskElsewhere: Send + Sync {
    fn ask(&self, id: &GrantId, now: Timestamp) -> Answer<Result<Look, StoreError>>;

    /// What could not work once requests come.
    fn check(&self) -> Result<(), String>;
}

/// What is known of a grant.
#[derive(Debug, Clone)]
pub(crate) enum Look {
    /// It is alive, and kept here.
    Here(Grant),
    /// It is over, and kept here.
    Over(Grant, End),
    /// It is alive; what the service that keeps it tells of it.
    Elsewhere(Box<Told>),
    /// Nobody knows it, or whoever does says that it is over.
    Unknown,
}

/// What another service tells of a grant that it keeps.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Whose grant it is, and on whom; `None` where nobody was asked.
    pub(crate) people: Option<[IdentityKey; 2]>,
    pub(crate) mode: Option<Mode>,
    pub(crate) reason: Option<Reason>,
    pub(crate) ticket: Option<Ticket>,
    pub(crate) started_at: Option<Timestamp>,
    /// When the grant ends by itself, as far as that service knows.
    #[cfg_attr(
        not(feature = "jwks"),
        allow(dead_code, reason = "it is asked over HTTP")
    )]
    pub(crate) expires_at: Option<Timestamp>,
}

impl GrantSource {
    pub(super) const fn new(source: Source) -> Self {
        Self(source)
    }

    /// The grants that are kept here.
    pub(crate) fn kept(&self) -> Option<&Grants> {
        match &self.0 {
            Source::Here(grants) => Some(grants),
            Source::Elsewhere(_) | Source::Nowhere => None,
        }
    }

    /// What is wrong with it.
    pub(crate) fn check(&self) -> Result<(), String> {
        match &self.0 {
            Source::Elsewhere(ask) => ask.check(),
            Source::Here(_) | Source::Nowhere => Ok(()),
        }
    }

    pub(crate) fn look(&self, id: &GrantId, now: Timestamp) -> Answer<Result<Look, StoreError>> {
        match &self.0 {
            Source::Here(grants) => grants.find(id).map(move |found| {
                Ok(match found? {
                    None => Look::Unknown,
                    Some(grant) => match grant.end_at(now) {
                        Some(end) => Look::Over(grant, end),
                        None => Look::Here(grant),
                    },
                })
            }),
            Source::Elsewhere(ask) => ask.ask(id, now),
            Source::Nowhere => Answer::now(Ok(Look::Elsewhere(Box::default()))),
        }
    }
}

impl From<Grants> for GrantSource {
    fn from(grants: Grants) -> Self {
        Self(Source::Here(grants))
    }
}

impl From<&Grants> for GrantSource {
    fn from(grants: &Grants) -> Self {
        grants.clone().into()
    }
}

impl fmt::Debug for GrantSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match &self.0 {
            Source::Here(_) => "GrantSource::Here(..)",
            Source::Elsewhere(_) => "GrantSource::Elsewhere(..)",
            Source::Nowhere => "GrantSource::Nowhere",
        })
    }
}
