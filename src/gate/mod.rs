//! The one decision, without HTTP.
//!
//! Screen the actor, find the target, decide about the pair: whoever lets somebody act as somebody
//! else goes through [`Gate::admit`]. Nothing is looked up on behalf of an actor whom the policy
//! denies anyway, and nobody at an unknown issuer or in another tenant is. What a caller can learn
//! from the answers is the same for a target that is missing, disabled, ambiguous or forbidden.
//!
//! The directory, where there is one, is asked for the actor, which must not be disabled, and for
//! the target, also where the target's own token is at hand; it must say that the target is enabled.
//!
//! Under a grant the question is whether what was decided at its start still holds: the grant must be
//! alive and theirs, and the same policy is asked again with what the directory knows now. Whatever has
//! changed ends the grant.
//!
//! A [`Permit`] is not yet the right to do anything: it becomes one when the audit took it.
//!
//! ```
//! use std::sync::Arc;
//! use tower_impersonate::{directory, policy, Identity};
//! use tower_impersonate::gate::{Gate, Tenants};
//!
//! let alice = Identity::new("https://issuer.example.com", "alice-sub").enabled_account();
//! let users = directory::memory([alice]);
//! let gate = Gate::new(Arc::new(policy::in_group("support")), Some(Arc::new(users)), Tenants::default());
//! assert!(!gate.knows_issuer("https://elsewhere.example.com"));
//! ```
//!
//! [`Permit`]: crate::policy::Permit

mod granted;
mod live;
#[cfg(feature = "manage")]
mod rights;
#[cfg(test)]
mod tests;

pub use self::live::Live;

use self::granted::Use;

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::answer::Answer;
use crate::directory::{Directory, LookupError, LookupErrorKind};
use crate::grant::{GrantSource, StoreError};
use crate::identity::{Affiliation, Identity};
use crate::policy::{Eligible, Permit, Policy, Refused, screen};
use crate::terms::{Ask, Strategy, TargetRef, Who};
use crate::time::Timestamp;
use crate::token::Verified;

/// Decides, with one policy and one directory.
pub struct Gate {
    policy: Arc<dyn Policy>,
    directory: Option<Arc<dyn Directory>>,
    tenants: HashMap<Arc<str>, Option<Arc<str>>, RandomState>,
    grants: Option<GrantSource>,
    /// Whose tokens may name a grant that is kept here.
    grant_issuers: HashSet<Arc<str>>,
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
    /// Nobody could say whether the grant is alive.
    GrantsUnavailable(StoreError),
}

impl From<Box<Refused>> for Refusal {
    fn from(refused: Box<Refused>) -> Self {
        Self::Denied(refused)
    }
}

type Admission = Result<Permit, Refusal>;

/// Whether an actor and the people of an issuer can be of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// They can, or no tenant holds it back.
    Known,
    /// The actor's tenant is not known yet: the directory may say.
    Unknown,
}

