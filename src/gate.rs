//! The one decision, without HTTP.
//!
//! Screen the actor, find the target, decide about the pair: whoever lets somebody act as somebody
//! else goes through [`Gate::admit`]. Nothing is looked up on behalf of an actor whom the policy
//! denies anyway; what a caller can learn from the answers is the same for a target that is missing,
//! disabled, ambiguous or forbidden.
//!
//! A [`Permit`] is not yet the right to do anything: it becomes one when the audit took it.
//!
//! ```
//! use std::sync::Arc;
//! use tower_impersonate::{directory, policy, Identity};
//! use tower_impersonate::gate::{Gate, Tenants};
//!
//! let users = directory::memory([Identity::new("https://issuer.example.com", "alice-sub")]);
//! let gate = Gate::new(Arc::new(policy::in_group("support")), Some(Arc::new(users)), Tenants::default());
//! assert!(!gate.knows_issuer("https://elsewhere.example.com"));
//! ```
//!
//! [`Permit`]: crate::policy::Permit

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use crate::answer::Answer;
use crate::directory::{Directory, LookupError, LookupErrorKind};
use crate::identity::Identity;
use crate::policy::{Eligible, Permit, Policy, Refused, screen};
use crate::terms::{Ask, TargetRef, Who};
use crate::time::Timestamp;
use crate::token::Verified;

/// Decides, with one policy and one directory.
pub struct Gate {
    policy: Arc<dyn Policy>,
    directory: Option<Arc<dyn Directory>>,
    tenants: Tenants,
}

/// The configured issuers, each with the tenant of its people where that is the same for all.
pub type Tenants = HashMap<Arc<str>, Option<Arc<str>>>;

/// Why the gate stays shut.
#[derive(Debug)]
#[non_exhaustive]
pub enum Refusal {
    /// Somebody decided so.
    Denied(Box<Refused>),
    /// The directory could not be asked, or gave somebody else than it was asked for.
    Unavailable(LookupError),
}

impl From<Box<Refused>> for Refusal {
    fn from(refused: Box<Refused>) -> Self {
        Self::Denied(refused)
    }
}

type Admission = Result<Permit, Refusal>;

impl Gate {
    /// A gate for these issuers.
    #[must_use]
    pub fn new(
        policy: Arc<dyn Policy>,
        directory: Option<Arc<dyn Directory>>,
        tenants: Tenants,
    ) -> Self {
        Self {
            policy,
            directory,
            tenants,
        }
    }

    /// Whether people of this issuer can be targets.
    #[must_use]
    pub fn knows_issuer(&self, issuer: &str) -> bool {
        self.tenants.contains_key(issuer)
    }

    /// Decides whether `actor` gets what it asks for.
    ///
    /// It is here at once unless the directory has to wait.
    pub fn admit(
        self: &Arc<Self>,
        actor: Verified<Identity>,
        ask: Ask,
        now: Timestamp,
    ) -> Answer<Admission> {
        let eligible = match screen(&*self.policy, actor, ask, now) {
            Ok(eligible) => eligible,
            Err(refused) => return Answer::now(Err(refused.into())),
        };
        let gate = Arc::clone(self);
        self.know_actor(eligible, now)
            .then(move |eligible| match eligible {
                Ok(eligible) => gate.find(eligible, now),
                Err(refusal) => Answer::now(Err(refusal)),
            })
    }

    /// Asks the directory for the actor, where the policy needs a fact that no token tells.
    fn know_actor(
        self: &Arc<Self>,
        eligible: Eligible,
        now: Timestamp,
    ) -> Answer<Result<Eligible, Refusal>> {
        let key = eligible.actor().key();
        let Some(directory) = &self.directory else {
            return Answer::now(Ok(eligible));
        };
        if !eligible.lacks_actor_facts() || !self.knows_issuer(key.issuer()) {
            return Answer::now(Ok(eligible));
        }
        let wanted = TargetRef::from(key);
        let gate = Arc::clone(self);
        directory.find(&wanted).map(move |found| match found {
            Ok(found) => {
                let found = Self::vet(found, &wanted)?;
                Ok(eligible.with_actor_facts(&*gate.policy, &found, now)?)
            }
            Err(error) if error.kind() == LookupErrorKind::Unavailable => {
                Err(Refusal::Unavailable(error))
            }
            // What nobody knows stays unknown, and the second step denies it.
            Err(_) => Ok(eligible),
        })
    }

