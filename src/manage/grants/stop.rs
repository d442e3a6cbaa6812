use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use http::header::SET_COOKIE;

use crate::browser;
use crate::manage::caller::Caller;
use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call, Problem, Query, no_content};
use crate::middleware::Asking;
use crate::policy::{Demand, Refused};
use crate::terms::{EndReason, Strategy};

/// `POST /grants/stop`: ends the grant by which the request comes, in every mode, and whatever policy, directory
/// and audit say.
pub(in crate::manage) async fn stop(desk: Arc<Desk>, call: Call) -> Answered {
    let at = call.at;
    let parts = &at.parts;
    let asking = parts.extensions.get::<Asking>().and_then(Asking::take);
    let Some(requested) = asking else {
        Caller::any(&desk, &at)?;
        return Err(conflict("no impersonation is going on"));
    };
    Query::read(parts, &[])?;
    let Some(id) = requested.ask.grant().copied() else {
        return Err(conflict("no grant stands behind this impersonation"));
    };
    let actor = requested.actor.key();
    let found = desk.found(&id, parts).await;
    // Whether there is such a grant; with the cookie, whoever came may have made it up.
    let unseen = found.is_err() && requested.ask.strategy() == Strategy::Cookie;
    let theirs = match found {
        Ok(Some(grant)) => {
            let theirs = grant.actor().key() == actor && { requested.ask.target() }
                .is_none_or(|target| target.is(grant.target().key()));
            theirs && grant.is_alive_at(at.now)
        }
        Ok(None) => false,
        // The store is silent: whoever holds a token that was made here, or the cookie's secret, may end it.
        Err(_) => {
            requested.ask.strategy() == Strategy::Cookie
                || requested.actor.voucher() == desk.minter.issuer_name()
        }
    };
    if !theirs {
        let mut refused = Refused::unasked(requested.actor, "grant_over", Some(requested.ask));
        refused.denial = refused.denial.demanding(Demand::AnotherToken);
        return Err(desk.refuse(Box::new(refused), parts, at.now).await);
    }
    let ending = async {
        match unseen {
            true => desk.grants.end_unseen(&id, EndReason::Stopped, actor).await,
            false => desk.grants.end(&id, EndReason::Stopped, Some(actor)).await,
        }
    };
    desk.stored(ending, parts).await?;
    let mut response = no_content();
    if requested.ask.strategy() == Strategy::Cookie {
        // The next request is the actor's own again.
        let cookie = desk.layer.grant_cookie();
        let cleared = cookie.and_then(|(name, _)| browser::clear(name));
        response
            .headers_mut()
            .extend(cleared.map(|value| (SET_COOKIE, value)));
    }
    Ok(response)
}

fn conflict(title: &str) -> Box<Response> {
    Problem::new(StatusCode::CONFLICT, title).into()
}
