//! Signed tree heads: what somebody else can keep, to show later what the chain was.
//!
//! The format is C2SP's [tlog-checkpoint](https://c2sp.org/tlog-checkpoint) in a
//! [signed note](https://c2sp.org/signed-note), with Ed25519:
//!
//! ```text
//! desk.example.com/audit
//! 4711
//! 1zHRQ0rsvhZXBJCE7RZnWqhWVvdm1BInnmPQJFAplYs=
//!
//! — desk.example.com/audit x08go…
//! ```
//!
//! Rules: the chain never signs by itself, a signer that the application gives does. Its signature
//! is checked before it is written. The records are on the disk before their head is signed.
//!
//! Caveat: a checkpoint beside the chain shows nothing to whom can write both. Ship it elsewhere, by
//! [`Checkpoints::anchor`].
//!
//! ```
//! use tower_impersonate::audit::chain::NoteKey;
//!
//! let key: NoteKey = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW".parse()?;
//! assert_eq!(key.name(), "PeterNeumann");
//! assert_eq!(key.id(), [0xc7, 0x4f, 0x20, 0xa3]);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod journal;
mod key;
mod note;
mod notes;
mod reader;
mod schedule;
mod signer;

pub(super) use self::journal::Journal;
pub use self::key::{KeyError, NoteKey};
pub(super) use self::reader::Checked;
pub use self::reader::CheckpointReader;
pub use self::schedule::Checkpoints;
pub use self::signer::{SignError, Signer};
