//! Grants: who may act as whom, until when, and how that ends at once.
//!
//! A grant begins with a decision of the policy that the audit took, and ends once, for a reason that
//! stays: [`EndReason`](crate::terms::EndReason). Every request under it asks whether it is alive, and
//! decides again whether it may be; what goes on over many seconds is told when it ends.
//!
//! - A grant is bound to the actor and the target by `(iss, sub)`; nobody else can use it.
//! - One person has one grant at a time, an app client up to a limit.
//! - A grant's [id](crate::terms::GrantId) is no secret. What a client holds, where it holds something,
//!   is a [`GrantSecret`](crate::terms::GrantSecret) that no store ever sees.
//! - Ending is never held up: neither an audit nor a store that fails keeps a grant alive here.
//! - Idle limits count requests; streams and sockets that go on are no use of a grant.
//!
//! A [`memory`] store knows one process. Several processes need a store that all of them share: on one
//! machine a SQLite file (`sqlite`, with the feature of that name), elsewhere one of your own.
//!
//! # A store of your own
//!
//! A [`GrantStore`] keeps what was agreed, which never changes ([`Start::to_json`]), and beside it what
//! does: the deadline, the last use and the end of [`State`]. Each method is one transition, done as a
//! whole or not at all, whoever else is at it: a compare-and-set, a script or a transaction, never a read
//! and then a write. `testing::assert_grant_store` (feature `testing`) holds a store to it.
//!
//! - What cannot be read is an error and never a grant; what cannot be asked is an error and never "none".
//! - An end must not be forgotten before its grant is: an entry that the store drops by itself has to live
//!   beyond [`Grant::latest`].
//! - `find` is asked on every request that is made under a grant, and by [`poll_interval`] while a response
//!   goes on. One that reads from a replica may be asked before the end arrives there: read where you write.
//!
//! [`poll_interval`]: GrantStore::poll_interval
//!
//! ```
//! use tower_impersonate::grant::{self, Filter, GrantLimits, Grants, Page};
//! use std::time::Duration;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let limits = GrantLimits::default().lifetime(Duration::from_secs(1800)).idle(Duration::from_secs(600));
//! let grants = Grants::with_limits(grant::memory(), limits);
//! assert!(grants.list(&Filter::default(), &Page::first()).await?.is_empty());
//! # Ok(())
//! # }
//! ```

mod agreed;
#[cfg(feature = "jwks")]
mod asking;
#[cfg(feature = "lambda")]
#[cfg_attr(docsrs, doc(cfg(feature = "lambda")))]
pub mod codes;
pub mod danger;
mod error;
mod followers;
mod hub;
#[cfg(feature = "jwks")]
mod introspect;
mod keeper;
#[cfg(feature = "cognito")]
mod lent;
mod limits;
mod listing;
#[cfg(feature = "testing")]
pub(crate) mod made_up;
mod memory;
mod pending;
mod record;
mod session;
mod source;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;
mod store;
mod stored;
mod sweeping;

#[cfg(all(feature = "jwks", feature = "lambda"))]
pub(crate) use self::asking::AppClient;
pub use self::error::{StoreError, StoreErrorKind};
pub use self::followers::OnEnd;
#[cfg(feature = "jwks")]
#[cfg_attr(docsrs, doc(cfg(feature = "jwks")))]
pub use self::introspect::{Introspect, introspect};
#[cfg(feature = "manage")]
pub(crate) use self::keeper::Beginning;
pub use self::keeper::Grants;
pub use self::limits::GrantLimits;
pub use self::memory::{MemoryStore, memory};
pub use self::record::{End, Grant, Start, State};
pub use self::session::{ActorSession, SessionKey};
pub use self::source::GrantSource;
pub(crate) use self::source::{Look, Told};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sqlite::sqlite;
pub use self::store::{
    Cursor, Ended, Filter, GrantStore, Others, Page, Standing, StartLimit, Started,
};
pub use self::stored::StartError;
