use std::sync::Arc;

use crate::token::keys::endpoint::Loaded;
use crate::token::keys::{RefreshError, Remote};

/// A fetch under way. Dropped without having landed, it counts as failed: a panic in a fetcher
/// leaves the source usable.
pub(super) struct Flight {
    remote: Option<Arc<Remote>>,
}

impl Flight {
    pub(super) fn new(remote: Arc<Remote>) -> Self {
        Self {
            remote: Some(remote),
        }
    }

    pub(super) async fn run(mut self) {
        let Some(remote) = &self.remote else { return };
        let parts = &remote.parts;
        let load = parts
            .endpoint
            .load(&*parts.fetch, &parts.limits, &parts.rules, &parts.issuer);
        let result = match tokio::time::timeout(parts.limits.whole(), load).await {
            Ok(result) => result,
            Err(_) => Err(RefreshError::TimedOut),
        };
        self.land(result);
    }

    fn land(&mut self, result: Result<Loaded, RefreshError>) {
        if let Some(remote) = self.remote.take() {
            remote.land(result);
        }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.land(Err(RefreshError::Died));
    }
}
