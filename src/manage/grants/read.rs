use std::sync::Arc;

use http::StatusCode;

use crate::manage::caller::Caller;
use crate::manage::desk::Desk;
use crate::manage::grants::{GrantView, named};
use crate::manage::http::{Answered, Call, Problem, Query, json};
use crate::policy::Right;

/// `GET /grants/{id}`. Without the right, a grant of others is told from none at all by nothing.
pub(in crate::manage) async fn read(desk: Arc<Desk>, call: Call) -> Answered {
    let at = call.at;
    let caller = Caller::itself(&desk, &at).await?;
    Query::read(&at.parts, &[])?;
    let found = named(&desk, &at).await?;
    let own = found
        .as_ref()
        .is_some_and(|grant| caller.owns(grant) || caller.is_target_of(grant));
    if !own {
        desk.demand(&caller.actor, Right::GrantsRead, &at.parts, at.now)
            .await?;
    }
    match found {
        Some(grant) => json(StatusCode::OK, &GrantView::at(&grant, at.now)),
        None => Err(Problem::new(StatusCode::NOT_FOUND, "there is no such grant").into()),
    }
}
