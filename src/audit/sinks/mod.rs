mod fan_out;
mod jsonl;
mod lines;
mod tracing;

pub use self::fan_out::{FanOut, all, shared};
pub use self::jsonl::{JsonLines, jsonl};
pub use self::tracing::{TracingSink, tracing};
