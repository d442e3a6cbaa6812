//! `POST /{username}/impersonate`: begins a grant, or goes on under one, and hands it out.

use std::sync::Arc;

use axum::response::Response;
use http::header::SET_COOKIE;
use http::request::Parts;
use http::{HeaderName, HeaderValue, StatusCode};
use serde::Serialize;
use utoipa::ToSchema;

use crate::audit::{OfGrant, Recorded};
use crate::gate::Refusal;
use crate::grant::{Beginning, Filter, Grant, Others, Page, Standing, Started};
use crate::identity::{Affiliation, Identity, Kind, Names};
use crate::manage::caller::Caller;
use crate::manage::desk::{Desk, too_many};
use crate::manage::handing::{Begun, Handing};
use crate::manage::http::{Answered, At, Call, Fields, Problem, Query, json, object};
use crate::manage::issue;
use crate::manage::wanted::WantedIssuer;
use crate::policy::{Permit, Right};
use crate::rejection::{Rejection, RejectionKind};
use crate::terms::{Ask, EndReason, GrantId, GrantSecret, Mode, Strategy, TargetRef};
use crate::time::Timestamp;
use crate::token::Verified;

/// What the body says.
struct Order {
    ask: Ask,
    /// Whether it says how far; under a grant that is alive, what is not said is as the grant has it.
    extent: Extent,
    handing: Handing,
    others: Others,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Extent {
    Said,
    AsItIs,
}

/// A token for that user, by JSON:API.
#[derive(Serialize, ToSchema)]
pub(super) struct Issued {
    data: IssuedData,
}

#[derive(Serialize, ToSchema)]
pub(super) struct IssuedData {
    /// The username of the path.
    id: String,
    /// `access-token`, or `impersonation` where the browser got a cookie.
    #[serde(rename = "type")]
    kind: &'static str,
    attributes: IssuedAttributes,
}

#[derive(Serialize, ToSchema)]
pub(super) struct IssuedAttributes {
    /// The access token: whoever holds it acts as the user. None beside a cookie.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    token: Option<String>,
    /// How long the token, or else the grant, counts, in seconds.
    expires_in: u64,
    /// The grant behind it.
    grant: String,
    /// The scopes of a scoped impersonation, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
}

pub(super) async fn start(desk: Arc<Desk>, call: Call) -> Answered {
    let Call { at, body } = call;
    let caller = Caller::not_nested(&desk, &at).await?;
    let (key, monotonic) = (caller.key().clone(), desk.monotonic());
    desk.starts.take(&key, monotonic).map_err(too_many)?;
    let At { parts, now, named } = at;
    if desk.rights.contains_key(&Right::Impersonate) {
        desk.demand(&caller.actor, Right::Impersonate, &parts, now)
            .await?;
    }
    Query::read(&parts, &[])?;
    let target = wanted(&desk, &caller.actor, &parts, &named)?;
    let fields = Fields::new(object(&parts, body).await?);
    let order = order(&desk, fields, target)?;
    let handing = &order.handing;
    handing.check(&desk, &caller.actor, &parts, now).await?;
    let starting = Starting {
        desk: &desk,
        parts: &parts,
        now,
    };
    let begun = starting.grant(caller.actor, &order).await?;
    let handed = order.handing.hand(&desk, &begun, &parts, now)?;
    let grant = { begun.recorded.permit().ask().grant() }.map(ToString::to_string);
    let issued = Issued {
        data: IssuedData {
            id: named,
            kind: handed.kind,
            attributes: IssuedAttributes {
                token: handed.token,
                expires_in: handed.expires_in.as_secs(),
                grant: grant.unwrap_or_default(),
                scope: handed.scope,
            },
        },
    };
    let mut response = json(StatusCode::OK, &issued)?;
    if let Some(cookie) = handed.cookie {
        response.headers_mut().append(SET_COOKIE, cookie);
    }
    Ok(response)
}

/// Whom the path names, at the issuer that the request or the configuration names.
fn wanted(
    desk: &Desk,
    actor: &Identity,
    parts: &Parts,
    username: &str,
) -> Result<TargetRef, Box<Response>> {
    let sound = (1..=MAX_USERNAME).contains(&username.len());
    if !sound || username.chars().any(char::is_control) {
        let title = "a username is 1 to 256 bytes, none of control";
        return Err(Problem::field("username", title).into());
    }
    let WantedIssuer(named) = parts.extensions.get().cloned().unwrap_or_default();
    let malformed = || Problem::field(ISSUER.as_str(), "this header is malformed, or not for you");
    let issuer = match &*named {
        [] => Arc::clone(&desk.users_at),
        [issuer] if actor.affiliation() == Affiliation::Staff => {
            let issuer = issuer_name(issuer).ok_or_else(|| malformed().into());
            issuer.map_err(|problem: Box<Response>| problem)?.into()
        }
        _ => return Err(malformed().into()),
    };
    Ok(TargetRef::name(issuer, username))
}

fn issuer_name(value: &HeaderValue) -> Option<&str> {
    let name = value.to_str().ok()?;
    (1..=MAX_ISSUER).contains(&name.len()).then_some(name)
}

fn order(desk: &Desk, mut fields: Fields, target: TargetRef) -> Result<Order, Box<Response>> {
    let handing = Handing::read(desk, &mut fields)?;
    let strategy = match handing {
        Handing::Token { .. } => Strategy::Act,
        Handing::Cookie => Strategy::Cookie,
    };
    let mut ask = Ask::user(target, strategy);
    if let Some(reason) = fields.reason(desk.layer.max_reason())? {
        ask = ask.with_reason(reason);
    }
    if let Some(ticket) = fields.ticket()? {
        ask = ask.with_ticket(ticket);
    }
    // The policy is told how long it will be, asked or not.
    let lifetime = desk.grants.lifetime();
    let ttl = fields.seconds("ttl_seconds")?;
    ask = ask.with_ttl(ttl.map_or(lifetime, |ttl| ttl.min(lifetime)));
    let (mode, scopes) = (fields.mode()?, fields.scopes()?);
    let extent = match (&mode, &scopes) {
        (None, None) => Extent::AsItIs,
        _ => Extent::Said,
    };
    ask = match (mode, scopes) {
        (Some(Mode::Scoped), None) => {
            return Err(Problem::field("scopes", "scoped, and no scopes").into());
        }
        (_, Some(scopes)) if !scopes.iter().all(|scope| is_known(desk, scope)) => {
            let title = "no tokens are made for one of these scopes";
            return Err(Problem::field("scopes", title)
                .error("invalid_scope")
                .into());
        }
        (Some(Mode::Full), Some(_)) => {
            return Err(Problem::field("scopes", "full, and scopes").into());
        }
        (mode, Some(scopes)) => {
            let mode = mode.unwrap_or(Mode::Scoped);
            ask.with_mode(mode)
                .with_scopes(scopes.iter().map(String::as_str).collect::<Names>())
        }
        (mode, None) => ask.with_mode(mode.unwrap_or_default()),
    };
    let others = match fields.flag("replace")? {
        true => Others::Replaced,
        false => Others::Stay,
    };
    fields.end()?;
    Ok(Order {
        ask,
        extent,
        handing,
        others,
    })
}

fn is_known(desk: &Desk, scope: &str) -> bool {
    desk.minter.scopes().any(|known| known == scope)
}

/// One start, from the decision to the grant.
struct Starting<'a> {
    desk: &'a Desk,
    parts: &'a Parts,
    now: Timestamp,
}

