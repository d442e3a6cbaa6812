//! The record of who was really there.
//!
//! Every impersonated request leaves two events: [`EventName::Request`] is written before the handler
//! runs, and [`EventName::Completed`] says how it ended. An attempt that was refused leaves
//! [`EventName::Denied`]. What becomes of a grant is told, too, from [`EventName::Started`] to its end.
//! All of them carry both identities, as far as they are known.
//!
//! Recorded means that the sink said so: a request whose event cannot be written is refused, with
//! 503, and its handler never runs. That order is a type: only [`Recorded`] makes an impersonated
//! principal, and only a sink's answer makes a [`Recorded`].
//!
//! A sink that is slow stands behind a [`queued`], a second one beside the first by [`all`] or
//! [`witnessed`]; the database of the feature `sqlite` can be searched. What a queue loses it counts, and
//! tells in the next event.
//!
//! Requests without impersonation leave no event, and neither does a token whose signature, times or
//! audience are bad, so that garbage fills no disk. One whose signature is good and whose claims
//! contradict one another is a denied attempt. Denials are limited per actor, apart for those that
//! cannot tell what was asked for; what was left out is counted in the next denial of that actor.
//! Beside the reason and what the request asked for, no event carries a header value other than user
//! agent and request id, and none a token, a query or a body.
//!
//! An event is the same wherever it goes: [`SCHEMA`] says which fields it has. A file of
//! [`jsonl`] is a record; with the feature `chain`, one of `chained` is evidence.
//!
//! ```
//! use tower_impersonate::audit::{self, AuditSink};
//!
//! let folder = std::env::temp_dir().join("tower-impersonate-doc");
//! std::fs::create_dir_all(&folder)?;
//! // Both must take an event before it counts as recorded.
//! let sink = audit::all([
//!     audit::shared(audit::jsonl(folder.join("audit.jsonl"))),
//!     audit::shared(audit::tracing()),
//! ]);
//! assert!(sink.check().is_ok());
//! # Ok::<(), std::io::Error>(())
//! ```

#[cfg(feature = "chain")]
#[cfg_attr(docsrs, doc(cfg(feature = "chain")))]
pub mod chain;
mod error;
mod event;
mod file;
mod id;
mod kept;
#[cfg(feature = "cognito")]
mod lent;
mod limit;
mod outline;
mod request_info;
mod sinks;
mod trail;

#[cfg(feature = "chain")]
#[cfg_attr(docsrs, doc(cfg(feature = "chain")))]
pub use self::chain::chained;
pub use self::error::AuditError;
pub use self::event::{
    CompletedInfo, Completion, EndInfo, Event, EventName, Outcome, SCHEMA_VERSION,
};
pub use self::file::{Rotation, SyncOn};
pub use self::id::{EventId, EventIdError};
#[cfg(feature = "cognito")]
pub(crate) use self::lent::Lent;
pub use self::limit::DenialLimit;
pub use self::request_info::RequestInfo;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use self::sinks::sqlite;
pub use self::sinks::{
    FanOut, JsonLines, On, Queued, TracingSink, WhenFull, Witnessed, all, jsonl, queued, shared,
    tracing, witnessed,
};
pub use self::trail::{OfGrant, Open, Recorded, Trail};

use std::sync::Arc;

use crate::answer::Answer;

/// The JSON Schema (2020-12) of an event, version 1: every field with its meaning.
///
/// What is in it stays as it is; a field more is version 1.1 of the schema, under the same name.
pub const SCHEMA: &str = include_str!("schema/v1.json");

/// Takes events.
///
/// Called inside the request's span. [`record`](Self::record) is asked before the handler and
/// waited for, at most one second by default; a sink that has to wait copies what it needs out of
/// the event first. The order of calls is the order of events, but several requests call at once.
pub trait AuditSink: Send + Sync {
    /// Writes the event; `Ok` means that it is written. A [queue](queued) in front gives completions to
    /// this method, too.
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>>;

    /// Writes how a recorded request ended. Called from `Drop`, so it must neither block for long
    /// nor wait: what goes wrong here can no longer refuse the request, and is logged.
    fn complete(&self, done: Completion);

    /// Whether it is ready to take events; asked when the layer is built.
    ///
    /// # Errors
    ///
    /// Why it is not, such as a file that cannot be opened.
    fn check(&self) -> Result<(), AuditError> {
        Ok(())
    }
}

impl<S: AuditSink + ?Sized> AuditSink for Arc<S> {
    fn record(&self, event: &Event<'_>) -> Answer<Result<(), AuditError>> {
        (**self).record(event)
    }

    fn complete(&self, done: Completion) {
        (**self).complete(done);
    }

    fn check(&self) -> Result<(), AuditError> {
        (**self).check()
    }
}
