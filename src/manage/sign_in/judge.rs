//! Whether a code is good, and what stands behind a sign-in now.

use std::sync::Arc;
use std::time::Duration;

use subtle::{Choice, ConstantTimeEq};

use crate::answer::Answer;
use crate::gate::Refusal;
use crate::grant::codes::{CodeHash, KeptCode};
use crate::grant::{Grant, StoreError};
use crate::lambda::{Confirm, Confirmed, PoolUser, Proof, Question, Redemption, Step};
use crate::manage::Manage;
use crate::manage::desk::Desk;
use crate::manage::sign_in::taking;
use crate::policy::Permit;
use crate::terms::{Ask, GrantId, Strategy};
use crate::token::Verified;

/// For triggers in the same process, and for the routes.
impl Confirm for Manage {
    fn redeem(&self, redemption: &Redemption) -> Answer<Result<bool, StoreError>> {
        let (desk, redemption) = (Arc::clone(&self.0), redemption.clone());
        Answer::later(async move { desk.redeem(&redemption, &taking::in_process()).await })
    }

    fn confirm(&self, question: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        let (desk, question) = (Arc::clone(&self.0), question.clone());
        Answer::later(async move { desk.confirm(&question).await })
    }
}

impl Desk {
    async fn confirm(&self, question: &Question) -> Result<Option<Confirmed>, StoreError> {
        let user = &question.user;
        let id = match question.proof {
            Proof::Receipt(hash) => match self.signed_in_by(&hash, user, question.step).await? {
                Some(code) => code.grant,
                None => return Ok(None),
            },
            Proof::Grant(id) => id,
        };
        let Some(grant) = self.told(self.grants.find(&id)).await? else {
            return Ok(None);
        };
        // To judge a grant may end it, and asks the directory: not for whoever knows its id.
        let is_own = user.is(grant.actor().key());
        if matches!(question.proof, Proof::Grant(_)) && !is_own {
            return Ok(None);
        }
        let permit = self.still(&grant).await?;
        Ok(permit.and_then(|permit| confirmed(id, &permit)))
    }

    /// The code by which that user signed in. A receipt does not say at which sign-in it is used: only the last
    /// one can be going on.
    async fn signed_in_by(
        &self,
        hash: &CodeHash,
        user: &PoolUser,
        step: Step,
    ) -> Result<Option<KeptCode>, StoreError> {
        let Some(codes) = self.sign_in.get().map(|sign_in| sign_in.codes()) else {
            return Ok(None);
        };
        let found = self.told(codes.find(hash)).await?;
        let found = found.filter(|code| bool::from(is_of(code, hash, user)));
        let Some((taken, code)) = found.and_then(|code| Some((code.taken?, code))) else {
            return Ok(None);
        };
        if step == Step::Refresh {
            return Ok(Some(code));
        }
        let last = self
            .told(codes.last_taken(&code.target, &code.client))
            .await?;
        let is_last = last.is_some_and(|last| bool::from(last.is(hash)));
        let is_recent = self.now() < taken.at.saturating_add(SIGN_IN_TAKES);
        Ok(Some(code).filter(|_| is_last && is_recent))
    }

    /// What the grant allows at this moment; `None` where nothing. It is no use of the grant.
    pub(super) async fn still(&self, grant: &Grant) -> Result<Option<Permit>, StoreError> {
        let issuer = self.minter.issuer_name();
        let actor = Verified::of_grant(grant.actor(), issuer, grant.deadline());
        let ask = Ask::of_grant(*grant.id(), Strategy::Act);
        let decided = self.layer.within(self.gate.still(actor, ask, self.now()));
        match decided.await.map_err(StoreError::unavailable)? {
            Ok(permit) => Ok(Some(permit)),
            Err(Refusal::Denied(_)) => Ok(None),
            Err(Refusal::Unavailable(error)) => Err(StoreError::unavailable(error)),
            Err(Refusal::GrantsUnavailable(error)) => Err(error),
        }
    }

    /// Waits for a store.
    pub(super) async fn told<T>(
        &self,
        asked: Answer<Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let told = self.layer.within(asked).await;
        told.map_err(StoreError::unavailable)?
    }
}

fn confirmed(grant: GrantId, permit: &Permit) -> Option<Confirmed> {
    let target = permit.target()?.key().clone();
    let actor = permit.actor().key().clone();
    let confirmed = Confirmed::new(grant, actor, target, permit.mode());
    Some(match permit.ask().scopes() {
        Some(scopes) => confirmed.with_scopes(scopes.clone()),
        None => confirmed,
    })
}

/// Whether the code was made for that user at that app client: all of it is compared, whatever differs.
pub(super) fn is_of(code: &KeptCode, hash: &CodeHash, user: &PoolUser) -> Choice {
    let same = |one: &str, other: &str| one.as_bytes().ct_eq(other.as_bytes());
    let username = code.username.as_deref().unwrap_or(&user.username);
    code.hash.is(hash)
        & same(code.target.issuer(), &user.issuer)
        & same(code.target.subject(), &user.subject)
        & same(username, &user.username)
        & same(&code.client, &user.client)
}

/// From the taking of a code to its tokens, at the most: Cognito asks for them at once.
const SIGN_IN_TAKES: Duration = Duration::from_secs(5 * 60);
