use std::fmt;
use std::sync::Arc;

use crate::answer::Answer;
use crate::grant::StoreError;
use crate::grant::codes::{ChallengeId, CodeHash};
use crate::identity::{IdentityKey, Names};
use crate::terms::{GrantId, Mode};

/// Whoever keeps codes and grants: the service itself (`Manage`, with the feature `manage`), or what asks it over
/// HTTP (`remote`, with the feature `jwks`).
pub trait Confirm: Send + Sync {
    /// Takes the code for that challenge, if everything about it is right. Asked again for the same
    /// challenge, the answer is the same; for another one a code that was taken is no good.
    fn redeem(&self, redemption: &Redemption) -> Answer<Result<bool, StoreError>>;

    /// What stands behind the proof now: the grant is alive, policy and directory allow it at this moment,
    /// and it is the user's own. `None` for anything else.
    fn confirm(&self, question: &Question) -> Answer<Result<Option<Confirmed>, StoreError>>;
}

impl<C: Confirm + ?Sized> Confirm for Arc<C> {
    fn redeem(&self, redemption: &Redemption) -> Answer<Result<bool, StoreError>> {
        (**self).redeem(redemption)
    }

    fn confirm(&self, question: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        (**self).confirm(question)
    }
}

/// An answer to a challenge.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Redemption {
    /// What was answered.
    pub code: CodeHash,
    /// The run of the challenge.
    pub challenge: ChallengeId,
    /// Who signs in.
    pub user: PoolUser,
}

/// What a token is asked to say.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Question {
    /// What is said to stand behind it.
    pub proof: Proof,
    /// Whose token it will be.
    pub user: PoolUser,
    /// At which step.
    pub step: Step,
}

/// By what a token is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Step {
    /// A sign-in that ends now.
    SignIn,
    /// A refresh token, of a sign-in before.
    Refresh,
}

/// What a sign-in goes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Proof {
    /// A code that was taken: the user is the target. At a sign-in it counts for the code that was taken last for that
    /// target at that app client, and not for long: whoever knows another receipt has not signed in by it.
    Receipt(CodeHash),
    /// A grant: the user is the actor.
    Grant(GrantId),
}

/// A user of a pool at one of its app clients, as an event tells it.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct PoolUser {
    /// The pool's issuer, in its original form.
    pub issuer: String,
    /// Its `sub`; the id of the app client for a machine.
    pub subject: String,
    /// Its username.
    pub username: String,
    /// The app client.
    pub client: String,
}

impl PoolUser {
    /// Somebody, to ask a [`Confirm`] about.
    pub fn new(
        issuer: impl Into<String>,
        subject: impl Into<String>,
        username: impl Into<String>,
        client: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
            username: username.into(),
            client: client.into(),
        }
    }

    /// Whether it is that one.
    pub(crate) fn is(&self, key: &IdentityKey) -> bool {
        key.issuer() == self.issuer && key.subject() == self.subject
    }
}

impl Redemption {
    /// That answer, to that challenge, by that user.
    #[must_use]
    pub fn new(code: CodeHash, challenge: ChallengeId, user: PoolUser) -> Self {
        Self {
            code,
            challenge,
            user,
        }
    }
}

impl Question {
    /// What may the token of that user say, by that proof, as its sign-in ends?
    #[must_use]
    pub fn new(proof: Proof, user: PoolUser) -> Self {
        Self {
            proof,
            user,
            step: Step::SignIn,
        }
    }

    /// At that step.
    #[must_use]
    pub fn at(self, step: Step) -> Self {
        Self { step, ..self }
    }
}

/// A grant that is alive, and whose it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Confirmed {
    pub(crate) grant: GrantId,
    pub(crate) actor: IdentityKey,
    pub(crate) target: IdentityKey,
    pub(crate) mode: Mode,
    pub(crate) scopes: Option<Names>,
}

impl Confirmed {
    /// The actor may act as the target under that grant, as far as the mode says.
    #[must_use]
    pub fn new(grant: GrantId, actor: IdentityKey, target: IdentityKey, mode: Mode) -> Self {
        Self {
            grant,
            actor,
            target,
            mode,
            scopes: None,
        }
    }

    /// With these scopes alone.
    #[must_use]
    pub fn with_scopes(mut self, scopes: impl Into<Names>) -> Self {
        self.scopes = Some(scopes.into());
        self
    }

    /// The grant.
    #[must_use]
    pub fn grant(&self) -> &GrantId {
        &self.grant
    }

    /// Who acts.
    #[must_use]
    pub fn actor(&self) -> &IdentityKey {
        &self.actor
    }

    /// As whom.
    #[must_use]
    pub fn target(&self) -> &IdentityKey {
        &self.target
    }

    /// How far.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// With which scopes alone; `None` where the grant names none.
    #[must_use]
    pub fn scopes(&self) -> Option<&Names> {
        self.scopes.as_ref()
    }
}

impl fmt::Debug for PoolUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolUser")
            .field("issuer", &self.issuer)
            .field("subject", &self.subject)
            .field("client", &self.client)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for Confirmed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Confirmed")
            .field("grant", &self.grant)
            .field("actor", &self.actor)
            .field("target", &self.target)
            .field("mode", &self.mode)
            .finish_non_exhaustive()
    }
}
