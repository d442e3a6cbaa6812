//! The state of renewing: what is under way, and what came of it last.

use std::error::Error;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::keys::RefreshError;

#[derive(Default)]
pub(super) struct Refresh {
    /// Dropped when the fetch that is under way ends: that wakes those who wait.
    pub(super) flight: Option<watch::Sender<()>>,
    pub(super) last: Option<Attempt>,
}

pub(super) struct Attempt {
    pub(super) ended: Duration,
    pub(super) failure: Option<Arc<RefreshError>>,
}

impl Refresh {
    /// While it is too early for another attempt: what to answer to an unknown key.
    pub(super) fn cooling(&self, now: Duration) -> Option<TokenError> {
        let last = self.last.as_ref()?;
        (now.saturating_sub(last.ended) < COOL_DOWN).then(|| last.judge(now))
    }

    pub(super) fn judge(&self, now: Duration) -> Option<TokenError> {
        self.last.as_ref().map(|last| last.judge(now))
    }
}

impl Attempt {
    fn judge(&self, now: Duration) -> TokenError {
        match &self.failure {
            None => TokenErrorKind::UnknownKey.into(),
            Some(failure) => {
                let since = now.saturating_sub(self.ended);
                let source: Arc<dyn Error + Send + Sync> = Arc::<RefreshError>::clone(failure);
                TokenError::keys_unavailable(COOL_DOWN.saturating_sub(since), Some(source))
            }
        }
    }
}

/// Between two attempts.
pub(super) const COOL_DOWN: Duration = Duration::from_secs(10);
