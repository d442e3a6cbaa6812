use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::time::{Clock, Timestamp};

/// A clock that moves only when it is told to; clones move together.
///
/// ```
/// use std::time::Duration;
/// use tower_impersonate::testing::ManualClock;
/// use tower_impersonate::time::{Clock, Timestamp};
///
/// let clock = ManualClock::new();
/// let (wall, monotonic) = (clock.now(), clock.monotonic());
/// clock.advance(Duration::from_secs(5));
/// assert_eq!(clock.now(), wall.saturating_add(Duration::from_secs(5)));
/// assert_eq!(clock.monotonic(), monotonic + Duration::from_secs(5));
///
/// clock.set_wall(Timestamp::from_unix_seconds(0));
/// assert_eq!(clock.monotonic(), monotonic + Duration::from_secs(5), "untouched");
/// ```
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Hands>>);

#[derive(Debug)]
struct Hands {
    wall: Timestamp,
    monotonic: Duration,
}

impl ManualClock {
    /// Stands at 2023-11-14T22:13:20Z.
    #[must_use]
    pub fn new() -> Self {
        Self::at(Timestamp::from_unix_seconds(1_700_000_000))
    }

    /// Stands at that moment.
    #[must_use]
    pub fn at(wall: Timestamp) -> Self {
        let monotonic = Duration::from_secs(1000);
        Self(Arc::new(Mutex::new(Hands { wall, monotonic })))
    }

    /// Moves both the wall clock and the monotonic one.
    pub fn advance(&self, by: Duration) {
        let mut hands = self.hands();
        hands.wall = hands.wall.saturating_add(by);
        hands.monotonic += by;
    }

    /// Sets the wall clock alone, forward or back, as an operator or NTP may.
    pub fn set_wall(&self, wall: Timestamp) {
        self.hands().wall = wall;
    }

    fn hands(&self) -> MutexGuard<'_, Hands> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Default for ManualClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.hands().wall
    }

    fn monotonic(&self) -> Duration {
        self.hands().monotonic
    }
}
