use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use quick_cache::sync::Cache;

use crate::identity::IdentityKey;

/// How many denied attempts of one actor are recorded, so that nobody fills a disk with them.
///
/// The default is 60 per minute. Denials that cannot tell what was asked for are counted apart, by
/// the same limit. What is left out is counted and told in the next denial of that actor that is
/// recorded; that it happens is logged once per window. The answer to the client is the same either
/// way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct DenialLimit {
    /// How many events per window, 1 to 10,000.
    pub events: u32,
    /// The length of the window, 1 s to 1 h.
    pub window: Duration,
}

impl DenialLimit {
    /// That many events in that time; whether that can be is checked when the layer is built.
    #[must_use]
    pub const fn new(events: u32, window: Duration) -> Self {
        Self { events, window }
    }
}

impl Default for DenialLimit {
    fn default() -> Self {
        Self::new(60, Duration::from_secs(60))
    }
}

#[derive(Debug)]
pub(super) struct Denials {
    limit: DenialLimit,
    actors: Cache<(IdentityKey, Attempt), Arc<Mutex<Window>>>,
}

/// What is counted apart: a flood of malformed requests must not hide whom somebody tried to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Attempt {
    /// Something was asked for.
    Clear,
    /// It could not be told what.
    Garbled,
}

#[derive(Debug, Clone, Copy, Default)]
struct Window {
    start: Duration,
    recorded: u32,
    left_out: u64,
}

/// The most actors remembered; the least used ones start afresh.
const MAX_ACTORS: usize = 10_000;

impl Denials {
    pub(super) fn new(limit: DenialLimit) -> Self {
        Self {
            limit,
            actors: Cache::new(MAX_ACTORS),
        }
    }

    /// Whether to record a denial of this actor, and how many were left out before it.
    pub(super) fn admit(
        &self,
        actor: &IdentityKey,
        attempt: Attempt,
        monotonic: Duration,
    ) -> Option<u64> {
        let key = (actor.clone(), attempt);
        let window = self.actors.get(&key).unwrap_or_else(|| {
            let fresh = Arc::new(Mutex::new(Window {
                start: monotonic,
                ..Window::default()
            }));
            self.actors.insert(key, Arc::clone(&fresh));
            fresh
        });
        let mut window = window.lock().unwrap_or_else(PoisonError::into_inner);
        if monotonic.saturating_sub(window.start) >= self.limit.window {
            *window = Window {
                start: monotonic,
                recorded: 0,
                left_out: window.left_out,
            };
        }
        if window.recorded >= self.limit.events {
            window.left_out += 1;
            if window.recorded == self.limit.events {
                // Once per window.
                window.recorded = window.recorded.saturating_add(1);
                tracing::warn!(
                    target: "impersonation::audit",
                    {
                        impersonation.actor.sub = actor.subject(),
                        impersonation.actor.iss = actor.issuer(),
                    },
                    "denials of this actor are no longer recorded, only counted"
                );
            }
            return None;
        }
        window.recorded += 1;
        Some(std::mem::take(&mut window.left_out))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flood_of_one_actor_is_counted_and_leaves_others_alone() {
        let denials = Denials::new(DenialLimit::new(2, Duration::from_secs(60)));
        let (eve, bob) = (
            IdentityKey::new("iss", "eve"),
            IdentityKey::new("iss", "bob"),
        );
        let admit = |key, seconds| denials.admit(key, Attempt::Clear, Duration::from_secs(seconds));
        assert_eq!(
            [admit(&eve, 1), admit(&eve, 1), admit(&eve, 2)],
            [Some(0), Some(0), None]
        );
        assert_eq!(admit(&bob, 2), Some(0));
        assert_eq!(admit(&eve, 61), Some(1), "one was left out before");
        assert_eq!(admit(&eve, 62), Some(0));
    }
}
