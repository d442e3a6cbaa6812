use std::sync::Arc;

use http::StatusCode;

use crate::gate::Refusal;
use crate::manage::caller::Caller;
use crate::manage::desk::Desk;
use crate::manage::grants::{GrantView, named};
use crate::manage::http::{Answered, At, Call, Fields, Problem, Query, json, object};
use crate::manage::start::GRANT_OVER;
use crate::policy::Refused;
use crate::rejection::{Rejection, RejectionKind};
use crate::terms::{Ask, GrantId, Strategy, TargetRef};

/// `POST /grants/{id}/extend`: moves the deadline of one's own grant forward, after another decision.
pub(in crate::manage) async fn extend(desk: Arc<Desk>, call: Call) -> Answered {
    let Call { at, body } = call;
    let id = at.named.parse::<GrantId>().ok();
    let caller = match &id {
        Some(id) => Caller::itself_or_by(&desk, &at, id).await?,
        None => Caller::itself(&desk, &at).await?,
    };
    Query::read(&at.parts, &[])?;
    let found = named(&desk, &at).await?;
    let At { parts, now, .. } = at;
    let Some(grant) = found.filter(|grant| caller.owns(grant)) else {
        let refused = Refused::unasked(caller.actor, "grant_of_others", None);
        return Err(desk.refuse(Box::new(refused), &parts, now).await);
    };
    let mut fields = Fields::new(object(&parts, body).await?);
    let asked = fields.seconds("ttl_seconds")?;
    fields.end()?;
    let ttl = asked.unwrap_or_else(|| desk.grants.lifetime());
    let deadline = now.saturating_add(ttl).min(grant.latest());
    let target = TargetRef::from(grant.target().key());
    let ask = Ask::user(target, Strategy::Act).with_mode(grant.mode());
    let admitted = desk.gate.admit(caller.actor, ask.under(*grant.id()), now);
    let permit = match desk.within(admitted, &parts).await? {
        Ok(permit) => permit,
        Err(Refusal::Denied(refused)) if is_over(&refused) => {
            let problem = Problem::new(StatusCode::CONFLICT, GRANT_OVER);
            return Err(desk.conflict(&refused, problem, &parts, now).await);
        }
        Err(refusal) => return Err(desk.refuse(refusal, &parts, now).await),
    };
    if deadline <= grant.deadline() {
        return json(StatusCode::OK, &GrantView::at(&grant, now));
    }
    let whole = deadline.saturating_since(grant.started_at());
    let permit = match desk.gate.for_as_long(&permit, whole, now) {
        Ok(permit) => permit,
        Err(refused) => return Err(desk.refuse(refused, &parts, now).await),
    };
    let people = [&**permit.actor(), permit.principal()];
    let written = desk.trail.extended(permit.ask(), people, deadline, now);
    if let Err(error) = desk.within(written, &parts).await? {
        let rejection = Rejection::because(RejectionKind::Unavailable, error);
        return Err(desk.reject(rejection, &parts));
    }
    let extending = desk.grants.extend(grant.id(), deadline);
    match desk.stored(extending, &parts).await {
        Ok(Some(grant)) if grant.is_alive_at(now) && grant.deadline() >= deadline => {
            json(StatusCode::OK, &GrantView::at(&grant, now))
        }
        // The event says something that did not happen.
        Ok(_) => {
            let refused = permit.refuse("grant_not_extended");
            let problem = Problem::new(StatusCode::CONFLICT, GRANT_OVER);
            Err(desk.conflict(&refused, problem, &parts, now).await)
        }
        Err(answer) => {
            let refused = permit.refuse("grant_not_extended");
            match desk.layer.record_denial(&refused, &parts, now).await {
                Ok(()) => Err(answer),
                Err(rejection) => Err(desk.reject(rejection, &parts)),
            }
        }
    }
}

/// Whether it is refused because the grant has ended.
fn is_over(refused: &Refused) -> bool {
    refused.denial.rule.starts_with("grant_")
}
