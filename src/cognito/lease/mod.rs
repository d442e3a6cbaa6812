//! Groups of a target, lent to an actor for a while.
//!
//! Some services know nothing but `cognito:groups`. For them an organisation is impersonated by adding the
//! administrator to its groups in the user pool, and by taking it out again, which is where it goes wrong: a
//! crash, a second administrator or a token minted meanwhile leave rights behind. A lease is that, with an end.
//!
//! **Prefer [`resolve::role`](crate::resolve::role) or a header** wherever this layer stands in front of the
//! service: nothing in the pool changes then, and nothing has to be cleaned up.
//!
//! Rules:
//!
//! - A lease needs an [`Impersonation`](crate::Impersonation) of the target: the policy's permit, which the
//!   audit took. It lends groups that the target has and that are on the [closed list](LeasesBuilder::groups),
//!   within one pool, to people and to no app client. One that is not in full mode lends nothing, and nothing
//!   is lent that the target has by a lease itself.
//! - The audit has it before the store, the store before the pool: what is lent, and what the actor had
//!   before. Whatever dies in between, the next sweep takes back what was lent and leaves the rest.
//! - A group that several leases lend goes when the last of them is over; a group that the actor had before
//!   stays.
//! - It ends by itself at its deadline, with the grant that the impersonation went on under, or by
//!   [`Leases::release`]. From that moment on [`Leases::recheck`] takes the group off tokens that still name
//!   it, at every service that asks the same store.
//! - An end is never held up: the audit hears of it afterwards, and a pool that cannot be asked is asked again
//!   by every sweep.
//!
//! Caveats: the pool's groups are the truth for whoever asks the pool, and tokens that were minted during a
//! lease name the group until they expire, for everybody who does not recheck. A group that somebody else
//! gives the same person while it is lent is taken away with the lease: nobody can tell the two apart. A
//! process that stands still between two calls for longer than half a minute may add a group after its lease
//! was swept; it takes it back when it goes on.
//!
//! ```
//! use std::time::Duration;
//! use tower_impersonate::{Impersonation, ImpersonationLayer, audit, cognito::{self, lease}};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # use aws_sdk_cognitoidentityprovider as aws;
//! # let config = aws::Config::builder().behavior_version(aws::config::BehaviorVersion::v2025_08_07()).build();
//! # let client = aws::Client::from_conf(config);
//! let desk = cognito::Pool::new("eu-west-1", "eu-west-1_Ab12Cd34E", client);
//! assert!(lease::leases(desk.clone(), lease::memory()).build().is_err(), "no group may be leased");
//! let leases = lease::leases(desk, lease::memory()) // `lease::sqlite(path)` outlives a crash
//!     .groups(["org-acme", "org-globex"])
//!     .lifetime(Duration::from_secs(900))
//!     .audit(audit::tracing())
//!     .build()?;
//! leases.start().await?; // takes back what another run left, and goes on doing so
//!
//! let layer = ImpersonationLayer::builder().recheck_groups(leases.recheck());
//! # drop(layer);
//!
//! async fn lend(leases: &lease::Leases, impersonation: &Impersonation) -> Result<(), lease::LeaseError> {
//!     let lease = leases.take(impersonation, ["org-acme"]).await?;
//!     // sign in again at Cognito: the new token names the group
//!     leases.release(lease.id()).await?;
//!     Ok(())
//! }
//! # let _ = lend;
//! # Ok(())
//! # }
//! ```

mod builder;
mod error;
mod leases;
mod memory;
mod recheck;
mod record;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub mod sqlite;
mod store;
mod sweep;
mod take;
mod watch;

pub use self::builder::{LeasesBuilder, leases};
pub use self::error::{LeaseError, LeaseErrorKind};
pub use self::leases::Leases;
pub use self::memory::{MemoryLeases, memory};
pub use self::recheck::Recheck;
pub use self::record::{Lease, Stage};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sqlite::sqlite;
pub use self::store::{Begun, LeaseStore, Loan, Membership, Standing, UNSURE};
