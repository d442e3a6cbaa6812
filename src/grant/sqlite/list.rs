use sqlx::{QueryBuilder, Sqlite};

use super::Shared;
use super::error::Fault;
use super::row::{nanos, read, select};
use crate::grant::{Filter, Grant, Page, SessionKey, Standing};

impl Shared {
    pub(super) async fn list(&self, filter: &Filter, page: &Page) -> Result<Vec<Grant>, Fault> {
        let mut lent = self.connections.reader().await?;
        let rows = sql(filter, page)
            .build()
            .fetch_all(&mut lent.connection)
            .await?;
        lent.give_back();
        rows.iter().map(read).collect()
    }
}

/// What a caller gives is bound, never part of the text.
fn sql(filter: &Filter, page: &Page) -> QueryBuilder<Sqlite> {
    let mut sql = QueryBuilder::new(select!("WHERE TRUE"));
    for (person, sub, iss) in [
        (&filter.actor, " AND actor_sub = ", " AND actor_iss = "),
        (&filter.target, " AND target_sub = ", " AND target_iss = "),
    ] {
        if let Some(key) = person {
            sql.push(sub).push_bind(key.subject().to_owned());
            sql.push(iss).push_bind(key.issuer().to_owned());
        }
    }
    if let Some(key) = &filter.person {
        // Each half by its own index.
        sql.push(" AND rowid IN (SELECT rowid FROM ti_grant WHERE actor_sub = ");
        sql.push_bind(key.subject().to_owned());
        sql.push(" AND actor_iss = ")
            .push_bind(key.issuer().to_owned());
        sql.push(" UNION ALL SELECT rowid FROM ti_grant WHERE target_sub = ");
        sql.push_bind(key.subject().to_owned());
        sql.push(" AND target_iss = ")
            .push_bind(key.issuer().to_owned());
        sql.push(")");
    }
    if let Some(SessionKey { issuer, name }) = &filter.session {
        sql.push(" AND actor_iss = ").push_bind(issuer.to_string());
        sql.push(" AND rowid IN (SELECT rowid FROM ti_grant WHERE token_id = ");
        sql.push_bind(name.to_string());
        sql.push(" UNION ALL SELECT rowid FROM ti_grant WHERE origin_token_id = ");
        sql.push_bind(name.to_string());
        sql.push(" UNION ALL SELECT rowid FROM ti_grant WHERE session_id = ");
        sql.push_bind(name.to_string());
        sql.push(")");
    }
    match filter.state {
        None => {}
        Some((Standing::Alive, now)) => {
            sql.push(" AND ended_at IS NULL AND over_at > ")
                .push_bind(nanos(now));
        }
        Some((Standing::Ended, now)) => {
            sql.push(" AND (ended_at IS NOT NULL OR over_at <= ")
                .push_bind(nanos(now));
            sql.push(")");
        }
    }
    if let Some(after) = page.after {
        sql.push(" AND (started_at, id) < (")
            .push_bind(nanos(after.started_at));
        sql.push(", ")
            .push_bind(after.id.as_bytes().to_vec())
            .push(")");
    }
    let size = page.size.min(Page::MAX);
    sql.push(" ORDER BY started_at DESC, id DESC LIMIT ");
    sql.push_bind(i64::try_from(size).unwrap_or_default());
    sql
}
