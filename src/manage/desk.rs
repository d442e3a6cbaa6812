//! What all routes share.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::request::Parts;

use crate::audit::Trail;
use crate::gate::{Gate, Refusal};
use crate::grant::{Grant, Grants, StoreError};
use crate::identity::{Identity, IdentityKey};
use crate::manage::caught::caught;
use crate::manage::client::Clients;
use crate::manage::http::Problem;
use crate::manage::rate::RateLimit;
use crate::manage::sign_in::Offered;
use crate::middleware::ImpersonationLayer;
use crate::mint::Minter;
use crate::policy::{Refused, Right, Rule};
use crate::rejection::{Rejection, RejectionKind};
use crate::terms::GrantId;
use crate::time::Timestamp;
use crate::token::Verified;

pub(super) struct Desk {
    pub(super) layer: ImpersonationLayer,
    pub(super) gate: Arc<Gate>,
    pub(super) trail: Arc<Trail>,
    pub(super) grants: Grants,
    pub(super) minter: Minter,
    /// At which issuer usernames are looked for.
    pub(super) users_at: Arc<str>,
    pub(super) rights: HashMap<Right, Rule>,
    pub(super) clients: Clients,
    pub(super) starts: RateLimit<IdentityKey>,
    /// By the name of the app client.
    pub(super) failures: RateLimit<String>,
    pub(super) sign_in: Offered,
    /// The path under which the routes are mounted, behind the issuer's.
    pub(super) path: String,
    /// The OpenAPI document, once somebody asked for it.
    pub(super) document: OnceLock<Option<Bytes>>,
}

impl Desk {
    pub(super) fn now(&self) -> Timestamp {
        self.layer.clock().now()
    }

    pub(super) fn monotonic(&self) -> Duration {
        self.layer.clock().monotonic()
    }

    /// Waits for a plug-in.
    pub(super) async fn within<T>(
        &self,
        step: impl Future<Output = T>,
        parts: &Parts,
    ) -> Result<T, Box<Response>> {
        let waited = self.layer.within(step).await;
        waited.map_err(|rejection| self.reject(rejection, parts))
    }

    /// Waits for the store.
    pub(super) async fn stored<T>(
        &self,
        step: impl Future<Output = Result<T, StoreError>>,
        parts: &Parts,
    ) -> Result<T, Box<Response>> {
        let stored = self.within(step, parts).await?;
        stored.map_err(|error| {
            self.reject(Rejection::because(RejectionKind::Unavailable, error), parts)
        })
    }

    /// The grant of that id, as the store says; one that panics says nothing.
    pub(super) async fn found(
        &self,
        id: &GrantId,
        parts: &Parts,
    ) -> Result<Option<Grant>, Box<Response>> {
        let asking = async { self.grants.find(id).await };
        let found = caught(self.stored(asking, parts)).await;
        found.unwrap_or_else(|| {
            let error = StoreError::unavailable("the store panicked");
            Err(self.reject(Rejection::because(RejectionKind::Unavailable, error), parts))
        })
    }

    pub(super) fn reject(&self, rejection: Rejection, parts: &Parts) -> Box<Response> {
        Box::new(self.layer.reject(rejection, parts).map(Body::from))
    }

    /// Records what the gate refused, and answers as the layer does.
    pub(super) async fn refuse(
        &self,
        refusal: impl Into<Refusal>,
        parts: &Parts,
        now: Timestamp,
    ) -> Box<Response> {
        let rejection = self.layer.refuse(refusal.into(), parts, now).await;
        self.reject(rejection, parts)
    }

    /// Records a conflict between an actor's grants, and tells it.
    pub(super) async fn conflict(
        &self,
        refused: &Refused,
        problem: Problem,
        parts: &Parts,
        now: Timestamp,
    ) -> Box<Response> {
        match self.layer.record_denial(refused, parts, now).await {
            Ok(()) => problem.into(),
            Err(rejection) => self.reject(rejection, parts),
        }
    }

    /// Whether the actor has the right; asked without a word to anybody.
    pub(super) async fn may(
        &self,
        actor: &Verified<Identity>,
        right: Right,
        now: Timestamp,
    ) -> Result<(), Refusal> {
        let rule = self.rights.get(&right);
        let asking = async {
            let asked = self.gate.may(actor.clone(), right, rule, now);
            self.layer.within(asked).await
        };
        let error = match caught(asking).await {
            Some(Ok(asked)) => return asked,
            // Whoever may end grants by its token alone does not wait for a directory.
            _ if right == Right::GrantsRevoke => {
                return crate::policy::holds(right, rule, actor.clone(), now)
                    .map_err(Refusal::from);
            }
            Some(Err(rejection)) => StoreError::unavailable(rejection),
            None => StoreError::unavailable("a plug-in panicked"),
        };
        Err(Refusal::GrantsUnavailable(error))
    }

    /// The actor has the right, or is told that it has not.
    pub(super) async fn demand(
        &self,
        actor: &Verified<Identity>,
        right: Right,
        parts: &Parts,
        now: Timestamp,
    ) -> Result<(), Box<Response>> {
        match self.may(actor, right, now).await {
            Ok(()) => Ok(()),
            Err(refusal) => Err(self.refuse(refusal, parts, now).await),
        }
    }
}

/// So often for this minute.
pub(super) fn too_many(wait: Duration) -> Box<Response> {
    let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    Problem::new(
        StatusCode::TOO_MANY_REQUESTS,
        "too many requests in this minute",
    )
    .retry_after(seconds)
    .into()
}
