use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use sqlx::sqlite::{SqliteConnection, SqliteRow};

use crate::answer::Answer;
use crate::grant::StoreError;
use crate::grant::codes::{ChallengeId, CodeHash, CodeStore, KeptCode, Taking};
use crate::grant::sqlite::error::Fault;
use crate::grant::sqlite::row::{column, moment, nanos};
use crate::identity::IdentityKey;
use crate::sqlite::{Connections, Database, Part};
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Keeps codes in a SQLite file, which may be that of the grants.
///
/// The file is made when it is not there; one that cannot be opened and written is an error when the routes
/// are built. What holds for it stands in [`grant::sqlite`](mod@crate::grant::sqlite). Waits up to 500 ms for
/// a lock. At most a million codes.
#[must_use]
pub fn sqlite(path: impl Into<PathBuf>) -> SqliteCodes {
    let database = Database {
        path: path.into(),
        busy_timeout: Duration::from_millis(500),
        part: CODES,
    };
    SqliteCodes(Arc::new(Connections::new(database, "sign-in codes")))
}

/// The store made by [`sqlite`](fn@sqlite). Clones share their connections.
#[derive(Clone)]
pub struct SqliteCodes(Arc<Connections>);

impl SqliteCodes {
    fn later<T, F>(&self, work: impl FnOnce(Arc<Connections>) -> F) -> Answer<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.0));
        Answer::later(async move { work.await.map_err(StoreError::from) })
    }
}

impl CodeStore for SqliteCodes {
    fn keep(&self, code: KeptCode, now: Timestamp) -> Answer<Result<(), StoreError>> {
        self.later(move |connections| async move { keep(&connections, &code, now).await })
    }

    fn find(&self, hash: &CodeHash) -> Answer<Result<Option<KeptCode>, StoreError>> {
        let hash = *hash;
        self.later(move |connections| async move {
            let mut lent = connections.reader().await?;
            let found = find(&mut lent.connection, &hash).await?;
            lent.give_back();
            Ok(found)
        })
    }

    fn take(&self, hash: &CodeHash, taking: Taking) -> Answer<Result<Option<Taking>, StoreError>> {
        let hash = *hash;
        self.later(move |connections| async move { take(&connections, &hash, taking).await })
    }

    fn last_taken(
        &self,
        target: &IdentityKey,
        client: &str,
    ) -> Answer<Result<Option<CodeHash>, StoreError>> {
        let (target, client) = (target.clone(), client.to_owned());
        self.later(
            move |connections| async move { last_taken(&connections, &target, &client).await },
        )
    }

    fn check(&self) -> Result<(), StoreError> {
        { self.0.check().map_err(Fault::from) }.map_err(StoreError::from)
    }
}

async fn keep(connections: &Connections, code: &KeptCode, now: Timestamp) -> Result<(), Fault> {
    let mut lent = connections.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(FORGET)
        .bind(nanos(now))
        .execute(&mut *all)
        .await?;
    let kept = sqlx::query(KEEP)
        .bind(code.hash.as_bytes().as_slice())
        .bind(code.grant.as_bytes().as_slice())
        .bind(code.actor.subject())
        .bind(code.actor.issuer())
        .bind(code.target.subject())
        .bind(code.target.issuer())
        .bind(code.username.as_deref())
        .bind(&*code.client)
        .bind(nanos(code.expires_at))
        .bind(nanos(code.keep_until))
        .bind(MOST)
        .execute(&mut *all)
        .await?;
    if kept.rows_affected() == 0 {
        return Err(Fault::Full);
    }
    all.commit().await?;
    lent.give_back();
    Ok(())
}

async fn take(
    connections: &Connections,
    hash: &CodeHash,
    taking: Taking,
) -> Result<Option<Taking>, Fault> {
    let mut lent = connections.writer().await?;
    let mut all = lent.connection.begin_with("BEGIN IMMEDIATE").await?;
    sqlx::query(TAKE)
        .bind(taking.challenge.as_bytes().as_slice())
        .bind(nanos(taking.at))
        .bind(hash.as_bytes().as_slice())
        .execute(&mut *all)
        .await?;
    let found = find(&mut all, hash).await?;
    all.commit().await?;
    lent.give_back();
    Ok(found.and_then(|code| code.taken))
}

