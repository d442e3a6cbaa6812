use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;

use crate::gate::Refusal;
use crate::identity::{Identity, IdentityKey};
use crate::manage::desk::Desk;
use crate::manage::grants::PersonView;
use crate::manage::http::{Answered, Call, json};
use crate::manage::oauth::authenticate::Asking;
use crate::manage::oauth::error::OAuthError;
use crate::policy::{Permit, Right};
use crate::resolve::Requested;
use crate::terms::{Ask, GrantId, Reason, Strategy, Ticket};
use crate::time::Timestamp;
use crate::token::{Claims, Verified};

/// What is told of a token or a grant (RFC 7662, section 2.2). Of one that is not alive, only that.
#[derive(Serialize)]
pub(in crate::manage) struct Introspection {
    active: bool,
    #[serde(flatten)]
    told: Option<Told>,
}

#[derive(Serialize)]
struct Told {
    iss: String,
    sub: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    aud: Option<String>,
    exp: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    token_type: &'static str,
    #[serde(flatten)]
    grant: Option<ToldGrant>,
}

#[derive(Serialize)]
struct ToldGrant {
    /// Who really acts (RFC 8693, section 4.1).
    act: PersonView,
    /// Whose token it is, with the issuer (RFC 9493, section 3.2.4).
    sub_id: SubjectView,
    grant_id: String,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ticket: Option<String>,
    started_at: String,
}

#[derive(Serialize)]
struct SubjectView {
    format: &'static str,
    iss: String,
    sub: String,
}

/// `POST /oauth2/introspect` (RFC 7662), for clients with the right: of tokens that were minted here, and of
/// grants by their ids. What was decided at the start of a grant is decided again.
pub(in crate::manage) async fn introspect(desk: Arc<Desk>, call: Call) -> Answered {
    let asking = Asking::read(&desk, call).await?;
    let token = asking.form.require("token")?;
    asking.demand(&desk, Right::Introspect).await?;
    let told = match token.parse::<GrantId>() {
        Ok(id) => of_grant(&desk, &asking, &id).await?,
        Err(_) => of_token(&desk, &asking, token).await?,
    };
    let introspection = Introspection {
        active: told.is_some(),
        told,
    };
    json(StatusCode::OK, &introspection)
}

async fn of_grant(
    desk: &Desk,
    asking: &Asking<'_>,
    id: &GrantId,
) -> Result<Option<Told>, Box<Response>> {
    let found = desk.stored(desk.grants.find(id), &asking.parts).await;
    let Some(grant) = found.map_err(unavailable)? else {
        return Ok(None);
    };
    let issuer = desk.minter.issuer_name();
    let actor = Verified::of_grant(grant.actor(), issuer, grant.deadline());
    let ask = Ask::of_grant(*id, Strategy::Act);
    let Some(permit) = alive(desk, asking, actor, ask).await? else {
        return Ok(None);
    };
    Ok(Some(Told {
        iss: issuer.to_owned(),
        sub: grant.target().subject().to_owned(),
        aud: None,
        exp: grant.deadline().unix_seconds(),
        iat: Some(grant.started_at().unix_seconds()),
        jti: None,
        client_id: grant.client_id().map(str::to_owned),
        scope: scope(&permit),
        token_type: "grant",
        grant: told_grant(&permit, grant.started_at()),
    }))
}

async fn of_token(
    desk: &Desk,
    asking: &Asking<'_>,
    token: &str,
) -> Result<Option<Told>, Box<Response>> {
    let read = desk
        .layer
        .read_token(token, &asking.parts, asking.now)
        .await;
    let read = read.map_err(|_| OAuthError::unavailable())?;
    let minted_here = read.filter(|(claims, _)| claims.issuer() == desk.minter.issuer_name());
    let Some((claims, requested)) = minted_here else {
        return Ok(None);
    };
    let Some(Requested { actor, ask, .. }) = requested else {
        let scopes = claims
            .identity()
            .scopes()
            .filter(|scopes| !scopes.is_empty());
        let scope = scopes.map(|scopes| scopes.iter().collect::<Vec<_>>().join(" "));
        return Ok(Some(told_token(desk, &claims, scope, None)));
    };
    if ask.grant().is_none() {
        return Ok(None);
    }
    let Some(permit) = alive(desk, asking, actor, ask).await? else {
        return Ok(None);
    };
    let started_at = permit.ask().asked_at().unwrap_or(asking.now);
    let grant = told_grant(&permit, started_at);
    Ok(Some(told_token(desk, &claims, scope(&permit), grant)))
}

fn told_token(
    desk: &Desk,
    claims: &Verified<Claims>,
    scope: Option<String>,
    grant: Option<ToldGrant>,
) -> Told {
    let text = |name: &str| claims.get(name)?.as_str().map(str::to_owned);
    Told {
        iss: desk.minter.issuer_name().to_owned(),
        sub: claims.identity().subject().to_owned(),
        aud: text("aud"),
        exp: claims.expires_at().unix_seconds(),
        iat: claims.get("iat").and_then(serde_json::Value::as_i64),
        jti: text("jti"),
        client_id: claims.client_id().map(str::to_owned),
        scope,
        token_type: "Bearer",
        grant,
    }
}

fn told_grant(permit: &Permit, started_at: Timestamp) -> Option<ToldGrant> {
    let ask = permit.ask();
    let target: &IdentityKey = permit.target()?.key();
    Some(ToldGrant {
        act: permit.actor().key().into(),
        sub_id: SubjectView {
            format: "iss_sub",
            iss: target.issuer().to_owned(),
            sub: target.subject().to_owned(),
        },
        grant_id: ask.grant()?.to_string(),
        mode: permit.mode().as_str(),
        reason: ask.reason().map(Reason::as_str).map(str::to_owned),
        ticket: ask.ticket().map(Ticket::as_str).map(str::to_owned),
        started_at: started_at.to_string(),
    })
}

fn scope(permit: &Permit) -> Option<String> {
    let scopes = permit.ask().scopes()?;
    Some(scopes.iter().collect::<Vec<_>>().join(" "))
}

/// What is still permitted; `None` where nothing is. It is no use of the grant.
async fn alive(
    desk: &Desk,
    asking: &Asking<'_>,
    actor: Verified<Identity>,
    ask: Ask,
) -> Result<Option<Permit>, Box<Response>> {
    let decided = desk.gate.still(actor, ask, asking.now);
    match desk
        .within(decided, &asking.parts)
        .await
        .map_err(unavailable)?
    {
        Ok(permit) => Ok(Some(permit)),
        Err(Refusal::Denied(_)) => Ok(None),
        Err(_) => Err(OAuthError::unavailable().into()),
    }
}

fn unavailable(_: Box<Response>) -> Box<Response> {
    OAuthError::unavailable().into()
}
