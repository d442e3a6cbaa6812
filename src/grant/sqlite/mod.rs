//! Grants in a SQLite file, which several processes of one machine may share.
//!
//! Rules: a transition has happened when its transaction is on the disk, and every question asks the file,
//! so what another process ended is over here at once. All tables begin with `ti_`: the file may be that
//! of the audit, or one of the application's own.
//!
//! A file that is locked, read-only, full or corrupt refuses impersonated requests with 503 until that is
//! over. So does one that was removed or replaced while it was in use, for as long as this value lives:
//! in a copy of yesterday, what was revoked today is alive. A row that makes no sense is an error to
//! whoever asks for it, and never a grant.
//!
//! A find is one look-up by primary key, in a statement that is prepared once, on a thread of its own: about
//! 100 µs, whatever the number of grants, and at most four at once. A start, an extension and an end each
//! wait for the disk, one after the other.
//!
//! Caveat: the file belongs on a local disk, not on a network share. It holds what the tokens of actors
//! said. Whoever can write it can make grants, so it is made readable and writable by its owner alone;
//! a file that others may write is refused, and one that they may read is warned of. Needs Rust 1.94.
//!
//! ```
//! use tower_impersonate::grant::{self, Grants, GrantStore};
//!
//! # let folder = std::env::temp_dir().join("tower-impersonate-doc-grants");
//! # std::fs::create_dir_all(&folder)?;
//! let store = grant::sqlite(folder.join("grants.sqlite"));
//! assert!(store.check().is_ok());
//! let grants = Grants::new(store);
//! # drop(grants);
//! # Ok::<(), std::io::Error>(())
//! ```

pub(super) mod error;
mod list;
mod room;
pub(super) mod row;
mod start;
mod sweep;
mod transitions;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::error::Fault;
use crate::answer::Answer;
use crate::grant::{End, Ended, Filter, Grant, GrantStore, Page, StartLimit, Started, StoreError};
use crate::sqlite::{Connections, Database, Part};
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Keeps grants in a SQLite file.
///
/// The file is made when it is not there; one that cannot be opened and written is an error when the
/// layer is built.
pub fn sqlite(path: impl Into<PathBuf>) -> SqliteStore {
    let database = Database {
        path: path.into(),
        busy_timeout: Duration::from_millis(500),
        part: GRANTS,
    };
    SqliteStore::new(database, 1_000_000)
}

/// The store made by [`sqlite`](fn@sqlite). Clones share their connections, once no setting follows.
#[derive(Clone)]
#[must_use = "a store does nothing until it is given to grants"]
pub struct SqliteStore(Arc<Shared>);

struct Shared {
    connections: Connections,
    most: u32,
}

impl SqliteStore {
    fn new(database: Database, most: u32) -> Self {
        Self(Arc::new(Shared {
            connections: Connections::new(database, "grants"),
            most,
        }))
    }

    /// How long to wait for a lock that another process or connection holds; 500 ms by default, 1 ms to
    /// 5 s. Longer than the builder's [deadline](crate::middleware::Builder::deadline) is of no use.
    pub fn busy_timeout(self, timeout: Duration) -> Self {
        let database = Database {
            busy_timeout: timeout,
            ..self.database().clone()
        };
        Self::new(database, self.0.most)
    }

    /// How many grants it may hold, those that ended included; a million by default, at least one. A start
    /// beyond them forgets one that ended, and is refused where there is none.
    pub fn most(self, grants: u32) -> Self {
        Self::new(self.database().clone(), grants)
    }

    fn database(&self) -> &Database {
        &self.0.connections.database
    }

    /// What has to be waited for.
    fn later<T, F>(&self, work: impl FnOnce(Arc<Shared>) -> F) -> Answer<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.0));
        Answer::later(async move { work.await.map_err(StoreError::from) })
    }
}

impl GrantStore for SqliteStore {
    fn start(&self, grant: Grant, limit: StartLimit) -> Answer<Result<Started, StoreError>> {
        self.later(|shared| async move { shared.start(grant, limit).await })
    }

    fn find(&self, id: &GrantId) -> Answer<Result<Option<Grant>, StoreError>> {
        let id = *id;
        self.later(move |shared| async move { shared.find(&id).await })
    }

    fn used(&self, id: &GrantId, at: Timestamp) -> Answer<Result<(), StoreError>> {
        let id = *id;
        self.later(move |shared| async move { shared.used(&id, at).await })
    }

    fn extend(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Grant>, StoreError>> {
        let id = *id;
        self.later(move |shared| async move { shared.extend(&id, deadline, now).await })
    }

    fn end(&self, id: &GrantId, end: End) -> Answer<Result<Option<Ended>, StoreError>> {
        let id = *id;
        self.later(move |shared| async move { shared.end(&id, &end).await })
    }

    fn list(&self, filter: &Filter, page: &Page) -> Answer<Result<Vec<Grant>, StoreError>> {
        let (filter, page) = (filter.clone(), *page);
        self.later(move |shared| async move { shared.list(&filter, &page).await })
    }

    fn lapsed(&self, now: Timestamp) -> Answer<Result<Vec<Grant>, StoreError>> {
        self.later(move |shared| async move { shared.lapsed(now).await })
    }

    fn forget(&self, ended_before: Timestamp) -> Answer<Result<u64, StoreError>> {
        self.later(move |shared| async move { shared.forget(ended_before).await })
    }

    fn check(&self) -> Result<(), StoreError> {
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(5));
        if !(least..=most).contains(&self.database().busy_timeout) {
            let bounds = "the busy timeout of a store of grants must be between 1 ms and 5 s";
            return Err(StoreError::unavailable(bounds));
        }
        if self.0.most == 0 {
            let bounds = "a store must be allowed to hold one grant at least";
            return Err(StoreError::unavailable(bounds));
        }
        self.0.connections.check().map_err(Fault::from)?;
        Ok(())
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore")
            .field("path", &self.database().path)
            .finish_non_exhaustive()
    }
}

/// Its tables.
const GRANTS: Part = Part {
    name: "grant",
    steps: &[
        include_str!("migrations/0001_grants.sql"),
        include_str!("migrations/0002_ended_of_actor.sql"),
    ],
};
