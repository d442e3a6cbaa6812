//! RFC 8693: a token that was minted here, for one of another service. It never starts an impersonation.

use axum::response::Response;

use crate::audit::OfGrant;
use crate::identity::{Kind, Names};
use crate::manage::desk::Desk;
use crate::manage::http::Answered;
use crate::manage::issue;
use crate::manage::oauth::authenticate::{Asking, as_oauth};
use crate::manage::oauth::error::OAuthError;
use crate::manage::oauth::token::{audience, told};
use crate::policy::Refused;
use crate::resolve::Requested;
use crate::terms::{Ask, Mode};

pub(in crate::manage) const GRANT_TYPE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const TYPES: [&str; 2] = [ACCESS_TOKEN, "urn:ietf:params:oauth:token-type:jwt"];

pub(super) async fn exchange(desk: &Desk, asking: Asking<'_>) -> Answered {
    let token = asking.form.require("subject_token")?;
    let kind = asking.form.require("subject_token_type")?;
    let wanted = asking
        .form
        .get("requested_token_type")
        .unwrap_or(ACCESS_TOKEN);
    if !TYPES.contains(&kind) || !TYPES.contains(&wanted) {
        return Err(OAuthError::invalid_request("tokens are access tokens").into());
    }
    let audience = audience(desk, &asking)?;
    demand(desk, &asking, audience.as_deref()).await?;
    let Requested { actor, ask, .. } = subject(desk, &asking, token).await?;
    let ask = narrowed(desk, &asking, ask)?;
    let (parts, now) = (&asking.parts, asking.now);
    let admitted = desk.gate.admit(actor, ask, now);
    let admitted = desk.within(admitted, parts).await.map_err(unavailable)?;
    let permit = match admitted {
        Ok(permit) => permit,
        Err(refusal) => {
            let answer = desk.refuse(refusal, parts, now).await;
            return Err(as_oauth(&answer, NO_GOOD).into());
        }
    };
    let Some(id) = permit.ask().grant().copied() else {
        return Err(NO_GOOD.into());
    };
    let found = desk
        .stored(desk.grants.find(&id), parts)
        .await
        .map_err(unavailable)?;
    let Some(grant) = found else {
        return Err(NO_GOOD.into());
    };
    let client = Some(&*asking.client.id);
    let recorded = issue::record(desk, OfGrant::Issues { client }, permit, parts, now).await;
    let recorded = recorded.map_err(unavailable)?;
    let request = issue::request(audience, grant.deadline(), now);
    let request = match recorded.permit().actor().kind() {
        // Whoever gets it must see that an app client acts: by its own name there.
        Kind::Machine => request,
        _ => request.client(&*asking.client.id),
    };
    match desk.minter.mint(&recorded, &request) {
        Ok(minted) => told(minted, Some(ACCESS_TOKEN)),
        Err(error) => {
            let answer = issue::failed(desk, error, parts);
            Err(as_oauth(&answer, NO_GOOD).into())
        }
    }
}

/// The client may have tokens for that service.
async fn demand(
    desk: &Desk,
    asking: &Asking<'_>,
    audience: Option<&str>,
) -> Result<(), Box<Response>> {
    let (audience, own) = (
        audience.unwrap_or(desk.minter.own_audience()),
        &asking.client.exchanges,
    );
    if own.iter().any(|own| own == audience) {
        return Ok(());
    }
    let refused = Refused::unasked(asking.actor(desk), "exchange", None);
    let refused = desk
        .refuse(Box::new(refused), &asking.parts, asking.now)
        .await;
    let error = match own.is_empty() {
        true => OAuthError::unauthorized_client(),
        false => OAuthError::bad(
            "invalid_target",
            "this client has no tokens for that service",
        ),
    };
    Err(as_oauth(&refused, error).into())
}

/// Who acts by the token, under which grant; only of tokens that were minted here.
async fn subject(desk: &Desk, asking: &Asking<'_>, token: &str) -> Result<Requested, OAuthError> {
    let read = desk
        .layer
        .read_token(token, &asking.parts, asking.now)
        .await;
    let read = read.map_err(|_| OAuthError::unavailable())?;
    let minted_here = read.filter(|(claims, _)| claims.issuer() == desk.minter.issuer_name());
    let requested = minted_here.and_then(|(_, requested)| requested);
    requested
        .filter(|requested| requested.ask.grant().is_some())
        .ok_or(NO_GOOD)
}

/// What is asked for, never wider than what the token says.
fn narrowed(desk: &Desk, asking: &Asking<'_>, ask: Ask) -> Result<Ask, OAuthError> {
    let Some(wanted) = asking.form.scopes() else {
        return Ok(ask);
    };
    let within = match ask.scopes() {
        Some(own) => wanted.iter().all(|scope| own.contains(scope)),
        None => wanted
            .iter()
            .all(|scope| desk.minter.scopes().any(|known| known == *scope)),
    };
    if !within || wanted.is_empty() {
        return Err(OAuthError::bad("invalid_scope", "wider than the token"));
    }
    let mode = ask.mode().min(Mode::Scoped);
    Ok(ask
        .with_mode(mode)
        .with_scopes(wanted.into_iter().collect::<Names>()))
}

fn unavailable(_: Box<Response>) -> Box<Response> {
    OAuthError::unavailable().into()
}

const NO_GOOD: OAuthError = OAuthError::invalid_request(
    "the subject token is not one of this service, or is no good any more",
);
