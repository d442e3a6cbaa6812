//! An audit file that shows whether it was changed.
//!
//! [`chained`] writes lines of JSON, as [`jsonl`](crate::audit::jsonl) does, and numbers them. Each
//! line begins with its number and the head of the Merkle tree (RFC 6962, section 2.1) over all lines
//! before it, and ends with its own leaf hash, over its bytes as they stand in the file:
//!
//! ```text
//! {"impersonation.chain.seq":7,"impersonation.chain.root":"…", …the event… ,"impersonation.chain.leaf":"…"}
//! ```
//!
//! The leaf is `SHA-256(0x00 || all bytes of the line before the comma of that member)`, in base64.
//! The number is the order, whatever the clock says.
//!
//! Rules:
//!
//! - One writer a file: a lock is held on `<path>.lock` and, on Unix, on the file itself, and a second
//!   writer is an error of `build()`.
//! - The file is verified whenever it is opened. One that does not verify, that is shorter than its
//!   last checkpoint, that begins behind it, or that is gone while older files of it are there, is
//!   refused.
//! - A line that a crash left torn is copied to `<path>.torn-<time>`, and the record
//!   `impersonation.chain.recovered`, which is written over it, says how many bytes that were.
//! - A file that is full is renamed, and the next one begins with the record
//!   `impersonation.chain.continued`, which carries the tree's compact range. Where checkpoints are
//!   made, the head is signed first; while it cannot be, the file grows.
//! - The file itself is never a symbolic link: one would be set aside in its place, and what is written
//!   would end up where nobody looks. One is refused, by `build()` and when it is put there later.
//! - What stands beside the file, under its name and a suffix, is never a link: one is refused or, in
//!   place of the next file, removed. A file that others may read or its group may write is warned of.
//! - A fault of the disk refuses the requests that it hits; what was half written is taken back. The
//!   next event opens and verifies the file again.
//! - [`Checkpoints`] sign the head, by a [`Signer`] that the application gives, and hand it to whoever
//!   keeps it elsewhere.
//!
//! Caveat: [`CANNOT_SHOW`]. Whoever can write the file can make another one; what they cannot make is
//! a checkpoint that somebody else has. A file that begins behind all checkpoints that are given is
//! not intact, [`CheckpointFault::Unmet`]: give the one with which it was begun, or the files before.
//!
//! [`verify`] reads the files and names the first record that is bad; the example `audit_verify` does
//! it on a command line.
//!
//! ```
//! use tower_impersonate::audit::chain::{self, Fault};
//!
//! let line = br#"{"impersonation.chain.seq":0,"impersonation.chain.root":"forged"}"#;
//! let report = chain::verify([&[&line[..], b"\n"].concat()[..]])?;
//! assert_eq!(report.bad.map(|bad| (bad.seq, bad.fault)), Some((0, Fault::Edited)));
//! assert!(chain::verify([&b""[..]])?.is_intact());
//! # Ok::<(), std::io::Error>(())
//! ```

mod checkpoint;
mod log;
mod record;
mod report;
mod sink;
mod tree;
mod verify;
mod walk;
mod writable;

pub use self::checkpoint::{CheckpointReader, Checkpoints, KeyError, NoteKey, SignError, Signer};
pub use self::report::{BadCheckpoint, BadRecord, CANNOT_SHOW, CheckpointFault, Fault, Report};
pub use self::sink::{Chained, chained};
pub use self::verify::{verify, verify_with};
