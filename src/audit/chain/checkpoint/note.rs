use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::audit::chain::checkpoint::NoteKey;
use crate::audit::chain::tree::{self, Hash, Tree};

/// What stands before a signature.
const DASH: &str = "\u{2014} ";

/// What is signed: three lines.
pub(super) fn text(origin: &str, tree: &Tree) -> String {
    format!(
        "{origin}\n{}\n{}\n",
        tree.size(),
        tree::encoded(&tree.root())
    )
}

/// The whole note.
pub(super) fn signed(text: &str, key: &NoteKey, signature: &[u8; 64]) -> String {
    let signature = STANDARD.encode([&key.id()[..], signature].concat());
    format!("{text}\n{DASH}{} {signature}\n", key.name())
}

/// A note that was read, with nothing of it believed yet.
#[derive(Debug, Default)]
pub(super) struct Note {
    pub(super) text: String,
    pub(super) signatures: Vec<Signature>,
}

#[derive(Debug)]
pub(super) struct Signature {
    pub(super) name: String,
    pub(super) id: [u8; 4],
    pub(super) bytes: Vec<u8>,
}

impl Signature {
    pub(super) fn read(line: &str) -> Option<Self> {
        let (name, signature) = line.strip_prefix(DASH)?.split_once(' ')?;
        let bytes = STANDARD.decode(signature).ok()?;
        let (id, bytes) = bytes.split_first_chunk::<4>()?;
        Some(Self {
            name: name.to_owned(),
            id: *id,
            bytes: bytes.to_vec(),
        })
    }

    pub(super) fn begins(line: &str) -> bool {
        line.starts_with(DASH)
    }
}

impl Note {
    /// What it says, if it is a checkpoint: origin, size and head. Further lines are extensions.
    pub(super) fn checkpoint(&self) -> Option<(&str, u64, Hash)> {
        let mut lines = self.text.lines();
        let origin = lines.next().filter(|origin| !origin.is_empty())?;
        let size = lines.next()?;
        if size != "0" && size.starts_with(['0', '+']) {
            return None;
        }
        let root = tree::decoded(lines.next()?.as_bytes())?;
        Some((origin, size.parse().ok()?, root))
    }
}
