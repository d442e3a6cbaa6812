mod backlog;
mod fan_out;
mod jsonl;
mod lines;
mod queued;
#[cfg(feature = "sqlite")]
pub mod sqlite;
mod tracing;
mod witnessed;

pub use self::fan_out::{FanOut, all, shared};
pub use self::jsonl::{JsonLines, jsonl};
pub use self::queued::{On, Queued, WhenFull, queued};
#[cfg(feature = "sqlite")]
pub use self::sqlite::sqlite;
pub use self::tracing::{TracingSink, tracing};
pub use self::witnessed::{Witnessed, witnessed};
