//! From what was permitted to a token, by way of the audit.

use axum::response::Response;

use http::request::Parts;

use crate::audit::{OfGrant, Recorded};
use crate::manage::desk::Desk;
use crate::manage::http::Problem;
use crate::mint::{MintError, MintErrorKind, MintRequest, Minted};
use crate::policy::{Denial, Permit, Refused};
use crate::rejection::{Rejection, RejectionKind};
use crate::time::Timestamp;

/// Records it; what the audit does not take does not happen.
pub(super) async fn record(
    desk: &Desk,
    step: OfGrant<'_>,
    permit: Permit,
    parts: &Parts,
    now: Timestamp,
) -> Result<Recorded, Box<Response>> {
    let written = desk.trail.of_grant(step, permit, parts, now);
    desk.within(written, parts)
        .await?
        .map_err(|error| desk.reject(Rejection::because(RejectionKind::Unavailable, error), parts))
}

/// What was recorded did not come to be, for that reason.
pub(super) fn undone(recorded: &Recorded, rule: &'static str) -> Refused {
    let permit = recorded.permit();
    Refused {
        denial: Denial::by(rule),
        actor: permit.actor().clone(),
        ask: Some(permit.ask().clone()),
        target: permit.target().cloned(),
    }
}

/// A token that ends with the grant at the latest.
pub(super) fn token(
    desk: &Desk,
    recorded: &Recorded,
    audience: Option<String>,
    not_after: Timestamp,
    now: Timestamp,
) -> Result<Minted, MintError> {
    desk.minter
        .mint(recorded, &request(audience, not_after, now))
}

pub(super) fn request(
    audience: Option<String>,
    not_after: Timestamp,
    now: Timestamp,
) -> MintRequest {
    let request = MintRequest::new(now).not_after(not_after);
    match audience {
        Some(audience) => request.audience(audience),
        None => request,
    }
}

pub(super) fn failed(desk: &Desk, error: MintError, parts: &Parts) -> Box<Response> {
    match error.kind() {
        MintErrorKind::Expired => expired(desk, parts),
        _ => desk.reject(Rejection::because(RejectionKind::Unavailable, error), parts),
    }
}

/// The actor's own token is at its end.
pub(super) fn expired(desk: &Desk, parts: &Parts) -> Box<Response> {
    desk.reject(Rejection::new(RejectionKind::InvalidToken), parts)
}

/// Whether tokens are made for that service; without a name, whether there is just one.
pub(super) fn check_audience(desk: &Desk, asked: Option<&str>) -> Result<(), Box<Response>> {
    if is_audience(desk, asked) {
        return Ok(());
    }
    let (code, title) = match asked {
        Some(_) => ("invalid_target", "no tokens are made for this service"),
        None => ("invalid_request", "there are several services: name one"),
    };
    Err(Problem::field("audience", title).error(code).into())
}

pub(super) fn is_audience(desk: &Desk, asked: Option<&str>) -> bool {
    match asked {
        Some(asked) => desk.minter.audiences().any(|audience| audience == asked),
        None => desk.minter.audiences().count() == 1,
    }
}
