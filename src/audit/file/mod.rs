//! What the sinks that write files share: when a file is synced, when it is set aside, and the one
//! thread that writes for all requests.
//!
//! Rules: no line is acknowledged before it is written, and where a sync is asked for, synced. What
//! was written is never deleted. A fault fails the lines that it hit; the next line tries again.
//!
//! Caveat: one process writes a file that is rotated.
//!
//! ```
//! use tower_impersonate::audit::{self, AuditSink, Rotation, SyncOn};
//!
//! let folder = std::env::temp_dir().join("tower-impersonate-doc");
//! std::fs::create_dir_all(&folder)?;
//! let sink = audit::jsonl(folder.join("daily.jsonl"))
//!     .rotate(Rotation::daily())
//!     .sync(SyncOn::Request);
//! assert!(sink.check().is_ok());
//! # Ok::<(), std::io::Error>(())
//! ```

mod disk;
mod log_file;
mod rotation;
mod sync;
mod writer;

pub(in crate::audit) use self::disk::{
    append_to, day_of, has_replaced, named, set_aside, sync_folder, warn_if_shared,
};
#[cfg(feature = "chain")]
pub(in crate::audit) use self::disk::{
    beside, beside_at, create_own, folder, has_replaced_itself, open_itself, open_own,
    set_aside_numbered,
};
pub(in crate::audit) use self::log_file::{Line, Log, LogFile, Thread};
pub(in crate::audit) use self::rotation::Day;
pub use self::rotation::Rotation;
pub use self::sync::SyncOn;
