use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::task::AbortHandle;

use crate::cognito::lease::{LeaseError, Leases};
use crate::terms::{EndReason, GrantId};

/// What waits for the grants of leases that this process took, by lease; it ends with the lease.
#[derive(Default)]
pub(super) struct Watches(Mutex<HashMap<GrantId, AbortHandle>>);

impl Watches {
    /// The lease is over.
    pub(super) fn stop(&self, id: &GrantId) {
        if let Some(watch) = self.locked().remove(id) {
            watch.abort();
        }
    }

    fn watched(&self) -> Vec<GrantId> {
        self.locked().keys().copied().collect()
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<GrantId, AbortHandle>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Leases {
    /// Ends that lease when its grant ends, from before the lease begins. Answers with whether the grant
    /// ended: an end that comes before the lease does finds none.
    pub(super) fn watch(
        &self,
        id: GrantId,
        ended: impl Future<Output = ()> + Send + 'static,
    ) -> Arc<AtomicBool> {
        let over = Arc::new(AtomicBool::new(false));
        let (told, leases) = (Arc::clone(&over), Arc::downgrade(&self.0));
        // Not for ever: it ends by itself, and a sweep sees to that.
        let longest = self.0.longest;
        let mut watches = self.0.watches.locked();
        let watch = tokio::spawn(async move {
            if tokio::time::timeout(longest, ended).await.is_err() {
                return;
            }
            told.store(true, Ordering::Release);
            let Some(leases) = leases.upgrade().map(Self) else {
                return;
            };
            // The end must not stop what brings it about.
            leases.0.watches.locked().remove(&id);
            if let Err(error) = leases.end(&id, EndReason::ActorSessionEnded).await {
                tracing::warn!(target: "impersonation", %error, "a lease whose grant ended is still to be taken back");
            }
        });
        watches.insert(id, watch.abort_handle());
        over
    }

    /// Stops waiting for the grants of leases that another process ended.
    pub(super) async fn stop_watching(&self) -> Result<(), LeaseError> {
        for id in self.0.watches.watched() {
            let found = self.0.store.find(&id).await.map_err(LeaseError::store)?;
            if found.is_some_and(|lease| lease.agreed().state().end.is_some()) {
                self.0.watches.stop(&id);
            }
        }
        Ok(())
    }
}
