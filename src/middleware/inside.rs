//! What the routes of this crate need of the layer: the same gate, trail, clock and answers.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use http::Response;
use http::request::Parts;

use crate::audit::Trail;
use crate::browser::Origins;
use crate::gate::{Gate, Refusal};
use crate::measure::{Measurement, RuleKind};
use crate::middleware::ImpersonationLayer;
use crate::middleware::pipeline::kind_of;
use crate::middleware::respond;
use crate::mint::Minter;
use crate::policy::Refused;
use crate::rejection::{DeniedBy, Fault, Rejection, RejectionKind};
use crate::resolve::{self, Requested, Resolution, Resolve};
use crate::time::{Clock, Timestamp};
use crate::token::{Claims, IssuerFacts, TokenError, TokenErrorKind, Verified};

impl ImpersonationLayer {
    /// Gate and trail; `None` where nobody can impersonate.
    pub(crate) fn decision(&self) -> Option<(&Arc<Gate>, &Arc<Trail>)> {
        let decision = self.config.decision.as_ref()?;
        Some((&decision.gate, &decision.trail))
    }

    pub(crate) fn minter(&self) -> Option<&Minter> {
        self.config.minting.minter()
    }

    pub(crate) fn clock(&self) -> &Arc<dyn Clock> {
        &self.config.clock
    }

    pub(crate) fn issuers(&self) -> impl Iterator<Item = &IssuerFacts> {
        self.config.authenticator.issuers()
    }

    /// The cookie that names a grant, and whose pages may have it.
    pub(crate) fn grant_cookie(&self) -> Option<(&str, &Origins)> {
        let mut natures =
            { self.config.strategies.iter() }.map(|listed| listed.strategy().nature());
        natures.find_map(|nature| nature.cookie.zip(nature.origins))
    }

    /// The most characters of a reason.
    pub(crate) fn max_reason(&self) -> usize {
        self.config.settlement.max_reason()
    }

    /// The answer to a rejected request, as the layer itself gives it.
    pub(crate) fn reject(&self, rejection: Rejection, parts: &Parts) -> Response<Bytes> {
        respond::reject(&self.config, rejection, parts)
    }

    /// Waits for a plug-in for as long as the layer does.
    ///
    /// # Errors
    ///
    /// The rejection when that was not long enough.
    pub(crate) async fn within<T>(&self, step: impl Future<Output = T>) -> Result<T, Rejection> {
        let waited = tokio::time::timeout(self.config.deadline, step).await;
        waited.map_err(|_| Rejection::because(RejectionKind::Unavailable, Fault::Deadline))
    }

    /// Records a refusal, and says how it is answered.
    pub(crate) async fn refuse(
        &self,
        refusal: Refusal,
        parts: &Parts,
        now: Timestamp,
    ) -> Rejection {
        match refusal {
            Refusal::Unavailable(error) => Rejection::because(RejectionKind::Unavailable, error),
            Refusal::GrantsUnavailable(error) => {
                Rejection::because(RejectionKind::Unavailable, error)
            }
            Refusal::Denied(refused) => {
                let kind = kind_of(&refused);
                match self.record_denial(&refused, parts, now).await {
                    Ok(()) => Rejection::because(kind, DeniedBy(refused.denial.rule.to_string())),
                    Err(rejection) => rejection,
                }
            }
        }
    }

    /// Records a refusal.
    ///
    /// # Errors
    ///
    /// The rejection to answer with when the audit did not take it.
    pub(crate) async fn record_denial(
        &self,
        refused: &Refused,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<(), Rejection> {
        let rule = RuleKind::of(&refused.denial.rule);
        self.config.measures.tell(|| Measurement::Denial { rule });
        let Some((_, trail)) = self.decision() else {
            return Ok(());
        };
        let written = trail.denied(refused, parts, now);
        let failed = match self.within(written).await {
            Ok(Ok(())) => return Ok(()),
            Ok(Err(error)) => Rejection::because(RejectionKind::Unavailable, error),
            Err(rejection) => rejection,
        };
        self.config.measures.tell(|| Measurement::AuditFailure);
        Err(failed)
    }

    /// What a token says that stands in a body: its claims, and who acts by it as whom, where somebody does.
    /// `None` where it is no good.
    ///
    /// # Errors
    ///
    /// The rejection when nobody can tell, because keys cannot be had.
    pub(crate) async fn read_token(
        &self,
        token: &str,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<Option<(Verified<Claims>, Option<Requested>)>, Rejection> {
        let read = self.config.authenticator.authenticate(token, now).await;
        self.said_by(read, parts).await
    }

    /// What a token that has expired said while it counted. For who ends what stands behind it.
    ///
    /// # Errors
    ///
    /// As [`read_token`](Self::read_token).
    pub(crate) async fn read_expired_token(
        &self,
        token: &str,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<Option<(Verified<Claims>, Option<Requested>)>, Rejection> {
        let authenticator = &self.config.authenticator;
        let read = authenticator.authenticate_expired(token, now).await;
        self.said_by(read, parts).await
    }

    async fn said_by(
        &self,
        read: Result<Verified<Claims>, TokenError>,
        parts: &Parts,
    ) -> Result<Option<(Verified<Claims>, Option<Requested>)>, Rejection> {
        let claims = match read {
            Ok(claims) => claims,
            Err(error) if error.kind() == TokenErrorKind::KeysUnavailable => {
                return Err(Rejection::because(RejectionKind::KeysUnavailable, error));
            }
            Err(_) => return Ok(None),
        };
        if self.config.settlement.inspect_claims(&claims).is_err() {
            return Ok(None);
        }
        let requested = match resolve::act().resolve(&claims, parts).await {
            Resolution::Requested(requested) => Some(requested),
            Resolution::NotRequested => None,
            Resolution::Failed(_) => return Ok(None),
        };
        Ok(Some((claims, requested)))
    }
}