    fn find(self: &Arc<Self>, eligible: Eligible, now: Timestamp) -> Answer<Admission> {
        let Some(wanted) = eligible.wanted() else {
            return Answer::now(
                eligible
                    .decide_role(&*self.policy, now)
                    .map_err(Refusal::from),
            );
        };
        if !self.knows_issuer(wanted.issuer()) {
            return Answer::now(Err(eligible.refuse("unknown_issuer").into()));
        }
        match eligible.ask().vouched().cloned() {
            Some(target) => self.decide_vouched(eligible, target, now),
            None => self.look_up(eligible, now),
        }
    }

    /// The target's own token is at hand: the directory only fills gaps.
    fn decide_vouched(
        self: &Arc<Self>,
        eligible: Eligible,
        target: Identity,
        now: Timestamp,
    ) -> Answer<Admission> {
        let directory = self
            .directory
            .as_ref()
            .filter(|_| eligible.lacks_target_facts(&*self.policy, &target, now));
        let Some(directory) = directory else {
            return Answer::now(self.decide(eligible, target, now));
        };
        let gate = Arc::clone(self);
        let wanted = TargetRef::from(target.key());
        directory.find(&wanted).map(move |found| match found {
            Ok(found) => {
                let found = Self::vet(found, &wanted)?;
                gate.decide(eligible, target.completed_by(&found), now)
            }
            Err(error) if error.kind() == LookupErrorKind::Unavailable => {
                Err(Refusal::Unavailable(error))
            }
            Err(_) => gate.decide(eligible, target, now),
        })
    }

    fn look_up(self: &Arc<Self>, eligible: Eligible, now: Timestamp) -> Answer<Admission> {
        let Some(wanted) = eligible.wanted() else {
            return Answer::now(Err(eligible.refuse("no_target").into()));
        };
        let Some(directory) = &self.directory else {
            // A trusted token names the target, and nobody is there to know more about it.
            return match wanted.who() {
                Who::Subject(subject) => {
                    let target = Identity::new(wanted.issuer(), &**subject);
                    Answer::now(self.decide(eligible, target, now))
                }
                Who::Name(_) => Answer::now(Err(eligible.refuse("no_directory").into())),
            };
        };
        let gate = Arc::clone(self);
        directory.find(wanted).map(move |found| match found {
            Ok(found) => {
                let Some(wanted) = eligible.wanted() else {
                    return Err(eligible.refuse("no_target").into());
                };
                let found = Self::vet(found, wanted)?;
                gate.decide(eligible, found, now)
            }
            Err(error) => Err(match error.kind() {
                LookupErrorKind::NotFound => eligible.refuse("target_not_found").into(),
                LookupErrorKind::Ambiguous => eligible.refuse("target_ambiguous").into(),
                _ => Refusal::Unavailable(error),
            }),
        })
    }

    /// A directory that gives somebody else than it was asked for is broken.
    fn vet(found: Identity, wanted: &TargetRef) -> Result<Identity, Refusal> {
        let right = match wanted.who() {
            Who::Subject(_) => wanted.is(found.key()),
            Who::Name(_) => found.issuer() == wanted.issuer(),
        };
        if right {
            return Ok(found);
        }
        let wrong = "the directory gave somebody else than it was asked for";
        Err(Refusal::Unavailable(LookupError::unavailable(wrong)))
    }

    fn decide(&self, eligible: Eligible, target: Identity, now: Timestamp) -> Admission {
        let tenant = self.tenants.get(target.issuer()).cloned().flatten();
        let target = match tenant {
            Some(tenant) if target.tenant().is_none() => target.with_tenant(tenant),
            _ => target,
        };
        Ok(eligible.decide(&*self.policy, target, now)?)
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("directory", &self.directory.is_some())
            .finish_non_exhaustive()
    }
}
