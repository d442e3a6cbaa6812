//! A code is taken: once, and recorded before it counts.

use http::request::Parts;
use http::{Method, Request, Uri};

use crate::audit::OfGrant;
use crate::grant::StoreError;
use crate::grant::codes::{KeptCode, Taking};
use crate::lambda::Redemption;
use crate::manage::desk::Desk;
use crate::manage::sign_in::judge::is_of;
use crate::policy::Refused;
use crate::time::Timestamp;

/// Where triggers ask that a code is taken.
pub(super) const REDEEM: &str = "/oauth2/sign-in/redeem";

/// The request of triggers in the same process, as the audit tells it.
pub(super) fn in_process() -> Parts {
    let (mut parts, ()) = Request::new(()).into_parts();
    parts.method = Method::POST;
    parts.uri = Uri::from_static(REDEEM);
    parts
}

impl Desk {
    /// Takes the code for that challenge, where everything about it is right.
    pub(in crate::manage) async fn redeem(
        &self,
        redemption: &Redemption,
        parts: &Parts,
    ) -> Result<bool, StoreError> {
        let now = self.now();
        let Some(codes) = self.sign_in.get().map(|sign_in| sign_in.codes()) else {
            return Ok(false);
        };
        let found = self.told(codes.find(&redemption.code)).await?;
        let fits = |code: &KeptCode| bool::from(is_of(code, &redemption.code, &redemption.user));
        let Some(code) = found.filter(fits) else {
            return Ok(false);
        };
        let by_this = |taken: Taking| taken.challenge == redemption.challenge;
        let before = code.taken.map(by_this);
        // That somebody else took it is worth a record for as long as that is known.
        if before != Some(false) && now >= code.expires_at {
            return Ok(false);
        }
        let Some(grant) = self.told(self.grants.find(&code.grant)).await? else {
            return Ok(false);
        };
        let Some(permit) = self.still(&grant).await? else {
            return Ok(false);
        };
        match before {
            // Cognito may ask twice for one challenge.
            Some(true) => return Ok(true),
            Some(false) => return self.taken_before(&permit.refuse(TAKEN), parts, now).await,
            None => {}
        }
        let step = OfGrant::Issues {
            client: Some(&code.client),
        };
        let written = self.trail.of_grant(step, permit, parts, now);
        let written = self.layer.within(written).await;
        let recorded = { written.map_err(StoreError::unavailable)? };
        let recorded = recorded.map_err(StoreError::unavailable)?;
        let taking = Taking {
            challenge: redemption.challenge,
            at: now,
        };
        // The first one stays.
        match self.told(codes.take(&redemption.code, taking)).await? {
            Some(taken) if by_this(taken) => Ok(true),
            Some(_) => {
                let refused = recorded.permit().refuse(TAKEN);
                self.taken_before(&refused, parts, now).await
            }
            None => Ok(false),
        }
    }

    /// Either the actor answers twice, or somebody else had the code.
    async fn taken_before(
        &self,
        refused: &Refused,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<bool, StoreError> {
        tracing::warn!(
            target: "impersonation",
            sub = %refused.actor.subject(),
            iss = %refused.actor.issuer(),
            "a sign-in code that was taken before was answered again"
        );
        let written = self.layer.record_denial(refused, parts, now).await;
        written.map_err(StoreError::unavailable)?;
        Ok(false)
    }
}

const TAKEN: &str = "sign_in_code_taken";
