//! Leases in a SQLite file, which several processes of one machine may share.
//!
//! Rules: a transition has happened when its transaction is on the disk. All tables begin with `ti_`: the
//! file may be that of the grants or of the audit, or one of the application's own. A file that is locked,
//! read-only, full, corrupt, removed or replaced while in use is an error of whatever is asked, and nothing
//! is lent then. Moments are kept to the millisecond.
//!
//! Caveat: the file belongs on a local disk. A copy of yesterday knows nothing of what was lent today. Whoever
//! can write it can have people taken out of groups, so it is made readable and writable by its owner alone.
//! Needs Rust 1.94.
//!
//! ```
//! use tower_impersonate::cognito::lease::{self, LeaseStore};
//!
//! # let folder = std::env::temp_dir().join("tower-impersonate-doc-leases");
//! # std::fs::create_dir_all(&folder)?;
//! let store = lease::sqlite(folder.join("leases.sqlite"));
//! assert!(store.check().is_ok());
//! # Ok::<(), std::io::Error>(())
//! ```

mod begin;
mod error;
mod memberships;
mod reading;
mod row;
mod transitions;

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use self::error::Fault;
use crate::answer::Answer;
use crate::cognito::lease::{Begun, Lease, LeaseStore, Loan, Membership};
use crate::grant::{End, StoreError};
use crate::identity::{IdentityKey, Names};
use crate::sqlite::{Connections, Database, Part};
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Keeps leases in a SQLite file, which is made when it is not there.
pub fn sqlite(path: impl Into<PathBuf>) -> SqliteLeases {
    let database = Database {
        path: path.into(),
        busy_timeout: Duration::from_secs(2),
        part: LEASES,
    };
    SqliteLeases(Arc::new(Connections::new(database, "leases")))
}

/// The store made by [`sqlite`](fn@sqlite). Clones share their connections.
#[derive(Clone)]
#[must_use = "a store does nothing until it is given to leases"]
pub struct SqliteLeases(Arc<Connections>);

impl SqliteLeases {
    fn later<T, F>(&self, work: impl FnOnce(Arc<Connections>) -> F) -> Answer<Result<T, StoreError>>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, Fault>> + Send + 'static,
    {
        let work = work(Arc::clone(&self.0));
        Answer::later(async move { work.await.map_err(StoreError::unavailable) })
    }
}

impl LeaseStore for SqliteLeases {
    fn begin(&self, lease: Lease, per_actor: usize) -> Answer<Result<Begun, StoreError>> {
        self.later(move |file| async move { begin::begin(&file, &lease, per_actor).await })
    }

    fn note(&self, id: &GrantId, had: &Names) -> Answer<Result<Option<Names>, StoreError>> {
        let (id, had) = (*id, had.clone());
        self.later(move |file| async move { begin::note(&file, &id, &had).await })
    }

    fn hold(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Lease>, StoreError>> {
        let id = *id;
        self.later(move |file| async move { transitions::hold(&file, &id, deadline, now).await })
    }

    fn end(
        &self,
        issuer: &str,
        id: &GrantId,
        end: End,
    ) -> Answer<Result<Option<Lease>, StoreError>> {
        let (issuer, id) = (issuer.to_owned(), *id);
        self.later(move |file| async move { transitions::end(&file, &issuer, &id, &end).await })
    }

    fn find(&self, id: &GrantId) -> Answer<Result<Option<Lease>, StoreError>> {
        let id = *id;
        self.later(move |file| async move { reading::find(&file, &id).await })
    }

    fn counting(
        &self,
        issuer: &str,
        behind: Option<&GrantId>,
    ) -> Answer<Result<Vec<Lease>, StoreError>> {
        let (issuer, behind) = (issuer.to_owned(), behind.copied());
        self.later(
            move |file| async move { reading::counting(&file, &issuer, behind.as_ref()).await },
        )
    }

    fn lapsed(&self, issuer: &str, now: Timestamp) -> Answer<Result<Vec<Lease>, StoreError>> {
        let issuer = issuer.to_owned();
        self.later(move |file| async move { reading::lapsed(&file, &issuer, now).await })
    }

    fn owed(&self, issuer: &str) -> Answer<Result<Vec<Membership>, StoreError>> {
        let issuer = issuer.to_owned();
        self.later(move |file| async move { memberships::owed(&file, &issuer).await })
    }

    fn last(&self, membership: &Membership) -> Answer<Result<Option<Lease>, StoreError>> {
        let membership = membership.clone();
        self.later(move |file| async move { reading::last(&file, &membership).await })
    }

    fn settle(&self, membership: &Membership, at: Timestamp) -> Answer<Result<(), StoreError>> {
        let membership = membership.clone();
        self.later(move |file| async move { memberships::settle(&file, &membership, at).await })
    }

    fn loans(&self, member: &IdentityKey, now: Timestamp) -> Answer<Result<Vec<Loan>, StoreError>> {
        let member = member.clone();
        self.later(move |file| async move { memberships::loans(&file, &member, now).await })
    }

    fn forget(&self, issuer: &str, before: Timestamp) -> Answer<Result<(), StoreError>> {
        let issuer = issuer.to_owned();
        self.later(move |file| async move { memberships::forget(&file, &issuer, before).await })
    }

    fn check(&self) -> Result<(), StoreError> {
        let checked = self.0.check().map_err(Fault::from);
        checked.map_err(StoreError::unavailable)
    }
}

impl fmt::Debug for SqliteLeases {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteLeases")
            .field("path", &self.0.database.path)
            .finish_non_exhaustive()
    }
}

/// Its tables.
const LEASES: Part = Part {
    name: "lease",
    steps: &[include_str!("migrations/0001_leases.sql")],
};
