//! How much memory the values of a document would take.

use std::borrow::Cow;

use serde_json::Value;

use crate::token::json::document::{Document, Item, Kind};

impl Document<'_> {
    /// In bytes, rather too many than too few: [all of it](Document::to_map) as values, and what has escapes once more,
    /// for it is no piece of the text.
    pub(crate) fn bytes_as_values(&self) -> usize {
        of_value(self.root())
    }
}

impl Item<'_, '_> {
    /// As [`Document::bytes_as_values`], of this one and in a block of its own.
    pub(crate) fn bytes_as_value(self) -> usize {
        BLOCK + of_value(self)
    }
}

/// What a value takes besides the place where it stands.
fn of_value(item: Item<'_, '_>) -> usize {
    match item.kind() {
        Kind::Null | Kind::Bool(_) => 0,
        // Its digits, where any crate of the build turns `arbitrary_precision` on.
        Kind::Number(_) => BLOCK,
        Kind::Text(Cow::Borrowed(text)) => BLOCK + text.len(),
        Kind::Text(Cow::Owned(text)) => 2 * (BLOCK + text.len()),
        Kind::Array(_) => {
            let places = item.children().count() * size_of::<Value>();
            BLOCK + places + item.children().map(of_value).sum::<usize>()
        }
        Kind::Object(_) => {
            let member = |(name, value): (&str, _)| BLOCK + name.len() + of_value(value);
            of_nodes(item.len()) + item.members().map(member).sum::<usize>()
        }
    }
}

/// A map that is made at once: leaves of eleven members each, with one member between two, and above them nodes that
/// lead to twelve.
fn of_nodes(members: usize) -> usize {
    match members {
        0 => 0,
        1..=11 => LEAF,
        more => (more / 12 + 1) * LEAF + (more / 72 + 1) * (LEAF + 12 * size_of::<usize>()),
    }
}

/// What an allocator adds to each block.
pub(crate) const BLOCK: usize = 16;
const LEAF: usize = 11 * (size_of::<String>() + size_of::<Value>()) + 16 + BLOCK;
