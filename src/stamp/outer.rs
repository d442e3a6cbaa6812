use std::fmt;
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicBool, Ordering};

use tracing::Span;
use tracing::level_filters::LevelFilter;

#[cfg(not(feature = "subscriber"))]
use crate::stamp::outer_absent as mark;
use crate::stamp::record::{self, Values};
#[cfg(feature = "subscriber")]
use crate::stamp::subscriber::mark;
use crate::stamp::value::Stamp;

/// Stamps the spans that are open around requests, each once.
///
/// A span that serves several requests, such as a connection's, would show the subs of one of them
/// beside the next. So it keeps what it got first, and one warning is logged. Whether a span was
/// stamped before stands beside it in `tracing-subscriber`'s `Registry`, and goes with it: with the
/// feature `subscriber`, and a subscriber that has one. Elsewhere nothing is known of a span, and every
/// request is recorded on it.
#[derive(Default)]
pub struct OuterSpans {
    warned: AtomicBool,
}

impl OuterSpans {
    /// Has warned of none yet.
    #[must_use]
    pub const fn new() -> Self {
        let warned = AtomicBool::new(false);
        Self { warned }
    }

    /// Records all fields of an impersonation on the current span, whether or not it declared them.
    pub fn record(&self, stamp: &Stamp) {
        self.on_current(&stamp.values());
    }

    /// Records `user.id` of a plain request on the current span, whether or not it declared the field.
    ///
    /// Does nothing where no subscriber listens or no span is open.
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
            let found = mark::claim(id, dispatch, || SEED.hash_one(values));
            if found == Found::Unmarked {
                record::on_id(id, dispatch, values);
            }
            found == Found::Other
        });
        if shared == Some(true) && !self.warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                target: "impersonation",
                "the span around the layer serves several requests and keeps its first stamp: \
                 open one for each request"
            );
        }
    }
}

/// What a span bore that is to be stamped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(not(feature = "subscriber"), allow(dead_code))]
pub(super) enum Found {
    /// Nothing; now it is marked.
    Unmarked,
    /// The same stamp.
    Same,
    /// Another one.
    Other,
}

static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl fmt::Debug for OuterSpans {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OuterSpans").finish_non_exhaustive()
    }
}
