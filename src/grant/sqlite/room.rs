use sqlx::sqlite::SqliteConnection;

use super::error::Fault;
use crate::grant::Grant;

/// Counts one more, of an actor of which so many that ended are kept. What ended first makes room for it.
pub(super) async fn make_room(
    all: &mut SqliteConnection,
    grant: &Grant,
    keep: usize,
    most: u32,
) -> Result<(), Fault> {
    let actor = grant.actor().key();
    let gone = sqlx::query(BEYOND)
        .bind(actor.subject())
        .bind(actor.issuer())
        .bind(i64::try_from(keep).unwrap_or(i64::MAX))
        .bind(PORTION)
        .execute(&mut *all)
        .await?;
    let mut gone = i64::try_from(gone.rows_affected()).unwrap_or(i64::MAX);
    let count: i64 = sqlx::query_scalar("SELECT grants FROM ti_grant_count")
        .fetch_one(&mut *all)
        .await?;
    let too_many = count.saturating_sub(gone) + 1 - i64::from(most);
    if too_many > 0 {
        // More than one where the bound was lowered; the next starts take the rest.
        let first = sqlx::query(FIRST)
            .bind(too_many.min(PORTION))
            .execute(&mut *all)
            .await?
            .rows_affected();
        if first == 0 && gone == 0 {
            return Err(Fault::Full);
        }
        gone = gone.saturating_add(i64::try_from(first).unwrap_or(i64::MAX));
    }
    sqlx::query("UPDATE ti_grant_count SET grants = max(0, grants - ?) + 1")
        .bind(gone)
        .execute(all)
        .await?;
    Ok(())
}

/// So many at once, so that nobody waits long for it.
const PORTION: i64 = 200;

/// Of one actor, what started first.
const BEYOND: &str = "DELETE FROM ti_grant WHERE rowid IN \
    (SELECT rowid FROM ti_grant WHERE actor_sub = ?1 AND actor_iss = ?2 AND ended_at IS NOT NULL \
     ORDER BY started_at DESC, id DESC LIMIT ?4 OFFSET ?3)";

/// Of all, what ended first.
const FIRST: &str = "DELETE FROM ti_grant WHERE rowid IN \
    (SELECT rowid FROM ti_grant WHERE ended_at IS NOT NULL ORDER BY ended_at LIMIT ?)";
