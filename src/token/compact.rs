//! The outermost layer of a token: three base64url parts and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::token::error::TokenErrorKind;

/// The parts of a compact JWS, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
    /// What the signature is made over: the token without its last part.
    pub(crate) signed: &'a str,
}

impl<'a> Compact<'a> {
    /// Splits a token that has exactly two dots and only base64url characters beside them
    /// (RFC 8725bis, section 3.14). The caller has bounded the length.
    pub(crate) fn split(token: &'a str) -> Option<Self> {
        // All are looked at, whatever comes, so that it can be done for many at once.
        let strange = token.bytes().fold(0, |all, byte| all | strange(byte));
        if strange != 0 {
            return None;
        }
        let (header, rest) = token.split_once('.')?;
        let (payload, signature) = rest.split_once('.')?;
        // Nothing can be signed, too; it holds no claims.
        let whole = !signature.contains('.') && !header.is_empty() && !signature.is_empty();
        let signed = token.get(..header.len() + 1 + payload.len())?;
        whole.then_some(Self {
            header,
            payload,
            signature,
            signed,
        })
    }
}

/// What is wrong with a text that cannot be taken apart.
pub(crate) fn malformed(text: &str) -> TokenErrorKind {
    match can_be_token(text) {
        true => TokenErrorKind::Malformed,
        false => TokenErrorKind::NotAToken,
    }
}

/// Whether these can be the characters of a bearer token: ASCII without white space and commas.
fn can_be_token(text: &str) -> bool {
    text.is_ascii() && memchr::memchr3(b' ', b'\t', b',', text.as_bytes()).is_none()
}

/// Refuses by its first letter what cannot begin with an object, `{` or white space before it.
pub(crate) fn begins_an_object(token: &str) -> Result<(), TokenErrorKind> {
    if let Some(b'e' | b'I' | b'C' | b'D') = token.as_bytes().first() {
        return Ok(());
    }
    let one_dot = |rest: &str| memchr::memchr_iter(b'.', rest.as_bytes()).take(2).count() == 1;
    let header = token.split_once('.').filter(|(_, rest)| one_dot(rest));
    Err(match header {
        Some((header, _)) if !header.is_empty() && header.bytes().all(is_allowed) => {
            TokenErrorKind::Header
        }
        _ => malformed(token),
    })
}

/// Zero where it is a character of base64url, or a dot.
const fn strange(byte: u8) -> u8 {
    let letter = (byte | 0x20).wrapping_sub(b'a') < 26;
    let digit = byte.wrapping_sub(b'0') < 10;
    let other = (byte == b'-') | (byte == b'_') | (byte == b'.');
    !(letter | digit | other) as u8
}

/// Strict base64url: no padding, no stray bits in the last character.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Room for the parts of one token, decoded; on the stack for tokens of usual size.
pub(crate) struct Room {
    little: [u8; LITTLE],
    much: Vec<u8>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            little: [0; LITTLE],
            much: Vec::new(),
        }
    }

    /// All of it, enough for this token.
    pub(crate) fn for_token(&mut self, token: &str) -> Free<'_> {
        // Each part may take up to three bytes more than its exact share.
        let need = token.len() / 4 * 3 + 12;
        if need <= LITTLE {
            return Free(&mut self.little);
        }
        self.much.resize(need, 0);
        Free(&mut self.much)
    }
}

/// What is left of a [`Room`].
pub(crate) struct Free<'r>(&'r mut [u8]);

impl<'r> Free<'r> {
    /// As [`decode`], into the room.
    pub(crate) fn decode(&mut self, part: &str) -> Option<&'r [u8]> {
        let all = std::mem::take(&mut self.0);
        let len = URL_SAFE_NO_PAD.decode_slice(part, all).ok()?;
        let (decoded, rest) = all.split_at_mut_checked(len)?;
        self.0 = rest;
        Some(decoded)
    }
}

const LITTLE: usize = 4096;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a21_only_three_parts() {
        assert!(Compact::split("a.b.c").is_some());
        assert!(Compact::split("a..c").is_some());
        let dots = ".".repeat(8000);
        for token in [
            "",
            ".",
            "..",
            "a.b",
            "a.b.c.d",
            "a.b.c.d.e",
            ".a.b",
            "a.b.",
            &dots,
        ] {
            assert!(Compact::split(token).is_none(), "{token}");
        }
    }

    #[test]
    fn a22_only_base64url() {
        for token in [
            "a=.b.c",
            "a+.b.c",
            "a/.b.c",
            "a b.c.d",
            "a.b.c\n",
            "{}.b.c",
            "a%2eb.c.d",
            "ä.b.c",
        ] {
            assert!(Compact::split(token).is_none(), "{token}");
        }
        for byte in 0..128_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let token = format!("a.{}.c", char::from(byte));
            assert_eq!(Compact::split(&token).is_some(), allowed, "{token:?}");
        }
        assert_eq!(decode("AQAB").as_deref(), Some(&[1, 0, 1][..]));
        assert_eq!(decode("AQ=="), None, "padding");
        assert_eq!(decode("AR"), None, "stray bits");
        assert_eq!(decode("A"), None, "half a byte");
    }

    #[test]
    fn a05_to_a09_what_no_token_is_made_of() {
        for token in ["a", "a.b.c", "a+/=~-._!\""] {
            assert!(can_be_token(token), "{token}");
        }
        for text in ["a ", "a b", "a,b", "a, Bearer b", "a\tb", "ä"] {
            assert!(!can_be_token(text), "{text}");
        }
    }

    #[test]
    fn a25_what_cannot_begin_an_object_is_seen_by_its_first_letter() {
        for (text, begins) in [
            ("{}", true),
            (" {}", true),
            ("\t{}", true),
            ("\r\n{}", true),
            // A quotation mark shares its first six bits with the space.
            ("\"x\"", true),
            ("[]", false),
            ("null", false),
            ("1", false),
            ("\u{feff}{}", false),
        ] {
            let token = URL_SAFE_NO_PAD.encode(text);
            assert_eq!(begins_an_object(&token).is_ok(), begins, "{text}");
        }
        assert!(begins_an_object("").is_err());
    }

    #[test]
    fn a_room_holds_the_parts_of_any_token() {
        for size in [0, 1, 2, 3, 4, 100, 1000, 3000, 5000, 48_000] {
            let part = vec![7; size];
            let encoded = URL_SAFE_NO_PAD.encode(&part);
            let token = format!("{encoded}.{encoded}.{encoded}");
            let mut room = Room::new();
            let mut free = room.for_token(&token);
            let decoded = [(); 3].map(|()| free.decode(&encoded));
            assert_eq!(decoded, [Some(&part[..]); 3], "{size}");
        }
        let mut room = Room::new();
        assert_eq!(room.for_token("").decode("AR"), None, "stray bits");
    }

    #[test]
    fn the_signature_covers_header_and_payload() {
        for (token, signed) in [
            ("aa.bb.cc", "aa.bb"),
            ("a..c", "a."),
            ("e30.e30.AA", "e30.e30"),
        ] {
            assert_eq!(
                Compact::split(token).map(|parts| parts.signed),
                Some(signed)
            );
        }
    }
}
