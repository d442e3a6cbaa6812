//! How often somebody may ask.

use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

/// So many times per minute for each key. The least used of ten thousand keys starts afresh.
pub(super) struct RateLimit<K> {
    per_minute: u32,
    windows: Cache<K, Arc<Mutex<Window>>>,
}

#[derive(Debug, Clone, Copy)]
struct Window {
    start: Duration,
    taken: u32,
}

impl<K: Hash + Eq + Clone> RateLimit<K> {
    pub(super) fn new(per_minute: u32) -> Self {
        Self {
            per_minute,
            windows: Cache::new(MAX_KEYS),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// How long to wait, where there is none left.
    pub(super) fn take(&self, key: &K, now: Duration) -> Result<(), Duration> {
        let window = self.windows.get(key).unwrap_or_else(|| {
            let fresh = Arc::new(Mutex::new(Window {
                start: now,
                taken: 0,
            }));
            self.windows.insert(key.clone(), Arc::clone(&fresh));
            fresh
        });
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if now.saturating_sub(window.start) >= MINUTE {
            *window = Window {
                start: now,
                taken: 0,
            };
        }
        if window.taken >= self.per_minute {
            return Err(MINUTE.saturating_sub(now.saturating_sub(window.start)));
        }
        window.taken += 1;
        Ok(())
    }
}

const MINUTE: Duration = Duration::from_secs(60);
const MAX_KEYS: usize = 10_000;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_key_runs_out_and_leaves_the_others_alone() {
        let limit = RateLimit::new(2);
        let at = Duration::from_secs;
        assert_eq!(limit.take(&"eve", at(1)), Ok(()));
        assert_eq!(limit.take(&"eve", at(20)), Ok(()));
        assert_eq!(limit.take(&"eve", at(21)), Err(at(40)));
        assert_eq!(limit.take(&"bob", at(21)), Ok(()));
        assert_eq!(limit.take(&"eve", at(61)), Ok(()));
    }
}
