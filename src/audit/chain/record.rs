//! A line of a chain, byte by byte:
//!
//! ```text
//! {"impersonation.chain.seq":7,"impersonation.chain.root":"<44>",…the event…,"impersonation.chain.leaf":"<44>"}
//! └───────────────────────────── what the leaf hash is over ──────────────┘
//! ```

use serde::{Deserialize, Serialize};

use crate::audit::chain::tree::{self, Hash, Tree};
use crate::audit::{EventId, SCHEMA_VERSION};
use crate::time::Timestamp;
use crate::visible;

const SEQ: &[u8] = br#"{"impersonation.chain.seq":"#;
const ROOT: &[u8] = br#","impersonation.chain.root":""#;
const LEAF: &[u8] = br#","impersonation.chain.leaf":""#;
const END: &[u8] = br#""}"#;
const HASH: usize = 44;

/// What a line has beside its event, at most.
pub(super) const MORE: usize = 256;

/// A line longer than this is none of ours.
pub(super) const MAX_LINE: usize = 1 << 20;

/// Appends the line of that event, which is the JSON object `event`, and its leaf to the tree.
pub(super) fn write(event: &[u8], tree: &mut Tree, to: &mut Vec<u8>) {
    let begin = to.len();
    to.extend_from_slice(SEQ);
    to.extend_from_slice(tree.size().to_string().as_bytes());
    to.extend_from_slice(ROOT);
    to.extend_from_slice(tree::encoded(&tree.root()).as_bytes());
    to.extend_from_slice(b"\",");
    // Without the braces.
    to.extend_from_slice(
        event
            .get(1..event.len().saturating_sub(1))
            .unwrap_or_default(),
    );
    let leaf = tree::leaf(to.get(begin..).unwrap_or_default());
    to.extend_from_slice(LEAF);
    to.extend_from_slice(tree::encoded(&leaf).as_bytes());
    to.extend_from_slice(END);
    to.push(b'\n');
    tree.push(leaf);
}

/// A line whose leaf hash fits its bytes.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) seq: u64,
    pub(super) root: Hash,
    pub(super) leaf: Hash,
    pub(super) content: Content,
}

/// What a reader of chains needs of an event.
#[derive(Debug, Deserialize)]
pub(super) struct Content {
    #[serde(rename = "event.name")]
    pub(super) name: String,
    pub(super) time: String,
    #[serde(rename = "impersonation.chain.range")]
    range: Option<Vec<String>>,
}

impl Record {
    /// Reads a line without its end; `None` if it is not as it was written.
    pub(super) fn read(line: &[u8]) -> Option<Self> {
        let rest = line.strip_prefix(SEQ)?;
        let digits = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let (seq, rest) = rest.split_at_checked(digits)?;
        let (root, _) = rest.strip_prefix(ROOT)?.split_at_checked(HASH)?;
        let (hashed, rest) =
            line.split_at_checked(line.len().checked_sub(LEAF.len() + HASH + END.len())?)?;
        let leaf = rest.strip_prefix(LEAF)?.strip_suffix(END)?;
        let leaf = tree::decoded(leaf)?;
        if tree::leaf(hashed) != leaf || (seq.len() > 1 && seq.starts_with(b"0")) {
            return None;
        }
        Some(Self {
            seq: std::str::from_utf8(seq).ok()?.parse().ok()?,
            root: tree::decoded(root)?,
            leaf,
            content: serde_json::from_slice(line).ok()?,
        })
    }

    /// The tree before this record, if it is the first of a file that continues another.
    pub(super) fn continues(&self) -> Option<Tree> {
        if self.content.name != CONTINUED {
            return None;
        }
        let hashes = self.content.range.as_ref()?.iter();
        let range: Option<Vec<_>> = hashes.map(|hash| tree::decoded(hash.as_bytes())).collect();
        Tree::from_range(self.seq, range?).filter(|tree| tree.root() == self.root)
    }
}

/// The first record of a file that continues another.
pub(super) const CONTINUED: &str = "impersonation.chain.continued";

/// The first record after a line that was torn.
pub(super) const RECOVERED: &str = "impersonation.chain.recovered";

/// An event of the chain itself.
#[derive(Serialize)]
struct Own {
    #[serde(rename = "impersonation.schema.version")]
    schema: &'static str,
    #[serde(rename = "event.id")]
    id: String,
    #[serde(rename = "event.name")]
    name: &'static str,
    time: String,
    #[serde(
        rename = "impersonation.chain.range",
        skip_serializing_if = "Option::is_none"
    )]
    range: Option<Vec<String>>,
    #[serde(
        rename = "impersonation.chain.torn_bytes",
        skip_serializing_if = "Option::is_none"
    )]
    torn: Option<u64>,
}

/// The event that a file continues the one of which this is the tree.
pub(super) fn continued(tree: &Tree, time: Timestamp) -> serde_json::Result<Vec<u8>> {
    let range = tree.range().iter().map(tree::encoded).collect();
    own(CONTINUED, time, Some(range), None)
}

/// The event that so many bytes of a torn line were moved away.
pub(super) fn recovered(torn: u64, time: Timestamp) -> serde_json::Result<Vec<u8>> {
    own(RECOVERED, time, None, Some(torn))
}

fn own(
    name: &'static str,
    time: Timestamp,
    range: Option<Vec<String>>,
    torn: Option<u64>,
) -> serde_json::Result<Vec<u8>> {
    let event = Own {
        schema: SCHEMA_VERSION,
        id: EventId::new(time).to_string(),
        name,
        time: time.to_string(),
        range,
        torn,
    };
    let mut json = Vec::new();
    visible::write_json(&event, &mut json)?;
    Ok(json)
}
