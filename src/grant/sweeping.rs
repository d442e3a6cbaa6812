//! What nobody does by a request: ends by time, ends that were not kept, and forgetting.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::grant::keeper::{Shared, log};
use crate::grant::pending::Sight;
use crate::grant::{Ended, Grants, Page, StoreError};

/// One task sweeps at a time; when its runtime ends, another one may.
struct Turn(Weak<Shared>);

impl Drop for Turn {
    fn drop(&mut self) {
        // A runtime without a timer would panic again.
        if let (false, Some(shared)) = (std::thread::panicking(), self.0.upgrade()) {
            shared.sweeping.store(false, Ordering::Release);
        }
    }
}

impl Grants {
    /// Ends what is past its deadline or its idle limit, tries again what could not be kept, and forgets
    /// what ended long ago. A task does so every 30 s, from when the layer is built in a tokio runtime, or
    /// else from the first time that a grant is looked for.
    ///
    /// # Errors
    ///
    /// When the store could not do it.
    pub async fn sweep(&self) -> Result<(), StoreError> {
        for (id, end) in self.0.pending.left() {
            if let Ok(kept) = self.0.store.end(&id, end.clone()).await {
                // It may have been kept when nobody waited for the answer any more.
                let is_it = |kept: &Ended| kept.now || kept.grant.state().end == Some(end);
                if let (true, Some(kept)) = (self.0.pending.remove(&id), kept.filter(is_it)) {
                    self.tell_end(&kept.grant);
                }
            }
        }
        loop {
            let now = self.now();
            let lapsed = self.0.store.lapsed(now).await?;
            for grant in &lapsed {
                if let Some(end) = grant.end_at(now) {
                    self.end_as(grant.id(), end, Sight::Seen).await?;
                }
            }
            if lapsed.len() < Page::MAX {
                break;
            }
        }
        let keep = self.0.limits.keep_ended;
        let before = self.now().saturating_sub(keep);
        self.0.store.forget(before).await.map(drop)
    }

    pub(super) fn keep_sweeping(&self) {
        if self.0.sweeping.load(Ordering::Acquire) {
            return;
        }
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        if self.0.sweeping.swap(true, Ordering::AcqRel) {
            return;
        }
        let turn = Turn(Arc::downgrade(&self.0));
        runtime.spawn(async move {
            loop {
                tokio::time::sleep(BETWEEN_SWEEPS).await;
                let Some(grants) = turn.0.upgrade().map(Self) else {
                    return;
                };
                // A store that panics ends one sweep.
                let swept = tokio::spawn(async move { grants.sweep().await });
                match swept.await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => log(&error, "grants could not be swept"),
                    Err(error) => log(&StoreError::unavailable(error), "grants could not be swept"),
                }
            }
        });
    }
}

const BETWEEN_SWEEPS: Duration = Duration::from_secs(30);
