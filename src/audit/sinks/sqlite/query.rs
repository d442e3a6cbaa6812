use sqlx::sqlite::SqliteRow;
use sqlx::{QueryBuilder, Row, Sqlite, SqliteConnection};

use super::error::{SqliteError, SqliteErrorKind};
use crate::audit::{EventId, EventName};
use crate::identity::IdentityKey;
use crate::time::Timestamp;

/// Which events to read: all of them, or those that fit everything that is said.
#[derive(Debug, Clone)]
#[must_use = "a query reads nothing until it is given to `SqliteAudit::query`"]
pub struct Query {
    actor: Option<IdentityKey>,
    target: Option<IdentityKey>,
    grant: Option<String>,
    name: Option<EventName>,
    between: Option<(Timestamp, Timestamp)>,
    after: Option<EventId>,
    limit: u32,
    order: Order,
}

/// Which events come first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Order {
    /// The latest ones. The default.
    NewestFirst,
    /// The earliest ones.
    OldestFirst,
}

impl Query {
    /// The newest 100 events.
    pub fn new() -> Self {
        Self {
            actor: None,
            target: None,
            grant: None,
            name: None,
            between: None,
            after: None,
            limit: 100,
            order: Order::NewestFirst,
        }
    }

    /// Events of this actor.
    pub fn actor(mut self, actor: IdentityKey) -> Self {
        self.actor = Some(actor);
        self
    }

    /// Events whose target was found and is this one.
    pub fn target(mut self, target: IdentityKey) -> Self {
        self.target = Some(target);
        self
    }

    /// Events under this grant.
    pub fn grant(mut self, id: impl Into<String>) -> Self {
        self.grant = Some(id.into());
        self
    }

    /// Events of this name.
    pub fn named(mut self, name: EventName) -> Self {
        self.name = Some(name);
        self
    }

    /// Events from the first moment on and before the second one, to the millisecond.
    pub fn between(mut self, from: Timestamp, until: Timestamp) -> Self {
        self.between = Some((from, until));
        self
    }

    /// Events that come after this one in the [order](Self::order): [`Page::next`] of the page before.
    pub fn after(mut self, cursor: EventId) -> Self {
        self.after = Some(cursor);
        self
    }

    /// The most events of a page, 1 to 1,000; 100 by default.
    pub fn limit(mut self, events: u32) -> Self {
        self.limit = events;
        self
    }

    /// Which events come first; the newest by default.
    pub fn order(mut self, order: Order) -> Self {
        self.order = order;
        self
    }

    pub(super) fn check(&self) -> Result<(), SqliteError> {
        if (1..=1000).contains(&self.limit) {
            Ok(())
        } else {
            Err(SqliteError::of(SqliteErrorKind::Limit))
        }
    }

    pub(super) async fn run(&self, on: &mut SqliteConnection) -> Result<Page, SqliteError> {
        let rows = self.sql().build().fetch_all(on).await?;
        let events = rows.iter().take(self.limit as usize);
        let events: Vec<_> = events.map(StoredEvent::read).collect::<Result<_, _>>()?;
        let more = rows.len() > events.len();
        let next = events.last().filter(|_| more).map(|event| event.id);
        Ok(Page { events, next })
    }

    /// What a caller gives is bound, never part of the text.
    fn sql(&self) -> QueryBuilder<Sqlite> {
        let mut sql = QueryBuilder::new(SELECT);
        for (person, sub, iss) in [
            (&self.actor, " AND actor_sub = ", " AND actor_iss = "),
            (&self.target, " AND target_sub = ", " AND target_iss = "),
        ] {
            if let Some(key) = person {
                sql.push(sub).push_bind(key.subject());
                sql.push(iss).push_bind(key.issuer());
            }
        }
        if let Some(grant) = &self.grant {
            sql.push(" AND grant_id = ").push_bind(grant);
        }
        if let Some(name) = self.name {
            sql.push(" AND name = ").push_bind(name.as_str());
        }
        if let Some((from, until)) = self.between {
            // Ids begin with the time, so no further index is needed.
            let first = |time| EventId::first_of(time).to_string();
            sql.push(" AND id >= ").push_bind(first(from));
            sql.push(" AND id < ").push_bind(first(until));
        }
        let (beyond, order) = match self.order {
            Order::NewestFirst => (" AND id < ", " ORDER BY id DESC"),
            Order::OldestFirst => (" AND id > ", " ORDER BY id ASC"),
        };
        if let Some(cursor) = self.after {
            sql.push(beyond).push_bind(cursor.to_string());
        }
        // One more tells whether there is another page.
        sql.push(order).push(" LIMIT ").push_bind(self.limit + 1);
        sql
    }
}

impl Default for Query {
    fn default() -> Self {
        Self::new()
    }
}

/// Some events, and where to go on.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Page {
    /// In the order of the query.
    pub events: Vec<StoredEvent>,
    /// For [`Query::after`], while there are more.
    pub next: Option<EventId>,
}

/// An event as it was written.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct StoredEvent {
    /// Its own name.
    pub id: EventId,
    /// When, to the millisecond.
    pub time: Timestamp,
    /// What, as [`EventName::as_str`] writes it.
    pub name: String,
    /// How it went, as [`Outcome::as_str`](crate::audit::Outcome::as_str) writes it.
    pub outcome: String,
    /// Who really acted.
    pub actor: IdentityKey,
    /// Who was impersonated, if somebody was found.
    pub target: Option<IdentityKey>,
    /// The grant, if there was one.
    pub grant: Option<String>,
    /// The rule that denied.
    pub rule: Option<String>,
    /// The whole event as JSON, with the fields of
    /// [the manual](crate::manual::observability#audit-events).
    pub json: String,
}

impl StoredEvent {
    fn read(row: &SqliteRow) -> Result<Self, SqliteError> {
        let wrong = |error: sqlx::Error| SqliteError::caused(SqliteErrorKind::Row, error);
        let text = |column: &str| row.try_get::<String, _>(column).map_err(wrong);
        let maybe = |column: &str| row.try_get::<Option<String>, _>(column).map_err(wrong);
        let id = text("id")?.parse();
        let time = u64::try_from(row.try_get::<i64, _>("time_ms").map_err(wrong)?);
        let target = maybe("target_iss")?.zip(maybe("target_sub")?);
        Ok(Self {
            id: id.map_err(|error| SqliteError::caused(SqliteErrorKind::Row, error))?,
            time: Timestamp::from_unix_millis(time.unwrap_or_default()),
            name: text("name")?,
            outcome: text("outcome")?,
            actor: IdentityKey::new(text("actor_iss")?, text("actor_sub")?),
            target: target.map(|(iss, sub)| IdentityKey::new(iss, sub)),
            grant: maybe("grant_id")?,
            rule: maybe("rule")?,
            json: text("event")?,
        })
    }
}

const SELECT: &str = "SELECT id, time_ms, name, outcome, actor_sub, actor_iss, target_sub, \
    target_iss, grant_id, rule, event FROM ti_audit_event WHERE TRUE";
