//! Whether a code is good, and what stands behind a sign-in now.

use std::sync::Arc;
use std::time::Duration;

use subtle::{Choice, ConstantTimeEq};

use crate::answer::Answer;
use crate::gate::Refusal;
use crate::grant::StoreError;
use crate::grant::codes::{CodeHash, KeptCode, Taking};
use crate::lambda::{Confirm, Confirmed, PoolUser, Proof, Question, Redemption, Step};
use crate::manage::Manage;
use crate::manage::desk::Desk;
use crate::policy::Permit;
use crate::terms::{Ask, GrantId, Strategy};
use crate::token::Verified;

/// For triggers in the same process, and for the routes.
impl Confirm for Manage {
    fn redeem(&self, redemption: &Redemption) -> Answer<Result<bool, StoreError>> {
        let (desk, redemption) = (Arc::clone(&self.0), redemption.clone());
        Answer::later(async move { desk.redeem(&redemption).await })
    }

    fn confirm(&self, question: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        let (desk, question) = (Arc::clone(&self.0), question.clone());
        Answer::later(async move { desk.confirm(&question).await })
    }
}

impl Desk {
    async fn redeem(&self, redemption: &Redemption) -> Result<bool, StoreError> {
        let now = self.now();
        let Some(codes) = self.sign_in.get().map(|sign_in| sign_in.codes()) else {
            return Ok(false);
        };
        let found = self.told(codes.find(&redemption.code)).await?;
        let fits = |code: &KeptCode| {
            bool::from(is_of(code, &redemption.code, &redemption.user)) && now < code.expires_at
        };
        let Some(code) = found.filter(fits) else {
            return Ok(false);
        };
        if self.still(&code.grant).await?.is_none() {
            return Ok(false);
        }
        let taking = Taking {
            challenge: redemption.challenge,
            at: now,
        };
        let taken = self.told(codes.take(&redemption.code, taking)).await?;
        // The first one stays; Cognito may ask twice for one challenge.
        Ok(taken.is_some_and(|taken| taken.challenge == redemption.challenge))
    }

    async fn confirm(&self, question: &Question) -> Result<Option<Confirmed>, StoreError> {
        let user = &question.user;
        match question.proof {
            Proof::Receipt(hash) => match self.signed_in_by(&hash, user, question.step).await? {
                Some(code) => self.still(&code.grant).await,
                None => Ok(None),
            },
            Proof::Grant(id) => {
                let confirmed = self.still(&id).await?;
                Ok(confirmed.filter(|confirmed| user.is(confirmed.actor())))
            }
        }
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
    async fn still(&self, id: &GrantId) -> Result<Option<Confirmed>, StoreError> {
        let Some(grant) = self.told(self.grants.find(id)).await? else {
            return Ok(None);
        };
        let issuer = self.minter.issuer_name();
        let actor = Verified::of_grant(grant.actor(), issuer, grant.deadline());
        let ask = Ask::of_grant(*id, Strategy::Act);
        let decided = self.layer.within(self.gate.still(actor, ask, self.now()));
        match decided.await.map_err(StoreError::unavailable)? {
            Ok(permit) => Ok(confirmed(*id, &permit)),
            Err(Refusal::Denied(_)) => Ok(None),
            Err(Refusal::Unavailable(error)) => Err(StoreError::unavailable(error)),
            Err(Refusal::GrantsUnavailable(error)) => Err(error),
        }
    }

    /// Waits for a store.
    async fn told<T>(&self, asked: Answer<Result<T, StoreError>>) -> Result<T, StoreError> {
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
fn is_of(code: &KeptCode, hash: &CodeHash, user: &PoolUser) -> Choice {
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
