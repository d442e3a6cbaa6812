use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tracing::Span;
use tracing::level_filters::LevelFilter;
use tracing_core::span::Id;

use crate::stamp::record::{self, Values};
use crate::stamp::value::Stamp;

/// Stamps the spans that are open around requests, each once.
///
/// A span that serves several requests, such as a connection's, would show the subs of one of them
/// beside the next. So it keeps what it got first, and one warning is logged. Memory is bounded: the
/// last few thousand spans are remembered, which are more than are open at once around one layer.
///
/// One of these belongs to one layer: what another one stamped is not known here.
pub struct OuterSpans {
    hasher: RandomState,
    seen: Box<[AtomicU64]>,
    warned: AtomicBool,
}

impl OuterSpans {
    /// Remembers nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            hasher: RandomState::new(),
            seen: (0..REMEMBERED).map(|_| AtomicU64::new(0)).collect(),
            warned: AtomicBool::new(false),
        }
    }

    /// Records all fields of an impersonation on the current span, whether or not it declared them.
    pub fn record(&self, stamp: &Stamp) {
        self.on_current(&stamp.values());
    }

    /// Records `user.id` of a plain request on the current span, whether or not it declared the field.
    ///
    /// Does nothing where no subscriber listens or no span is open. It allocates nothing itself.
    pub fn record_user(&self, sub: &str) {
        self.on_current(&Values {
            user: Some(sub),
            ..Values::default()
        });
    }

    fn on_current(&self, values: &Values<'_>) {
        if LevelFilter::current() == LevelFilter::OFF {
            return;
        }
        let shared = Span::current().with_subscriber(|(id, dispatch)| {
            let claim = self.claim(id, values);
            if claim == Claim::First {
                record::on_id(id, dispatch, values);
            }
            claim == Claim::Taken
        });
        if shared == Some(true) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "impersonation",
                "the span around the layer serves several requests and keeps its first stamp: \
                 open one for each request"
            );
        }
    }

    /// Whether this span is to be stamped with these values.
    fn claim(&self, id: &Id, values: &Values<'_>) -> Claim {
        let span = self.hasher.hash_one(id.into_u64());
        let said = self.hasher.hash_one(values);
        let ours = (span & SPAN) | (said & STAMP) | TAKEN;
        let Some(slot) = self.seen.get((span >> SLOT_SHIFT) as usize) else {
            return Claim::First;
        };
        let mut there = slot.load(Ordering::Relaxed);
        loop {
            if there == ours {
                return Claim::Again;
            }
            if there & TAKEN != 0 && (there ^ ours) & SPAN == 0 {
                return Claim::Taken;
            }
            match slot.compare_exchange_weak(there, ours, Ordering::Relaxed, Ordering::Relaxed) {
                Ok(_) => return Claim::First,
                Err(now) => there = now,
            }
        }
    }
}

/// What is known of a span that is to be stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Claim {
    /// Nothing.
    First,
    /// It has this stamp.
    Again,
    /// It has another one.
    Taken,
}

// A span's slot is told by the upper 12 bits of its hash, and its name in there by the lower 40.
const REMEMBERED: usize = 1 << 12;
const SLOT_SHIFT: u32 = 64 - 12;
const SPAN: u64 = (1 << 40) - 1;
const STAMP: u64 = !SPAN ^ TAKEN;
const TAKEN: u64 = 1 << 63;

impl Default for OuterSpans {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for OuterSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterSpans").finish_non_exhaustive()
    }
}
