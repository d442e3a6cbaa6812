use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError, RwLock};

use crate::grant::{Grant, Grants};

/// Is told when a grant ends in this process.
///
/// Anything that is `Fn(&Grant)` is one. Told once of each grant, with its end, after the end was kept;
/// nobody waits for it, and it keeps no grant alive: it must not block, and what takes time belongs on a
/// task of its own. A panic in it is logged. What another process ended it is told by that process, if
/// that has one as well.
pub trait OnEnd: Send + Sync {
    /// This grant is over.
    fn ended(&self, grant: &Grant);
}

impl<F: Fn(&Grant) + Send + Sync> OnEnd for F {
    fn ended(&self, grant: &Grant) {
        self(grant);
    }
}

/// All that are told, in the order in which they came.
#[derive(Default)]
pub(super) struct Followers(RwLock<Vec<Arc<dyn OnEnd>>>);

impl Followers {
    fn add(&self, follower: Arc<dyn OnEnd>) {
        let followers = self.0.write();
        followers
            .unwrap_or_else(PoisonError::into_inner)
            .push(follower);
    }

    pub(super) fn tell(&self, grant: &Grant) {
        let followers = self
            .0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        for follower in followers {
            if catch_unwind(AssertUnwindSafe(|| follower.ended(grant))).is_err() {
                tracing::error!(target: "impersonation", "what follows the end of a grant panicked");
            }
        }
    }
}

impl fmt::Debug for Followers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Followers").finish_non_exhaustive()
    }
}

impl Grants {
    /// Tells `follower` of every grant that ends in this process from now on.
    ///
    /// ```
    /// use tower_impersonate::grant::{self, Grant, Grants};
    ///
    /// let grants = Grants::new(grant::memory());
    /// grants.on_end(|grant: &Grant| println!("{} is over", grant.id()));
    /// ```
    pub fn on_end(&self, follower: impl OnEnd + 'static) {
        self.followers().add(Arc::new(follower));
    }
}
