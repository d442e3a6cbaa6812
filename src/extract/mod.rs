//! Extractors for axum.
//!
//! | extractor | plain request | impersonated | anonymous | without the layer |
//! |---|---|---|---|---|
//! | [`Principal`] | the caller | the target, or the actor in its role | 401 | 500 |
//! | `Option<Principal>` | `Some` | `Some` | `None` | 500 |
//! | [`Impersonation`] | 409 | who acts, as whom | 409 | 500 |
//! | `Option<Impersonation>` | `None` | `Some` | `None` | 500 |
//! | [`NotImpersonated`] | passes | 403 | passes | 500 |
//!
//! A missing layer is an error for every one of them: a route that forgot the layer must not look
//! like a request that does not impersonate.
//!
//! [`NotImpersonated`] guards what nobody may do in another's name: passwords, second factors, e-mail
//! addresses, payments, API keys. What it refuses is answered by the layer's responder and stands in the
//! audit, as with [`guard`](crate::guard), the layer for groups of routes. It must stand before
//! extractors that read the body.
//!
//! ```
//! use axum::{Router, routing::{get, post}};
//! use tower_impersonate::{Impersonation, Principal, extract::NotImpersonated};
//!
//! async fn me(principal: Principal, impersonation: Option<Impersonation>) -> String {
//!     match impersonation {
//!         None => principal.subject().to_owned(),
//!         Some(i) => format!("{} by {}", principal.subject(), i.actor().subject()),
//!     }
//! }
//!
//! async fn change_password(own: NotImpersonated) -> String {
//!     format!("the password of {} is changed", own.principal().subject())
//! }
//!
//! let app: Router = Router::new().route("/me", get(me)).route("/password", post(change_password));
//!
//! // The layer was forgotten: that is no request without impersonation.
//! # use tower::ServiceExt;
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn check(app: Router) -> Result<(), http::Error> {
//! let request = http::Request::get("/me").body(axum::body::Body::empty())?;
//! assert_eq!(app.oneshot(request).await.unwrap().status(), 500);
//! # Ok(())
//! # }
//! # check(app).unwrap();
//! ```

mod rejection;

pub use self::rejection::{ExtractRejection, GuardRejection};

use axum_core::extract::{FromRequestParts, OptionalFromRequestParts};
use http::request::Parts;

use crate::principal::{Impersonation, Principal};
use crate::rejection::RejectionKind;

/// The request does not impersonate, or the handler does not run.
///
/// An anonymous request passes, in optional mode: who must be somebody takes [`Principal`] beside it.
/// As `Result<NotImpersonated, _>` it records the attempt, and the handler runs.
#[derive(Debug, Clone)]
pub struct NotImpersonated(Principal);

impl NotImpersonated {
    /// Who is there, and nobody else.
    #[must_use]
    pub fn principal(&self) -> &Principal {
        &self.0
    }

    /// Unwraps it.
    #[must_use]
    pub fn into_principal(self) -> Principal {
        self.0
    }
}

impl<S: Sync> FromRequestParts<S> for Principal {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let principal = present(parts)?;
        if principal.is_anonymous() {
            return Err(ExtractRejection::Anonymous);
        }
        Ok(principal.clone())
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Principal {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        let principal = present(parts)?;
        Ok((!principal.is_anonymous()).then(|| principal.clone()))
    }
}

impl<S: Sync> FromRequestParts<S> for Impersonation {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        present(parts)?
            .impersonation()
            .cloned()
            .ok_or(ExtractRejection::NotImpersonating)
    }
}

impl<S: Sync> OptionalFromRequestParts<S> for Impersonation {
    type Rejection = ExtractRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Option<Self>, Self::Rejection> {
        Ok(present(parts)?.impersonation().cloned())
    }
}

impl<S: Sync> FromRequestParts<S> for NotImpersonated {
    type Rejection = GuardRejection;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let principal = present(parts).map_err(|_| GuardRejection::MissingLayer)?;
        match principal.impersonation() {
            None => Ok(Self(principal.clone())),
            Some(impersonation) => {
                let kind = RejectionKind::NotWhileImpersonating;
                let declined = impersonation.decline(kind, parts).await;
                Err(GuardRejection::Declined(declined))
            }
        }
    }
}

fn present(parts: &Parts) -> Result<&Principal, ExtractRejection> {
    parts.extensions.get().ok_or_else(|| {
        tracing::error!(
            target: "impersonation",
            path = parts.uri.path(),
            "no principal in the request's extensions: is the layer around this route?"
        );
        ExtractRejection::MissingLayer
    })
}
