use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::token::Ed25519;

/// The name and the public key of who signs checkpoints.
///
/// It is read from `NAME+<base64 of the 32 bytes>`, and from the form that the tools of Go print,
/// `NAME+<key id>+<base64 of 0x01 and the 32 bytes>`, which it also writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NoteKey {
    name: String,
    key: [u8; 32],
}

impl NoteKey {
    /// A name and an Ed25519 public key (RFC 8032, section 5.1.5).
    ///
    /// # Errors
    ///
    /// If the name is empty or longer than 255 bytes, or has a space, a `+` or a control character in
    /// it.
    pub fn new(name: impl Into<String>, key: [u8; 32]) -> Result<Self, KeyError> {
        let name = name.into();
        let unfit = |c: char| c == '+' || c.is_whitespace() || c.is_control();
        if name.is_empty() || name.len() > 255 || name.contains(unfit) {
            return Err(KeyError("not the name of a key"));
        }
        Ok(Self { name, key })
    }

    /// The name, which is also the first line of the checkpoints: a URL without its scheme is usual.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The first four bytes of `SHA-256(name || 0x0A || 0x01 || key)`.
    #[must_use]
    pub fn id(&self) -> [u8; 4] {
        let hash = Sha256::new().chain_update(&self.name);
        let hash = hash.chain_update([b'\n', ED25519]).chain_update(self.key);
        let [a, b, c, d, ..] = <[u8; 32]>::from(hash.finalize());
        [a, b, c, d]
    }

    pub(super) fn verifier(&self) -> Result<Ed25519, KeyError> {
        Ed25519::new(&self.key).map_err(KeyError)
    }
}

impl FromStr for NoteKey {
    type Err = KeyError;

    fn from_str(text: &str) -> Result<Self, KeyError> {
        const MALFORMED: KeyError = KeyError("not NAME+KEY");
        let decode = |text: &str| STANDARD.decode(text).map_err(|_| MALFORMED);
        let (name, rest) = text.split_once('+').ok_or(MALFORMED)?;
        let (id, key) = match rest.split_at_checked(ID_DIGITS + 1) {
            Some((id, key)) if id.ends_with('+') && rest.len() > PLAIN => (Some(id), decode(key)?),
            _ => (None, decode(rest)?),
        };
        let key = match (id, key.split_first()) {
            (Some(_), Some((&ED25519, key))) => key.try_into(),
            (Some(_), _) => return Err(KeyError("not an Ed25519 key")),
            (None, _) => key.as_slice().try_into(),
        };
        let key = Self::new(name, key.map_err(|_| KeyError("not 32 bytes"))?)?;
        let written = key.id().map(|byte| format!("{byte:02x}")).concat();
        if id.is_some_and(|id| id.trim_end_matches('+') != written) {
            return Err(KeyError("the id of the key is another one's"));
        }
        Ok(key)
    }
}

impl fmt::Display for NoteKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let id = self.id().map(|byte| format!("{byte:02x}")).concat();
        let key = STANDARD.encode([&[ED25519][..], &self.key].concat());
        write!(f, "{}+{id}+{key}", self.name)
    }
}

/// A key that cannot be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError(&'static str);

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for KeyError {}

/// The signature type of Ed25519 in signed notes.
const ED25519: u8 = 1;

const ID_DIGITS: usize = 8;

/// 32 bytes in base64.
const PLAIN: usize = 44;
