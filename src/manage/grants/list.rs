use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;

use crate::gate::Refusal;
use crate::grant::{Cursor, Filter, Page, Standing};
use crate::identity::IdentityKey;
use crate::manage::caller::Caller;
use crate::manage::desk::Desk;
use crate::manage::grants::{GrantList, GrantView, cursor};
use crate::manage::http::{Answered, At, Call, Problem, Query, json};
use crate::policy::Right;

/// `GET /grants`: one's own and those on oneself; all, with the right.
pub(in crate::manage) async fn list(desk: Arc<Desk>, call: Call) -> Answered {
    let at = call.at;
    let caller = Caller::itself(&desk, &at).await?;
    let query = Query::read(&at.parts, &PARAMETERS)?;
    let mut filter = Filter {
        actor: person(&query, ["actor", "actor_iss"], caller.actor.issuer())?,
        target: person(&query, ["target", "target_iss"], &desk.users_at)?,
        state: standing(&query)?.map(|standing| (standing, at.now)),
        ..Filter::default()
    };
    let page = Page {
        after: after(&query)?,
        size: size(&query)?,
    };
    see(&desk, &caller, &at, &mut filter).await?;
    let found = desk
        .stored(desk.grants.list(&filter, &page), &at.parts)
        .await?;
    let last = found.last().filter(|_| found.len() >= page.size);
    let list = GrantList {
        next: last.map(|grant| cursor::write(grant.into())),
        data: found
            .iter()
            .map(|grant| GrantView::at(grant, at.now))
            .collect(),
    };
    json(StatusCode::OK, &list)
}

/// Whoever has no right to see all sees its own, and is refused where it asks for those of others.
async fn see(
    desk: &Desk,
    caller: &Caller,
    at: &At,
    filter: &mut Filter,
) -> Result<(), Box<Response>> {
    let own = Some(caller.key());
    if filter.actor.as_ref() == own || filter.target.as_ref() == own {
        return Ok(());
    }
    match desk.may(&caller.actor, Right::GrantsRead, at.now).await {
        Ok(()) => Ok(()),
        Err(Refusal::Denied(_)) if filter.actor.is_none() && filter.target.is_none() => {
            filter.person = own.cloned();
            Ok(())
        }
        Err(refusal) => Err(desk.refuse(refusal, &at.parts, at.now).await),
    }
}

fn person(
    query: &Query,
    [sub, iss]: [&str; 2],
    usual: &str,
) -> Result<Option<IdentityKey>, Box<Response>> {
    let issuer = query.get(iss);
    match query.get(sub) {
        None if issuer.is_some() => Err(Problem::field(iss, "an issuer without a subject").into()),
        Some("") => Err(Problem::field(sub, "this is empty").into()),
        sub => Ok(sub.map(|sub| IdentityKey::new(issuer.unwrap_or(usual), sub))),
    }
}

fn standing(query: &Query) -> Result<Option<Standing>, Box<Response>> {
    match query.get("state") {
        None => Ok(None),
        Some("active") => Ok(Some(Standing::Alive)),
        Some("ended") => Ok(Some(Standing::Ended)),
        Some(_) => Err(Problem::field("state", "the state is active or ended").into()),
    }
}

fn size(query: &Query) -> Result<usize, Box<Response>> {
    let Some(text) = query.get("limit") else {
        return Ok(USUAL_SIZE);
    };
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let size = text
        .parse()
        .ok()
        .filter(|size| digits && (1..=Page::MAX).contains(size));
    size.ok_or_else(|| Problem::field("limit", "the limit is 1 to 200").into())
}

fn after(query: &Query) -> Result<Option<Cursor>, Box<Response>> {
    let Some(text) = query.get("cursor") else {
        return Ok(None);
    };
    match cursor::read(text) {
        Some(place) => Ok(Some(place)),
        None => Err(Problem::field("cursor", "no list gave this cursor").into()),
    }
}

const PARAMETERS: [&str; 7] = [
    "actor",
    "actor_iss",
    "target",
    "target_iss",
    "state",
    "cursor",
    "limit",
];
const USUAL_SIZE: usize = 50;