impl Starting<'_> {
    /// The proof of what was permitted, under a grant that lives until then.
    async fn grant(
        &self,
        actor: Verified<Identity>,
        order: &Order,
    ) -> Result<Begun, Box<Response>> {
        let permit = self.admit(actor.clone(), order.ask.clone()).await?;
        if let (Others::Stay, Some(other)) = (order.others, self.in_the_way(&permit).await?) {
            if other.target().key() != permit.principal().key() {
                return Err(self.conflict(permit, &other).await);
            }
            // What a cookie says is kept nowhere.
            let narrower = order.extent == Extent::AsItIs || covers(&other, &permit);
            if !narrower || order.handing == Handing::Cookie {
                return Err(self.conflict(permit, &other).await);
            }
            return self.go_on(actor, &order.ask, &other).await;
        }
        self.begin(permit, order.others).await
    }

    /// A grant of the actor's that is alive and leaves no room for another one, or is on the same target.
    async fn in_the_way(&self, permit: &Permit) -> Result<Option<Grant>, Box<Response>> {
        let mut filter = Filter {
            actor: Some(permit.actor().key().clone()),
            target: Some(permit.principal().key().clone()),
            state: Some((Standing::Alive, self.now)),
            ..Filter::default()
        };
        if let Some(same) = self.list(&filter, 1).await?.pop() {
            return Ok(Some(same));
        }
        filter.target = None;
        let most = match permit.actor().kind() {
            Kind::Machine => self.desk.grants.per_machine(),
            Kind::Person => 1,
        };
        // With more than a page of them the store says so.
        let mut alive = self.list(&filter, most).await?;
        Ok(if alive.len() >= most {
            alive.pop()
        } else {
            None
        })
    }

    async fn list(&self, filter: &Filter, size: usize) -> Result<Vec<Grant>, Box<Response>> {
        let page = Page {
            size: size.min(Page::MAX),
            ..Page::first()
        };
        let listed = self.desk.grants.list(filter, &page);
        self.desk.stored(listed, self.parts).await
    }

    async fn admit(&self, actor: Verified<Identity>, ask: Ask) -> Result<Permit, Box<Response>> {
        let admitted = self.desk.gate.admit(actor, ask, self.now);
        match self.desk.within(admitted, self.parts).await? {
            Ok(permit) => Ok(permit),
            Err(Refusal::Denied(refused)) if refused.ask.as_ref().is_some_and(is_under_grant) => {
                // It ended between two looks.
                let problem = Problem::new(StatusCode::CONFLICT, GRANT_OVER);
                let (parts, now) = (self.parts, self.now);
                Err(self.desk.conflict(&refused, problem, parts, now).await)
            }
            Err(refusal) => Err(self.desk.refuse(refusal, self.parts, self.now).await),
        }
    }

    /// Another token under a grant that is alive; nothing of the grant changes.
    async fn go_on(
        &self,
        actor: Verified<Identity>,
        ask: &Ask,
        grant: &Grant,
    ) -> Result<Begun, Box<Response>> {
        let target = TargetRef::from(grant.target().key());
        let mut again = Ask::user(target, Strategy::Act)
            .with_mode(ask.mode())
            .under(*grant.id());
        if let Some(scopes) = ask.scopes() {
            again = again.with_scopes(scopes.clone());
        }
        let permit = self.admit(actor, again).await?;
        let recorded = issue::record(
            self.desk,
            OfGrant::Issues { client: None },
            permit,
            self.parts,
            self.now,
        )
        .await?;
        Ok(Begun {
            recorded,
            deadline: grant.deadline(),
            secret: None,
        })
    }

    async fn begin(&self, permit: Permit, others: Others) -> Result<Begun, Box<Response>> {
        let (desk, parts, now) = (self.desk, self.parts, self.now);
        let lifetime = desk.grants.lifetime();
        let asked = permit.ask().ttl().unwrap_or(lifetime);
        let deadline = now.saturating_add(asked.min(lifetime));
        if permit.actor().expires_at() <= now {
            return Err(issue::expired(desk, parts));
        }
        let secret = GrantSecret::new().map_err(|error| {
            desk.reject(Rejection::because(RejectionKind::Unavailable, error), parts)
        })?;
        let actor_was_found = permit.actor_was_found();
        let permit = permit.under(secret.id());
        let step = OfGrant::Starts { deadline };
        let recorded = issue::record(desk, step, permit, parts, now).await?;
        let beginning = Beginning {
            secret: secret.clone(),
            deadline,
            actor_was_found,
            others,
            now,
        };
        let starting = desk.grants.start(&recorded, &beginning);
        let other = match desk.stored(starting, parts).await {
            Ok(Started::New(grant, _)) => {
                return Ok(Begun {
                    recorded,
                    deadline: grant.deadline(),
                    secret: Some(secret),
                });
            }
            Ok(Started::Same(other) | Started::TooMany(other)) => other,
            Err(answer) => return Err(self.take_back(&recorded, answer).await),
        };
        // Somebody was faster, and the event says something that did not happen.
        let refused = issue::undone(&recorded, "conflict");
        Err(desk
            .conflict(&refused, in_the_way(other.id()), parts, now)
            .await)
    }

    /// Whether the store kept it nobody knows: it is over, and the record says that it never was.
    async fn take_back(&self, recorded: &Recorded, answer: Box<Response>) -> Box<Response> {
        let (desk, parts, now) = (self.desk, self.parts, self.now);
        if let Some(id) = recorded.permit().ask().grant() {
            let ending = desk.grants.end(id, EndReason::Stopped, None);
            drop(desk.stored(ending, parts).await);
        }
        let refused = issue::undone(recorded, "grant_not_kept");
        match desk.layer.record_denial(&refused, parts, now).await {
            Ok(()) => answer,
            Err(rejection) => desk.reject(rejection, parts),
        }
    }

    async fn conflict(&self, permit: Permit, other: &Grant) -> Box<Response> {
        let refused = permit.refuse("conflict");
        let problem = in_the_way(other.id());
        self.desk
            .conflict(&refused, problem, self.parts, self.now)
            .await
    }
}

fn in_the_way(other: &GrantId) -> Problem {
    let title = "another grant of yours is alive: end it, or ask for `replace`";
    Problem::new(StatusCode::CONFLICT, title).grant(other)
}

fn is_under_grant(ask: &Ask) -> bool {
    ask.grant().is_some()
}

/// Whether what was permitted lies within the grant.
fn covers(grant: &Grant, permit: &Permit) -> bool {
    let within = match (permit.ask().scopes(), grant.ask().scopes()) {
        (Some(asked), Some(own)) => asked.iter().all(|scope| own.contains(scope)),
        (None, Some(_)) => false,
        (_, None) => true,
    };
    permit.mode() <= grant.mode() && within
}

pub(super) const GRANT_OVER: &str = "the grant has ended";
pub(super) const ISSUER: HeaderName = HeaderName::from_static("impersonate-issuer");
const MAX_USERNAME: usize = 256;
const MAX_ISSUER: usize = 512;
