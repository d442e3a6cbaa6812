use sqlx::{Connection, SqliteConnection};

use super::error::Fault;
use super::row::millis;
use crate::cognito::lease::{Begun, Lease, Stage};
use crate::identity::Names;
use crate::sqlite::Connections;
use crate::terms::GrantId;

pub(super) async fn begin(
    file: &Connections,
    lease: &Lease,
    per_actor: usize,
) -> Result<Begun, Fault> {
    let mut lent = file.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    let begun = begin_in(&mut all, lease, per_actor).await;
    match &begun {
        Ok(Begun::New) => all.commit().await?,
        // Nothing happened; the connection is as good as before.
        Ok(Begun::Busy | Begun::TooMany) | Err(Fault::Id) => all.rollback().await?,
        Err(_) => return begun,
    }
    lent.give_back();
    begun
}

async fn begin_in(
    all: &mut SqliteConnection,
    lease: &Lease,
    per_actor: usize,
) -> Result<Begun, Fault> {
    let (id, member) = (lease.id().as_bytes().as_slice(), lease.member());
    let known: i64 = sqlx::query_scalar("SELECT count(*) FROM ti_lease WHERE id = ?")
        .bind(id)
        .fetch_one(&mut *all)
        .await?;
    if known > 0 {
        return Err(Fault::Id);
    }
    let alive: i64 = sqlx::query_scalar(ALIVE)
        .bind(member.subject())
        .bind(member.issuer())
        .bind(millis(lease.agreed().started_at()))
        .fetch_one(&mut *all)
        .await?;
    if usize::try_from(alive).is_ok_and(|alive| alive >= per_actor) {
        return Ok(Begun::TooMany);
    }
    sqlx::query(INSERT)
        .bind(id)
        .bind(member.subject())
        .bind(member.issuer())
        .bind(lease.stage() == Stage::Held)
        .bind(millis(lease.deadline()))
        .bind(lease.agreed().start().to_json())
        .execute(&mut *all)
        .await?;
    for group in lease.groups().iter() {
        let owed: i64 = sqlx::query_scalar(OWED)
            .bind(member.subject())
            .bind(member.issuer())
            .bind(group)
            .fetch_one(&mut *all)
            .await?;
        if owed > 0 {
            return Ok(Begun::Busy);
        }
        sqlx::query(INSERT_GROUP)
            .bind(member.subject())
            .bind(member.issuer())
            .bind(group)
            .bind(id)
            .execute(&mut *all)
            .await?;
        sqlx::query(INSERT_MEMBERSHIP)
            .bind(member.subject())
            .bind(member.issuer())
            .bind(group)
            .execute(&mut *all)
            .await?;
    }
    Ok(Begun::New)
}

pub(super) async fn note(
    file: &Connections,
    id: &GrantId,
    had: &Names,
) -> Result<Option<Names>, Fault> {
    let mut lent = file.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    let counting: Vec<String> = sqlx::query_scalar(COUNTING)
        .bind(id.as_bytes().as_slice())
        .fetch_all(&mut *all)
        .await?;
    for group in &counting {
        sqlx::query(NOTE)
            .bind(!had.contains(group))
            .bind(id.as_bytes().as_slice())
            .bind(group)
            .execute(&mut *all)
            .await?;
    }
    let groups: Vec<String> = sqlx::query_scalar(LENT)
        .bind(id.as_bytes().as_slice())
        .fetch_all(&mut *all)
        .await?;
    all.commit().await?;
    lent.give_back();
    Ok((!counting.is_empty()).then(|| groups.into()))
}

const ALIVE: &str = "SELECT count(*) FROM ti_lease \
    WHERE member_sub = ? AND member_iss = ? AND ended_at IS NULL AND deadline > ?";

const INSERT: &str = "INSERT INTO ti_lease (id, member_sub, member_iss, held, deadline, agreed) \
    VALUES (?, ?, ?, ?, ?, ?)";

/// Whether it is lent, and no lease counts on it.
const OWED: &str = "SELECT count(*) FROM ti_membership AS m \
    WHERE m.member_sub = ? AND m.member_iss = ? AND m.name = ? AND m.lent = 1 AND NOT EXISTS \
    (SELECT 1 FROM ti_lease_group AS g WHERE g.member_sub = m.member_sub \
     AND g.member_iss = m.member_iss AND g.name = m.name AND g.counts = 1)";

const INSERT_GROUP: &str = "INSERT INTO ti_lease_group (member_sub, member_iss, name, lease, counts) \
    VALUES (?, ?, ?, ?, 1)";

/// What is known of it stays.
const INSERT_MEMBERSHIP: &str = "INSERT INTO ti_membership (member_sub, member_iss, name) \
    VALUES (?, ?, ?) ON CONFLICT DO NOTHING";

const COUNTING: &str = "SELECT name FROM ti_lease_group WHERE lease = ? AND counts = 1";

/// Once, as long as it is not known.
const NOTE: &str = "UPDATE ti_membership SET lent = ?1 WHERE lent IS NULL \
    AND (member_sub, member_iss, name) = (SELECT member_sub, member_iss, name FROM ti_lease_group \
    WHERE lease = ?2 AND name = ?3)";

const LENT: &str = "SELECT g.name FROM ti_lease_group AS g JOIN ti_membership AS m \
    USING (member_sub, member_iss, name) WHERE g.lease = ? AND g.counts = 1 AND m.lent = 1";