const WRONG_PERSON: &str = "the directory gave somebody else than it was asked for";

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
            tenants: tenants.into_iter().collect(),
            grants: None,
            grant_issuers: HashSet::new(),
        }
    }

    /// Where it asks whether grants are alive.
    #[must_use]
    pub fn with_grants(mut self, grants: GrantSource) -> Self {
        self.grants = Some(grants);
        self
    }

    /// Whose tokens may be of a grant that is kept here, by their canonical names; nobody's otherwise.
    #[must_use]
    pub fn with_grant_issuers(mut self, issuers: impl IntoIterator<Item = Arc<str>>) -> Self {
        self.grant_issuers.extend(issuers);
        self
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
        if let Some(id) = ask.grant().copied() {
            return self.admit_granted(actor, ask, id, (now, Use::Request));
        }
        let eligible = match screen(&*self.policy, actor, ask, now) {
            Ok(eligible) => eligible,
            Err(refused) => return Answer::now(Err(refused.into())),
        };
        match self.reach(&eligible) {
            Ok(reach) => self.know_actor(eligible, reach, now),
            Err(rule) => Answer::now(Err(eligible.refuse(rule).into())),
        }
    }

    /// Asks the directory for the actor: no token tells whether it is still enabled, and perhaps the
    /// policy needs more.
    fn know_actor(
        self: &Arc<Self>,
        eligible: Eligible,
        reach: Reach,
        now: Timestamp,
    ) -> Answer<Admission> {
        let key = eligible.actor().key();
        let is_known = |issuer| {
            // Where the target is to be found, it was asked before.
            { eligible.wanted() }.is_some_and(|wanted| wanted.issuer() == issuer)
                || self.knows_issuer(issuer)
        };
        let directory = { self.directory.as_ref() }.filter(|_| is_known(key.issuer()));
        let Some(directory) = directory else {
            return self.find(eligible, reach, now);
        };
        match directory.find_person(key).try_now() {
            Ok(found) => self.knowing_actor(eligible, reach, found, now),
            Err(later) => {
                let gate = Arc::clone(self);
                later.then(move |found| gate.knowing_actor(eligible, reach, found, now))
            }
        }
    }

    /// Whom the directory does not know stays as the token says: a central staff need not stand in the
    /// directory of the customers.
    fn knowing_actor(
        self: &Arc<Self>,
        eligible: Eligible,
        reach: Reach,
        found: Result<Identity, LookupError>,
        now: Timestamp,
    ) -> Answer<Admission> {
        let completed = match found {
            Ok(found) if found.key() == eligible.actor().key() => {
                { eligible.with_actor_facts(&*self.policy, found, now) }.map_err(Refusal::from)
            }
            Ok(_) => Err(wrong_person()),
            Err(error) => match error.kind() {
                LookupErrorKind::Unavailable => Err(Refusal::Unavailable(error)),
                LookupErrorKind::Ambiguous => Err(eligible.refuse("actor_ambiguous").into()),
                LookupErrorKind::NotFound => Ok(eligible),
            },
        };
        match completed {
            Ok(eligible) => self.find(eligible, reach, now),
            Err(refusal) => Answer::now(Err(refusal)),
        }
    }

    fn find(
        self: &Arc<Self>,
        eligible: Eligible,
        reach: Reach,
        now: Timestamp,
    ) -> Answer<Admission> {
        if eligible.wanted().is_none() {
            let decided = eligible.decide_role(&*self.policy, now);
            return Answer::now(decided.map_err(Refusal::from));
        }
        if reach == Reach::Unknown {
            if let Err(rule) = self.reach(&eligible) {
                return Answer::now(Err(eligible.refuse(rule).into()));
            }
        }
        match eligible.ask().vouched().cloned() {
            Some(target) => self.decide_vouched(eligible, target, now),
            None => self.look_up(eligible, now),
        }
    }

    /// Whether somebody at the target's issuer can be had at all. Asked before every look-up, so that
    /// nobody learns, not even from the clock, whom another tenant knows.
    fn reach(&self, eligible: &Eligible) -> Result<Reach, &'static str> {
        let Some(wanted) = eligible.wanted() else {
            return Ok(Reach::Known);
        };
        let tenant = { self.tenants.get(wanted.issuer()) }.ok_or("unknown_issuer")?;
        if eligible.actor().affiliation() == Affiliation::Staff {
            return Ok(Reach::Known);
        }
        match (eligible.actor().tenant(), tenant.as_deref()) {
            (Some(own), Some(other)) if own != other => Err("tenant"),
            (None, Some(_)) => Ok(Reach::Unknown),
            _ => Ok(Reach::Known),
        }
    }

    /// The target's own token is at hand. The directory, where there is one, says whether it is
    /// enabled, and fills the gaps.
    fn decide_vouched(
        self: &Arc<Self>,
        eligible: Eligible,
        target: Identity,
        now: Timestamp,
    ) -> Answer<Admission> {
        if self.directory.is_none() {
            return Answer::now(self.decide(eligible, target.enabled_account(), now));
        }
        let complete = move |found: Identity| target.completed_by(found);
        self.decide_found(eligible, now, complete)
    }

    fn look_up(self: &Arc<Self>, eligible: Eligible, now: Timestamp) -> Answer<Admission> {
        if self.directory.is_some() {
            return self.decide_found(eligible, now, |found| found);
        }
        // A trusted token names the target, and nobody is there to know more about it.
        let named = match eligible
            .wanted()
            .map(|wanted| (wanted.issuer(), wanted.who()))
        {
            Some((issuer, Who::Subject(sub))) if eligible.ask().strategy() == Strategy::Claim => {
                Some(Identity::new(issuer, Arc::clone(sub)).enabled_account())
            }
            _ => None,
        };
        Answer::now(match named {
            Some(target) => self.decide(eligible, target, now),
            None => Err(eligible.refuse("no_directory").into()),
        })
    }

    /// Decides about whom the directory finds, once `complete` has added what else is known.
    fn decide_found(
        self: &Arc<Self>,
        eligible: Eligible,
        now: Timestamp,
        complete: impl FnOnce(Identity) -> Identity + Send + 'static,
    ) -> Answer<Admission> {
        let (Some(directory), Some(wanted)) = (&self.directory, eligible.wanted()) else {
            return Answer::now(Err(eligible.refuse("no_directory").into()));
        };
        match directory.find(wanted).try_now() {
            Ok(found) => Answer::now(self.decide_as_found(eligible, found, now, complete)),
            Err(later) => {
                let gate = Arc::clone(self);
                later.map(move |found| gate.decide_as_found(eligible, found, now, complete))
            }
        }
    }

    fn decide_as_found(
        &self,
        eligible: Eligible,
        found: Result<Identity, LookupError>,
        now: Timestamp,
        complete: impl FnOnce(Identity) -> Identity,
    ) -> Admission {
        let error = match found {
            Ok(found) if { eligible.wanted() }.is_some_and(|wanted| fits(&found, wanted)) => {
                return self.decide(eligible, complete(found), now);
            }
            Ok(_) => {
                // Told apart from nobody, it would tell that there is somebody of nearly that name.
                tracing::error!(target: "impersonation", "{WRONG_PERSON}");
                return Err(eligible.refuse("target_not_found").into());
            }
            Err(error) => error,
        };
        Err(match error.kind() {
            LookupErrorKind::NotFound => eligible.refuse("target_not_found").into(),
            LookupErrorKind::Ambiguous => eligible.refuse("target_ambiguous").into(),
            LookupErrorKind::Unavailable => Refusal::Unavailable(error),
        })
    }

    fn decide(&self, eligible: Eligible, target: Identity, now: Timestamp) -> Admission {
        let tenant = match target.tenant() {
            Some(_) => None,
            None => self.tenants.get(target.issuer()).and_then(Option::as_ref),
        };
        let target = match tenant {
            Some(tenant) => target.in_tenant_of_issuer(Arc::clone(tenant)),
            None => target,
        };
        Ok(eligible.decide(&*self.policy, target, now)?)
    }
}

/// A directory that gives somebody else than it was asked for is broken.
fn wrong_person() -> Refusal {
    Refusal::Unavailable(LookupError::unavailable(WRONG_PERSON))
}

fn fits(found: &Identity, wanted: &TargetRef) -> bool {
    match wanted.who() {
        Who::Subject(_) => wanted.is(found.key()),
        Who::Name(_) => found.issuer() == wanted.issuer(),
    }
}

impl fmt::Debug for Gate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gate")
            .field("directory", &self.directory.is_some())
            .finish_non_exhaustive()
    }
}