async fn last_taken(
    connections: &Connections,
    target: &IdentityKey,
    client: &str,
) -> Result<Option<CodeHash>, Fault> {
    let mut lent = connections.reader().await?;
    let row = sqlx::query(LAST_TAKEN)
        .bind(target.issuer())
        .bind(target.subject())
        .bind(client)
        .fetch_optional(&mut lent.connection)
        .await?;
    lent.give_back();
    let hash = |row: &SqliteRow| bits(column(row, "hash")?, "hash").map(CodeHash::from_bytes);
    row.as_ref().map(hash).transpose()
}

async fn find(on: &mut SqliteConnection, hash: &CodeHash) -> Result<Option<KeptCode>, Fault> {
    let row = sqlx::query("SELECT * FROM ti_sign_in_code WHERE hash = ?")
        .bind(hash.as_bytes().as_slice())
        .fetch_optional(on)
        .await?;
    row.as_ref().map(|row| read(row, *hash)).transpose()
}

fn read(row: &SqliteRow, hash: CodeHash) -> Result<KeptCode, Fault> {
    let person = |iss, sub| {
        let (issuer, subject): (&str, &str) = (column(row, iss)?, column(row, sub)?);
        Ok::<_, Fault>(IdentityKey::new(issuer, subject))
    };
    let challenge: Option<&[u8]> = column(row, "challenge")?;
    let taken = match (challenge, column(row, "taken_at")?) {
        (Some(challenge), Some(at)) => Some(Taking {
            challenge: ChallengeId::from_bytes(bits(challenge, "challenge")?),
            at: moment(at),
        }),
        _ => None,
    };
    let username: Option<&str> = column(row, "username")?;
    Ok(KeptCode {
        hash,
        grant: GrantId::from_bytes(bits(column(row, "grant_id")?, "grant_id")?),
        actor: person("actor_iss", "actor_sub")?,
        target: person("target_iss", "target_sub")?,
        username: username.map(Into::into),
        client: column::<&str>(row, "client")?.into(),
        expires_at: moment(column(row, "expires_at")?),
        keep_until: moment(column(row, "keep_until")?),
        taken,
    })
}

fn bits(bytes: &[u8], name: &'static str) -> Result<[u8; 32], Fault> {
    bytes.try_into().map_err(|_| Fault::Column(name))
}

impl fmt::Debug for SqliteCodes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteCodes")
            .field("path", &self.0.database.path)
            .finish_non_exhaustive()
    }
}

const MOST: u32 = 1_000_000;

const FORGET: &str = "DELETE FROM ti_sign_in_code WHERE keep_until <= ?1 \
    OR (taken_at IS NULL AND expires_at <= ?1)";

const KEEP: &str = "INSERT INTO ti_sign_in_code (hash, grant_id, actor_sub, actor_iss, target_sub, target_iss, \
    username, client, expires_at, keep_until) SELECT ?, ?, ?, ?, ?, ?, ?, ?, ?, ? \
    WHERE (SELECT count(*) FROM ti_sign_in_code) < ?";

const TAKE: &str = "UPDATE ti_sign_in_code SET challenge = ?, taken_at = ?, \
    taken_order = (SELECT coalesce(max(taken_order), 0) + 1 FROM ti_sign_in_code) \
    WHERE hash = ? AND taken_at IS NULL";

const LAST_TAKEN: &str = "SELECT hash FROM ti_sign_in_code WHERE target_iss = ? AND target_sub = ? AND client = ? \
    AND taken_order IS NOT NULL ORDER BY taken_order DESC LIMIT 1";

/// Its table.
const CODES: Part = Part {
    name: "sign_in_code",
    steps: &[
        include_str!("migrations/0001_codes.sql"),
        include_str!("migrations/0002_last_taken.sql"),
    ],
};
