use serde::Serialize;
use utoipa::ToSchema;

use crate::grant::{End, Grant};
use crate::identity::IdentityKey;
use crate::terms::{Reason, Ticket};
use crate::time::Timestamp;

/// A grant, as it is told. Moments are RFC 3339, in UTC.
#[derive(Serialize, ToSchema)]
#[schema(as = Grant)]
pub(in crate::manage) struct GrantView {
    id: String,
    actor: PersonView,
    target: PersonView,
    /// `full`, `read_only` or `scoped`.
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scopes: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    ticket: Option<String>,
    /// The app client of the actor's token.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    client_id: Option<String>,
    /// `active` or `ended`.
    state: &'static str,
    started_at: String,
    /// When it ends by itself.
    deadline: String,
    /// The moment beyond which it cannot be extended.
    latest: String,
    last_used_at: String,
    /// How it ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    end: Option<EndView>,
}

/// Somebody, by issuer and subject.
#[derive(Serialize, ToSchema)]
#[schema(as = Person)]
pub(in crate::manage) struct PersonView {
    iss: String,
    sub: String,
}

/// How a grant ended.
#[derive(Serialize, ToSchema)]
#[schema(as = End)]
pub(in crate::manage) struct EndView {
    /// Why: `stopped`, `expired`, `idle`, `revoked`, `actor_demoted` and so on.
    reason: &'static str,
    at: String,
    /// Who ended it, where somebody did.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    by: Option<PersonView>,
}

/// A part of a list of grants, newest start first.
#[derive(Serialize, ToSchema)]
pub(in crate::manage) struct GrantList {
    pub(in crate::manage) data: Vec<GrantView>,
    /// The cursor of the next part; absent where this is the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub(in crate::manage) next: Option<String>,
}

impl GrantView {
    pub(in crate::manage) fn at(grant: &Grant, now: Timestamp) -> Self {
        let (ask, state) = (grant.ask(), grant.state());
        let scopes = ask
            .scopes()
            .map(|scopes| scopes.iter().map(str::to_owned).collect());
        let end = grant.end_at(now);
        Self {
            id: grant.id().to_string(),
            actor: grant.actor().key().into(),
            target: grant.target().key().into(),
            mode: grant.mode().as_str(),
            scopes,
            reason: ask.reason().map(Reason::as_str).map(str::to_owned),
            ticket: ask.ticket().map(Ticket::as_str).map(str::to_owned),
            client_id: grant.client_id().map(str::to_owned),
            state: if end.is_some() { "ended" } else { "active" },
            started_at: grant.started_at().to_string(),
            deadline: grant.deadline().to_string(),
            latest: grant.latest().to_string(),
            last_used_at: state.last_used_at.to_string(),
            end: end.as_ref().map(EndView::from),
        }
    }
}

impl From<&IdentityKey> for PersonView {
    fn from(key: &IdentityKey) -> Self {
        Self {
            iss: key.issuer().to_owned(),
            sub: key.subject().to_owned(),
        }
    }
}

impl From<&End> for EndView {
    fn from(end: &End) -> Self {
        Self {
            reason: end.reason.as_str(),
            at: end.at.to_string(),
            by: end.by.as_ref().map(PersonView::from),
        }
    }
}
