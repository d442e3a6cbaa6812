use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::watch;

use crate::measure::{Fetched, Measurement, Measures};
use crate::time::Clock;
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::fetch::{FetchKeys, FetchLimits};
use crate::token::keys::endpoint::Loaded;
use crate::token::keys::flight::Flight;
use crate::token::keys::refresh::{Attempt, COOL_DOWN, Refresh};
use crate::token::keys::{
    Connecting, Endpoint, Fallback, Key, KeyRules, KeySet, Lookup, RefreshError, Waiting,
};

/// Keys that are fetched when first needed, and again when they are old or a token names a key that
/// is not among them.
///
/// One fetch at a time, on a task of its own: a client that leaves takes nothing with it. Whoever
/// needs a key that is there never waits, whatever the endpoint does.
pub(crate) struct Remote {
    pub(super) parts: RemoteParts,
    keys: RwLock<Option<KeySet>>,
    /// Milliseconds on the monotonic clock: from when on a renewal is due, and when the keys end.
    renew_at: AtomicU64,
    ends_at: AtomicU64,
    /// Held for a few instructions, never across an await.
    refresh: Mutex<Refresh>,
}

/// What a remote source is made of.
pub(crate) struct RemoteParts {
    pub(crate) issuer: Arc<str>,
    pub(crate) endpoint: Endpoint,
    pub(crate) rules: KeyRules,
    pub(crate) fallback: Fallback,
    pub(crate) limits: FetchLimits,
    pub(crate) fetch: Arc<dyn FetchKeys>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) measures: Measures,
}

impl Remote {
    pub(crate) fn new(parts: RemoteParts) -> Self {
        Self {
            parts,
            keys: RwLock::new(None),
            renew_at: AtomicU64::new(0),
            ends_at: AtomicU64::new(0),
            refresh: Mutex::default(),
        }
    }

    pub(super) fn fallback(&self) -> Fallback {
        self.parts.fallback
    }

    pub(super) fn find(self: &Arc<Self>, kid: Option<&str>) -> Lookup {
        let now = self.parts.clock.monotonic();
        if let Some(key) = self.known(kid, now) {
            self.renew_if_due(now);
            return Lookup::Known(key);
        }
        let refresh = self.refresh();
        // One may have ended since the first look.
        if let Some(key) = self.known(kid, now) {
            return Lookup::Known(key);
        }
        let landed = match (&refresh.flight, refresh.cooling(now)) {
            (Some(flight), _) if flight.receiver_count() < MAX_WAITERS => Some(flight.subscribe()),
            (None, None) => self.start(refresh, now),
            (Some(_), _) => None,
            (None, Some(refused)) => return Lookup::Refused(refused),
        };
        match landed {
            Some(landed) => Lookup::Later(Waiting {
                remote: Arc::clone(self),
                landed,
            }),
            None => Lookup::Refused(TokenError::keys_unavailable(Duration::ZERO, None)),
        }
    }

    pub(super) fn still_serves(self: &Arc<Self>) -> bool {
        let now = self.parts.clock.monotonic();
        self.renew_if_due(now);
        millis(now) < self.ends_at.load(Ordering::Acquire)
    }

    /// What became of a wait.
    pub(super) fn after_refresh(&self, kid: Option<&str>) -> Result<Arc<Key>, TokenError> {
        let now = self.parts.clock.monotonic();
        self.known(kid, now).ok_or_else(|| {
            let last = self.refresh();
            last.judge(now)
                .unwrap_or_else(|| TokenErrorKind::UnknownKey.into())
        })
    }

    /// Fetches now, regardless of the cool-down; joins a fetch that is under way.
    pub(super) fn connect(self: &Arc<Self>) -> Connecting {
        let refresh = self.refresh();
        let landed = match &refresh.flight {
            Some(flight) => Some(flight.subscribe()),
            None => self.start(refresh, self.parts.clock.monotonic()),
        };
        Connecting {
            remote: Arc::clone(self),
            landed,
        }
    }

