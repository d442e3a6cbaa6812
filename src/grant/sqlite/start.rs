use sqlx::sqlite::SqliteConnection;
use sqlx::{Connection, Sqlite, Transaction};

use super::Shared;
use super::error::Fault;
use super::room::make_room;
use super::row::{nanos, over_at, read, select, span};
use super::transitions::end;
use crate::grant::{End, Grant, Others, StartLimit, Started};
use crate::terms::EndReason;

impl Shared {
    pub(super) async fn start(&self, grant: Grant, limit: StartLimit) -> Result<Started, Fault> {
        let mut lent = self.connections.writer().await?;
        let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
        let started = self.start_in(&mut all, grant, limit).await;
        match &started {
            Ok(_) => all.commit().await?,
            // Nothing happened; the connection is as good as before.
            Err(Fault::Full) => all.rollback().await?,
            Err(_) => return started,
        }
        lent.give_back();
        started
    }

    async fn start_in(
        &self,
        all: &mut Transaction<'_, Sqlite>,
        grant: Grant,
        limit: StartLimit,
    ) -> Result<Started, Fault> {
        let others = Alive {
            of: &grant,
            now: nanos(limit.now),
        };
        let mut replaced = Vec::new();
        match limit.others {
            Others::Stay => {
                if let Some(same) = others.on_its_target(all).await?.into_iter().next() {
                    return Ok(Started::Same(same));
                }
                if others.elsewhere(all).await? >= limit.per_actor {
                    if let Some(oldest) = others.oldest_elsewhere(all, 1).await?.pop() {
                        return Ok(Started::TooMany(oldest));
                    }
                }
            }
            Others::Replaced => {
                replaced = others.on_its_target(all).await?;
                let elsewhere = others.elsewhere(all).await?;
                let too_many = (elsewhere + 1).saturating_sub(limit.per_actor);
                replaced.extend(others.oldest_elsewhere(all, too_many).await?);
            }
        }
        let keep = limit.keep_ended.saturating_sub(replaced.len());
        make_room(all, &grant, keep, self.most).await?;
        let because = End {
            reason: EndReason::Replaced,
            at: limit.now,
            by: Some(grant.actor().key().clone()),
        };
        let mut ended = Vec::with_capacity(replaced.len());
        for other in &replaced {
            let other = end(all, other.id(), &because).await?;
            ended.extend(other.filter(|other| other.now).map(|other| other.grant));
        }
        insert(all, &grant).await?;
        Ok(Started::New(grant, ended))
    }
}

/// The grants of the same actor that are alive.
struct Alive<'g> {
    of: &'g Grant,
    now: i64,
}

impl Alive<'_> {
    async fn on_its_target(&self, all: &mut SqliteConnection) -> Result<Vec<Grant>, Fault> {
        let (actor, target) = (self.of.actor().key(), self.of.target().key());
        let rows = sqlx::query(select!(
            "WHERE actor_sub = ? AND actor_iss = ? AND ended_at IS NULL AND over_at > ? \
             AND target_sub = ? AND target_iss = ? ORDER BY started_at, id"
        ))
        .bind(actor.subject())
        .bind(actor.issuer())
        .bind(self.now)
        .bind(target.subject())
        .bind(target.issuer())
        .fetch_all(all)
        .await?;
        rows.iter().map(read).collect()
    }

    /// How many there are on other targets.
    async fn elsewhere(&self, all: &mut SqliteConnection) -> Result<usize, Fault> {
        let (actor, target) = (self.of.actor().key(), self.of.target().key());
        let count: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM ti_grant \
             WHERE actor_sub = ? AND actor_iss = ? AND ended_at IS NULL AND over_at > ? \
             AND NOT (target_sub = ? AND target_iss = ?)",
        )
        .bind(actor.subject())
        .bind(actor.issuer())
        .bind(self.now)
        .bind(target.subject())
        .bind(target.issuer())
        .fetch_one(all)
        .await?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX - 1))
    }

    async fn oldest_elsewhere(
        &self,
        all: &mut SqliteConnection,
        most: usize,
    ) -> Result<Vec<Grant>, Fault> {
        let (actor, target) = (self.of.actor().key(), self.of.target().key());
        let rows = sqlx::query(select!(
            "WHERE actor_sub = ? AND actor_iss = ? AND ended_at IS NULL AND over_at > ? \
             AND NOT (target_sub = ? AND target_iss = ?) ORDER BY started_at, id LIMIT ?"
        ))
        .bind(actor.subject())
        .bind(actor.issuer())
        .bind(self.now)
        .bind(target.subject())
        .bind(target.issuer())
        .bind(i64::try_from(most).unwrap_or(i64::MAX))
        .fetch_all(all)
        .await?;
        rows.iter().map(read).collect()
    }
}

/// An id that is there already is an error.
async fn insert(all: &mut SqliteConnection, grant: &Grant) -> Result<(), Fault> {
    let (actor, target, session) = (grant.actor().key(), grant.target().key(), grant.session());
    let end = grant.state().end.as_ref();
    let by = end.and_then(|end| end.by.as_ref());
    sqlx::query(INSERT)
        .bind(grant.id().as_bytes().as_slice())
        .bind(actor.subject())
        .bind(actor.issuer())
        .bind(target.subject())
        .bind(target.issuer())
        .bind(session.token_id.as_deref())
        .bind(session.origin_token_id.as_deref())
        .bind(session.session_id.as_deref())
        .bind(nanos(grant.started_at()))
        .bind(grant.idle_limit().map(span))
        .bind(nanos(grant.deadline()))
        .bind(nanos(grant.state().last_used_at))
        .bind(over_at(grant))
        .bind(end.map(|end| nanos(end.at)))
        .bind(end.map(|end| end.reason.as_str()))
        .bind(by.map(|by| by.subject()))
        .bind(by.map(|by| by.issuer()))
        .bind(grant.start().to_json())
        .execute(all)
        .await?;
    Ok(())
}

const INSERT: &str = "INSERT INTO ti_grant \
    (id, actor_sub, actor_iss, target_sub, target_iss, token_id, origin_token_id, session_id, started_at, \
     idle_limit, deadline, last_used_at, over_at, ended_at, end_reason, ended_by_sub, ended_by_iss, start) \
    VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
