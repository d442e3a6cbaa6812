//! Who calls a route with a bearer token.

use axum::response::Response;
use http::StatusCode;

use crate::grant::Grant;
use crate::identity::{Identity, IdentityKey};
use crate::manage::desk::Desk;
use crate::manage::http::{At, Problem};
use crate::policy::Refused;
use crate::principal::{Impersonation, Principal};
use crate::rejection::{Rejection, RejectionKind};
use crate::terms::GrantId;
use crate::token::Verified;

/// The real sender of a request, and the impersonation by which it comes, if by one.
pub(super) struct Caller {
    pub(super) actor: Verified<Identity>,
    impersonation: Option<Impersonation>,
}

impl Caller {
    /// Whoever the layer let in, impersonating or not.
    pub(super) fn any(desk: &Desk, at: &At) -> Result<Self, Box<Response>> {
        let principal = at.parts.extensions.get::<Principal>();
        let actor = principal.and_then(Principal::verified_actor);
        let Some((principal, actor)) = principal.zip(actor) else {
            let rejection = Rejection::new(RejectionKind::MissingCredential);
            return Err(desk.reject(rejection, &at.parts));
        };
        Ok(Self {
            actor,
            impersonation: principal.impersonation().cloned(),
        })
    }

    /// Somebody who comes as itself.
    pub(super) async fn itself(desk: &Desk, at: &At) -> Result<Self, Box<Response>> {
        let caller = Self::any(desk, at)?;
        match caller.refused_as_impersonated() {
            None => Ok(caller),
            Some(refused) => Err(desk.refuse(refused, &at.parts, at.now).await),
        }
    }

    /// Somebody who comes as itself; for a route that would begin another impersonation.
    pub(super) async fn not_nested(desk: &Desk, at: &At) -> Result<Self, Box<Response>> {
        let caller = Self::any(desk, at)?;
        let Some(mut refused) = caller.refused_as_impersonated() else {
            return Ok(caller);
        };
        refused.denial.rule = "nested".into();
        let problem = Problem::new(StatusCode::CONFLICT, RejectionKind::Nested.description());
        Err(desk.conflict(&refused, problem, &at.parts, at.now).await)
    }

    /// Somebody who comes as itself, or by that grant.
    pub(super) async fn itself_or_by(
        desk: &Desk,
        at: &At,
        id: &GrantId,
    ) -> Result<Self, Box<Response>> {
        let caller = Self::any(desk, at)?;
        let by = caller
            .impersonation
            .as_ref()
            .and_then(Impersonation::grant_id);
        match caller.refused_as_impersonated() {
            Some(refused) if by != Some(id) => Err(desk.refuse(refused, &at.parts, at.now).await),
            _ => Ok(caller),
        }
    }

    pub(super) fn key(&self) -> &IdentityKey {
        self.actor.key()
    }

    /// Whether the grant is its own.
    pub(super) fn owns(&self, grant: &Grant) -> bool {
        grant.actor().key() == self.key()
    }

    /// Whether the grant is on itself.
    pub(super) fn is_target_of(&self, grant: &Grant) -> bool {
        grant.target().key() == self.key()
    }

    fn refused_as_impersonated(&self) -> Option<Box<Refused>> {
        let ask = self.impersonation.as_ref()?.ask().clone();
        let mut refused = Refused::unasked(self.actor.clone(), "impersonating", Some(ask));
        refused.target = { self.impersonation.as_ref() }
            .and_then(Impersonation::target)
            .cloned();
        Some(Box::new(refused))
    }
}
