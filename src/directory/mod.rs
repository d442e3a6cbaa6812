//! Who somebody is: standing, groups, tenant, rank and profile.
//!
//! An impersonating request carries the actor's token, seldom the target's, and no token tells
//! whether an account is still enabled. Whatever the policy and the handlers have to know besides
//! comes from a [`Directory`]: the application's user table, an LDAP server, a user pool. A closure is one; [`memory`] holds people in memory, and
//! [`cached`] makes a slow directory fast.
//!
//! Rules: a directory answers for the issuer that the reference names and for no other; it is asked
//! for actor and target of every impersonation, but only once the actor has passed the policy alone;
//! it says what it knows and decides nothing. A target counts only where it says that the account is
//! enabled. Found or not, disabled or ambiguous, the client sees the same refusal.
//!
//! Caveat: facts are as fresh as the directory. What [`cached`] holds may be a few seconds old, and
//! a name is borne by whoever bears it today.
//!
//! ```
//! use tower_impersonate::Identity;
//! use tower_impersonate::directory::{self, Directory, LookupError, LookupErrorKind};
//! use tower_impersonate::terms::TargetRef;
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() {
//! const ISSUER: &str = "https://issuer.example.com";
//! let users = directory::memory([
//!     Identity::new(ISSUER, "alice-sub")
//!         .with_username("alice")
//!         .with_groups(["customers"])
//!         .enabled_account(),
//! ]);
//! let found = users.find(&TargetRef::name(ISSUER, "alice")).await;
//! assert_eq!(found.unwrap().subject(), "alice-sub");
//! let missing = users.find(&TargetRef::subject(ISSUER, "mallory-sub")).await;
//! assert_eq!(missing.unwrap_err().kind(), LookupErrorKind::NotFound);
//!
//! // A closure is a directory, too.
//! let nobody = |_: &TargetRef| Err::<Identity, _>(LookupError::not_found());
//! assert!(nobody.find(&TargetRef::name(ISSUER, "alice")).await.is_err());
//! # }
//! ```

mod cached;
mod error;
mod index;
mod memory;

#[cfg(test)]
mod tests;

use std::sync::Arc;

pub use self::cached::{CacheError, CachedDirectory, cached};
pub use self::error::{LookupError, LookupErrorKind};
pub use self::memory::{MemoryDirectory, memory};

use crate::answer::Answer;
use crate::identity::{Identity, IdentityKey};
use crate::terms::TargetRef;

/// Finds people.
///
/// Anything that is `Fn(&TargetRef)` and returns a `Result<Identity, LookupError>`, or an
/// [`Answer`] of one, is a directory.
pub trait Directory: Send + Sync {
    /// Finds the one person that `target` refers to.
    ///
    /// Asked for the actor of every impersonation, by `sub`, and then for its target, also where the
    /// target's own token is at hand. `target.issuer()` is always a configured issuer, and the person
    /// must be that issuer's; who was asked for by `sub` must have that `sub`.
    ///
    /// Say of everybody whether the account is enabled: a target of which that is unknown is refused,
    /// and so is an actor that is disabled. An actor who is not found stays as its token says. Another
    /// fact that is left out is unknown, and rules that need it deny: give the groups even when there
    /// is none.
    ///
    /// Of the actor, and of a target whose token is at hand, only username, groups, tenant, rank and
    /// standing are taken, and only what the token does not say; scopes, login and attributes never.
    ///
    /// It must not block the thread; an answer that waits is given up after one second, unless
    /// configured otherwise. It is asked on every impersonating request: what it answers is never
    /// kept, except by [`cached`]. A panic counts as unavailable.
    ///
    /// # Errors
    ///
    /// [`LookupErrorKind::NotFound`] and [`LookupErrorKind::Ambiguous`] are answers, and refuse
    /// like a missing right; [`LookupErrorKind::Unavailable`] is a fault, and the request fails.
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>>;

    /// Finds the person with that key; asked for actors. By default it is [`find`](Self::find), by `sub`, and it must
    /// say the same: it is there for a directory that is quicker where it need not keep the reference. One around
    /// another can leave it out.
    ///
    /// # Errors
    ///
    /// As `find`.
    fn find_person(&self, key: &IdentityKey) -> Answer<Result<Identity, LookupError>> {
        self.find(&TargetRef::from(key))
    }
}

impl<F, R> Directory for F
where
    F: Fn(&TargetRef) -> R + Send + Sync,
    R: Into<Answer<Result<Identity, LookupError>>>,
{
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        self(target).into()
    }
}

impl<D: Directory + ?Sized> Directory for Arc<D> {
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        (**self).find(target)
    }

    fn find_person(&self, key: &IdentityKey) -> Answer<Result<Identity, LookupError>> {
        (**self).find_person(key)
    }
}
