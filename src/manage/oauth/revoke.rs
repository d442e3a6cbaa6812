use std::sync::Arc;

use crate::identity::IdentityKey;
use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call, json};
use crate::manage::oauth::authenticate::Asking;
use crate::manage::oauth::error::OAuthError;
use crate::policy::Right;
use crate::terms::{EndReason, GrantId};
use http::StatusCode;
use serde_json::json;

/// `POST /oauth2/revoke` (RFC 7009): ends the grant behind a token, and with it all of its tokens.
///
/// A client revokes that by which it acts itself; what others act by, with the right. A token that has expired
/// is good for it, because its grant may live on, as long as its key is published; and so is a grant's id in place of a
/// token, with the right. What is neither is revoked already.
pub(in crate::manage) async fn revoke(desk: Arc<Desk>, call: Call) -> Answered {
    let asking = Asking::read(&desk, call).await?;
    let token = asking.form.require("token")?;
    let (parts, now) = (&asking.parts, asking.now);
    if let Ok(id) = token.parse() {
        asking.demand(&desk, Right::GrantsRevoke).await?;
        return end(&desk, &asking, &id, EndReason::Revoked).await;
    }
    let read = desk.layer.read_token(token, parts, now).await;
    let mut read = read.map_err(|_| OAuthError::unavailable())?;
    let counts = read.is_some();
    if !counts {
        let expired = desk.layer.read_expired_token(token, parts, now).await;
        read = expired.map_err(|_| OAuthError::unavailable())?;
    }
    let minted_here = read.filter(|(claims, _)| claims.issuer() == desk.minter.issuer_name());
    let Some((claims, requested)) = minted_here else {
        return done();
    };
    let grant = { requested.as_ref() }.and_then(|requested| requested.ask.grant().copied());
    if grant.is_none() && !counts {
        return done();
    }
    let itself = IdentityKey::new(desk.minter.issuer_name(), &*asking.client.id);
    let actor = requested.as_ref().map(|requested| requested.actor.key());
    let acts = *actor.unwrap_or_else(|| claims.identity().key()) == itself;
    if !acts {
        asking.demand(&desk, Right::GrantsRevoke).await?;
    }
    let Some(id) = grant else {
        let description = "a token without a grant counts until it expires";
        return Err(OAuthError::bad("unsupported_token_type", description).into());
    };
    let reason = if acts {
        EndReason::Stopped
    } else {
        EndReason::Revoked
    };
    end(&desk, &asking, &id, reason).await
}

async fn end(desk: &Desk, asking: &Asking<'_>, id: &GrantId, reason: EndReason) -> Answered {
    let itself = IdentityKey::new(desk.minter.issuer_name(), &*asking.client.id);
    let ending = desk.grants.end(id, reason, Some(&itself));
    let ended = desk.stored(ending, &asking.parts).await;
    ended.map_err(|_| OAuthError::unavailable())?;
    done()
}

fn done() -> Answered {
    json(StatusCode::OK, &json!({}))
}
