mod fan_out;
mod jsonl;
mod tracing;

pub use self::fan_out::{FanOut, all, shared};
pub use self::jsonl::{JsonLines, jsonl};
pub use self::tracing::{TracingSink, tracing};

/// Characters that change how a line looks without being seen: they are written as escapes.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}
