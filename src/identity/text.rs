//! Short texts, of which many may be pieces of a longer one that is kept once.
//!
//! Rules: a piece compares, hashes and shows like the text that it is. It keeps the whole alive, so whoever keeps
//! one for long makes it [a text of its own](Text::shared): a piece of twenty bytes may hold some thousand.

use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A text, or a piece of one. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Text {
    whole: Arc<str>,
    start: u32,
    /// `TO_THE_END` where it is the whole.
    end: u32,
}

impl Text {
    fn is_whole(&self) -> bool {
        self.end == TO_THE_END
    }

    /// As a text of its own, which keeps no longer one alive; allocates where it is a piece.
    pub(crate) fn shared(&self) -> Arc<str> {
        match self.is_whole() {
            true => Arc::clone(&self.whole),
            false => Arc::from(&**self),
        }
    }
}

impl Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        if self.is_whole() {
            return &self.whole;
        }
        let piece = self.whole.get(self.start as usize..self.end as usize);
        piece.unwrap_or_default()
    }
}

impl From<Arc<str>> for Text {
    fn from(whole: Arc<str>) -> Self {
        Self {
            whole,
            start: 0,
            end: TO_THE_END,
        }
    }
}

impl PartialEq for Text {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Text {}

impl PartialOrd for Text {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Text {
    fn cmp(&self, other: &Self) -> Ordering {
        (**self).cmp(&**other)
    }
}

impl Hash for Text {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, f)
    }
}

/// A text that was read, and its copy that is kept: what was borrowed from the one becomes a piece of the other.
pub(crate) struct Pieces<'a> {
    source: &'a str,
    whole: Arc<str>,
}

impl<'a> Pieces<'a> {
    /// Copies the source once.
    pub(crate) fn of(source: &'a str) -> Self {
        Self {
            source,
            whole: source.into(),
        }
    }

    /// The copy.
    pub(crate) fn whole(&self) -> Arc<str> {
        Arc::clone(&self.whole)
    }

    /// A piece, where `part` stands in the source; else a text of its own.
    pub(crate) fn text(&self, part: &str) -> Text {
        self.piece(part)
            .unwrap_or_else(|| Arc::<str>::from(part).into())
    }

    /// The piece from the beginning of one part to the end of another, where both stand in the source.
    pub(crate) fn span(&self, first: &str, last: &str) -> Option<Text> {
        let (first, last) = (self.piece(first)?, self.piece(last)?);
        Some(Text {
            end: last.end,
            ..first
        })
    }

    fn piece(&self, part: &str) -> Option<Text> {
        let start = part.as_ptr().addr();
        let start = start.checked_sub(self.source.as_ptr().addr())?;
        let end = start.checked_add(part.len())?;
        // Whatever the addresses say: it is the same text.
        let same = self.whole.get(start..end)? == part;
        let (start, end) = (u32::try_from(start).ok()?, u32::try_from(end).ok()?);
        (same && end != TO_THE_END).then(|| Text {
            whole: self.whole(),
            start,
            end,
        })
    }
}

const TO_THE_END: u32 = u32::MAX;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_source_is_a_piece_and_anything_else_a_text_of_its_own() {
        let source = String::from("{\"sub\":\"älice\"}");
        let pieces = Pieces::of(&source);
        let elsewhere = String::from("älice");
        let beyond = String::from("a longer text than the source, and so never a part of it");
        for (part, is_piece) in [
            (&source[8..14], true),
            (&source[..], true),
            (&source[3..3], true),
            (&elsewhere[..], false),
            (&beyond[..], false),
        ] {
            let text = pieces.text(part);
            assert_eq!(&*text, part);
            assert_eq!(!text.is_whole(), is_piece, "{part}");
            assert_eq!(text, Text::from(text.shared()));
            assert_eq!(format!("{text:?}"), format!("{part:?}"));
        }
        // A piece keeps the copy alive, a text of its own does not.
        let text = pieces.text(&source[8..14]);
        let (before, own) = (Arc::strong_count(&pieces.whole), text.shared());
        drop(text);
        assert_eq!((before, Arc::strong_count(&pieces.whole)), (2, 1));
        assert_eq!(&*own, "älice");
    }
}