    pub(super) fn last_failure(&self) -> Option<Arc<RefreshError>> {
        let refresh = self.refresh();
        let last = refresh.last.as_ref()?;
        last.failure.clone()
    }

    fn known(&self, kid: Option<&str>, now: Duration) -> Option<Arc<Key>> {
        let keys = self.keys.read().unwrap_or_else(PoisonError::into_inner);
        let found = keys.as_ref()?.find(kid, self.parts.fallback)?;
        (millis(now) < self.ends_at.load(Ordering::Acquire)).then(|| Arc::clone(found))
    }

    fn renew_if_due(self: &Arc<Self>, now: Duration) {
        if millis(now) < self.renew_at.load(Ordering::Acquire) {
            return;
        }
        let refresh = self.refresh();
        if refresh.flight.is_none() && refresh.cooling(now).is_none() {
            // Nobody waits for this one.
            drop(self.start(refresh, now));
        }
    }

    /// Starts a fetch; `None` outside of a tokio runtime.
    fn start(
        self: &Arc<Self>,
        mut refresh: MutexGuard<'_, Refresh>,
        now: Duration,
    ) -> Option<watch::Receiver<()>> {
        let runtime = Handle::try_current().ok()?;
        let (flight, landed) = watch::channel(());
        refresh.flight = Some(flight);
        self.renew_at
            .store(millis(now.saturating_add(COOL_DOWN)), Ordering::Release);
        // A runtime that is shutting down drops the task at once, and the task takes this lock.
        drop(refresh);
        runtime.spawn(Flight::new(Arc::clone(self)).run());
        Some(landed)
    }

    /// The end of a fetch, whatever came of it.
    pub(super) fn land(&self, result: Result<Loaded, RefreshError>) {
        let now = self.parts.clock.monotonic();
        let failure = match result {
            Ok(loaded) => {
                self.take_over(loaded, now);
                None
            }
            Err(error) => {
                tracing::warn!(
                    target: "impersonation::token",
                    issuer = &*self.parts.issuer, error = &error as &dyn std::error::Error,
                    "keys could not be fetched"
                );
                self.renew_at
                    .store(millis(now.saturating_add(COOL_DOWN)), Ordering::Release);
                Some(Arc::new(error))
            }
        };
        let outcome = match &failure {
            None => Fetched::Ok,
            Some(_) => Fetched::Failed,
        };
        self.parts.measures.tell(|| Measurement::KeyRefresh {
            issuer: &self.parts.issuer,
            outcome,
        });
        let mut refresh = self.refresh();
        refresh.last = Some(Attempt {
            ended: now,
            failure,
        });
        refresh.flight = None;
    }

    fn take_over(&self, loaded: Loaded, now: Duration) {
        let age = loaded.max_age.unwrap_or(DEFAULT_AGE);
        let age = age.clamp(MIN_AGE, LONGEST_AGE);
        let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
        let renewed = match &*keys {
            Some(before) => loaded.keys.succeeding(before, &self.parts.issuer),
            None => loaded.keys,
        };
        *keys = Some(renewed);
        self.renew_at
            .store(millis(now.saturating_add(age)), Ordering::Release);
        self.ends_at
            .store(millis(now.saturating_add(END)), Ordering::Release);
    }

    fn refresh(&self) -> MutexGuard<'_, Refresh> {
        self.refresh.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("issuer", &self.parts.issuer)
            .field("endpoint", &self.parts.endpoint)
            .finish_non_exhaustive()
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}

pub(super) const MAX_WAITERS: usize = 1024;
/// Until a renewal is due, where the server does not say.
pub(super) const DEFAULT_AGE: Duration = Duration::from_secs(15 * 60);
pub(super) const MIN_AGE: Duration = Duration::from_secs(60);
/// Half of the time to the end, so that a renewal that fails can be tried again before it.
pub(super) const LONGEST_AGE: Duration = Duration::from_secs(12 * 60 * 60);
/// Keys that could not be renewed for so long are no longer used.
pub(super) const END: Duration = Duration::from_secs(24 * 60 * 60);
