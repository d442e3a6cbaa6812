use sqlx::Connection;

use super::error::Fault;
use super::row::{column, millis, moment};
use crate::cognito::lease::{Loan, Membership, Standing, UNSURE};
use crate::identity::IdentityKey;
use crate::sqlite::Connections;
use crate::time::Timestamp;

pub(super) async fn owed(file: &Connections, issuer: &str) -> Result<Vec<Membership>, Fault> {
    let mut lent = file.reader().await?;
    let rows: Vec<(String, String, String)> = sqlx::query_as(OWED)
        .bind(issuer)
        .fetch_all(&mut lent.connection)
        .await?;
    lent.give_back();
    let membership = |(subject, issuer, group): (String, String, String)| Membership {
        member: IdentityKey::new(issuer, subject),
        group,
    };
    Ok(rows.into_iter().map(membership).collect())
}

pub(super) async fn settle(
    file: &Connections,
    membership: &Membership,
    at: Timestamp,
) -> Result<(), Fault> {
    let mut lent = file.writer().await?;
    sqlx::query(SETTLE)
        .bind(millis(at))
        .bind(membership.member.subject())
        .bind(membership.member.issuer())
        .bind(&membership.group)
        .bind(millis(at.saturating_sub(UNSURE)))
        .execute(&mut lent.connection)
        .await?;
    lent.give_back();
    Ok(())
}

pub(super) async fn loans(
    file: &Connections,
    member: &IdentityKey,
    now: Timestamp,
) -> Result<Vec<Loan>, Fault> {
    let mut lent = file.reader().await?;
    let rows = sqlx::query(LOANS)
        .bind(millis(now))
        .bind(member.subject())
        .bind(member.issuer())
        .fetch_all(&mut lent.connection)
        .await?;
    lent.give_back();
    let mut loans = Vec::with_capacity(rows.len());
    for row in &rows {
        let is_lent: Option<i64> = column(row, "lent")?;
        let alive: i64 = column(row, "alive")?;
        loans.push(Loan {
            group: column(row, "name")?,
            standing: match (is_lent, alive) {
                (None | Some(0), _) => Standing::Own,
                (Some(_), 0) => Standing::Owed,
                (Some(_), _) => Standing::Lent,
            },
            settled_at: column::<Option<i64>>(row, "settled_at")?.map(moment),
        });
    }
    Ok(loans)
}

pub(super) async fn forget(
    file: &Connections,
    issuer: &str,
    before: Timestamp,
) -> Result<(), Fault> {
    let mut lent = file.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    for statement in [FORGET_GROUPS, FORGET_LEASES, FORGET_MEMBERSHIPS] {
        sqlx::query(statement)
            .bind(issuer)
            .bind(millis(before))
            .execute(&mut *all)
            .await?;
    }
    all.commit().await?;
    lent.give_back();
    Ok(())
}

const OWED: &str = "SELECT m.member_sub, m.member_iss, m.name FROM ti_membership AS m \
    WHERE m.member_iss = ? AND m.lent = 1 AND NOT EXISTS \
    (SELECT 1 FROM ti_lease_group AS g WHERE g.member_sub = m.member_sub \
     AND g.member_iss = m.member_iss AND g.name = m.name AND g.counts = 1) \
    ORDER BY m.member_sub, m.name LIMIT 200";

const SETTLE: &str = "UPDATE ti_membership AS m SET lent = NULL, settled_at = ? \
    WHERE m.member_sub = ? AND m.member_iss = ? AND m.name = ? AND m.lent = 1 AND NOT EXISTS \
    (SELECT 1 FROM ti_lease_group AS g WHERE g.member_sub = m.member_sub \
     AND g.member_iss = m.member_iss AND g.name = m.name AND g.counts = 1) AND NOT EXISTS \
    (SELECT 1 FROM ti_lease_group AS g JOIN ti_lease AS l ON l.id = g.lease \
     WHERE g.member_sub = m.member_sub AND g.member_iss = m.member_iss AND g.name = m.name \
     AND l.held = 0 AND l.ended_at > ?)";

const LOANS: &str = "SELECT m.name, m.lent, m.settled_at, EXISTS \
    (SELECT 1 FROM ti_lease_group AS g JOIN ti_lease AS l ON l.id = g.lease \
     WHERE g.member_sub = m.member_sub AND g.member_iss = m.member_iss AND g.name = m.name \
     AND g.counts = 1 AND l.deadline > ?) AS alive \
    FROM ti_membership AS m WHERE m.member_sub = ? AND m.member_iss = ? ORDER BY m.name";

const FORGET_GROUPS: &str = "DELETE FROM ti_lease_group WHERE lease IN \
    (SELECT id FROM ti_lease WHERE member_iss = ? AND ended_at < ?)";

const FORGET_LEASES: &str = "DELETE FROM ti_lease WHERE member_iss = ? AND ended_at < ?";

const FORGET_MEMBERSHIPS: &str = "DELETE FROM ti_membership AS m WHERE m.member_iss = ? AND m.lent IS NULL \
    AND (m.settled_at IS NULL OR m.settled_at < ?) AND NOT EXISTS \
    (SELECT 1 FROM ti_lease_group AS g WHERE g.member_sub = m.member_sub \
     AND g.member_iss = m.member_iss AND g.name = m.name AND g.counts = 1)";
