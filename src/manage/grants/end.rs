use std::sync::Arc;

use axum::response::Response;

use crate::manage::caller::Caller;
use crate::manage::desk::Desk;
use crate::manage::grants::named;
use crate::manage::http::{Answered, At, Call, Problem, Query, no_content};
use crate::policy::Right;
use crate::terms::{EndReason, GrantId};

/// `DELETE /grants/{id}`: its actor stops it; its target, and whoever has the right, revokes it. The first end
/// stays, and ending again is no error, nor is an id that nobody knows.
pub(in crate::manage) async fn end(desk: Arc<Desk>, call: Call) -> Answered {
    let at = call.at;
    let caller = Caller::itself(&desk, &at).await?;
    Query::read(&at.parts, &[])?;
    let found = match named(&desk, &at).await {
        Ok(found) => found,
        Err(answer) => {
            unseen(&desk, &caller, &at).await?;
            return Err(answer);
        }
    };
    let reason = match &found {
        Some(grant) if caller.owns(grant) => EndReason::Stopped,
        Some(grant) if caller.is_target_of(grant) => EndReason::Revoked,
        _ => {
            desk.demand(&caller.actor, Right::GrantsRevoke, &at.parts, at.now)
                .await?;
            EndReason::Revoked
        }
    };
    if at.named.parse::<GrantId>().is_err() {
        return Err(Problem::field("id", "no grant can have this id").into());
    }
    if let Some(grant) = found {
        let ending = desk.grants.end(grant.id(), reason, Some(caller.key()));
        desk.stored(ending, &at.parts).await?;
    }
    Ok(no_content())
}

/// The store is silent: whoever may end every grant ends this one here, and the store is told when it is back.
async fn unseen(desk: &Desk, caller: &Caller, at: &At) -> Result<(), Box<Response>> {
    desk.demand(&caller.actor, Right::GrantsRevoke, &at.parts, at.now)
        .await?;
    if let Ok(id) = at.named.parse() {
        let ending = desk.grants.end(&id, EndReason::Revoked, Some(caller.key()));
        // The answer says already that the store failed.
        drop(desk.stored(ending, &at.parts).await);
    }
    Ok(())
}
