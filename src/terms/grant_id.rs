use std::error::Error;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// Which grant: 256 bits, written as 43 letters of base64url (RFC 4648, section 5).
///
/// It is a name and no secret: it stands in tokens, spans and the audit, and whoever knows it can do
/// nothing with it. Where a grant is used by what the client holds, as by a cookie, that is another
/// value, of which this is the SHA-256.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct GrantId([u8; 32]);

impl GrantId {
    /// The id made of these bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for GrantId {
    type Err = GrantIdError;

    /// Takes exactly what [`Display`](fmt::Display) writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, GrantIdError> {
        let mut bytes = [0; 32];
        match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
            Ok(32) if text.len() == 43 => Ok(Self(bytes)),
            _ => Err(GrantIdError(())),
        }
    }
}

impl fmt::Display for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [0; 43];
        let written = URL_SAFE_NO_PAD.encode_slice(self.0, &mut text);
        // 32 bytes are 43 letters.
        let text = written.ok().and_then(|length| text.get(..length));
        f.write_str(
            text.and_then(|text| std::str::from_utf8(text).ok())
                .unwrap_or_default(),
        )
    }
}

impl fmt::Debug for GrantId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GrantId({self})")
    }
}

/// Text that is not the id of a grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GrantIdError(());

impl fmt::Display for GrantIdError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a grant's id is 43 letters of base64url")
    }
}

impl Error for GrantIdError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_id_has_one_spelling() {
        let id = GrantId::from_bytes([0xfb; 32]);
        let text = id.to_string();
        assert_eq!((text.len(), text.parse()), (43, Ok(id)));
        let last = &text[..42];
        for other in [
            format!("{text}="),
            format!("{last}9"),
            last.to_owned(),
            text.replace('-', "+"),
            format!(" {text}"),
            String::new(),
        ] {
            assert_eq!(other.parse::<GrantId>(), Err(GrantIdError(())), "{other}");
        }
    }
}
