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
    /// Splits a token that has exactly two dots (RFC 8725bis, section 3.14). The letters between them are
    /// judged when they are decoded.
    pub(crate) fn split(token: &'a str) -> Option<Self> {
        let mut dots = memchr::memchr_iter(b'.', token.as_bytes());
        let (first, second) = (dots.next()?, dots.next()?);
        let parts = Self {
            header: token.get(..first)?,
            payload: token.get(first + 1..second)?,
            signature: token.get(second + 1..)?,
            signed: token.get(..second)?,
        };
        // Nothing can be signed, too; it holds no claims.
        let whole = !parts.header.is_empty() && !parts.signature.is_empty();
        (whole && dots.next().is_none()).then_some(parts)
    }
}

/// The text that a token is; no other bytes can be one.
pub(crate) fn text(token: &[u8]) -> Result<&str, TokenErrorKind> {
    simdutf8::basic::from_utf8(token).map_err(|_| TokenErrorKind::NotAToken)
}

/// What is wrong with a text that was refused for `kind`: that comes second where no token has such characters.
pub(crate) fn wrong(text: &str, kind: TokenErrorKind) -> TokenErrorKind {
    match can_be_token(text) {
        true => kind,
        false => TokenErrorKind::NotAToken,
    }
}

/// Whether these can be the characters of a bearer token: ASCII without white space and commas.
fn can_be_token(text: &str) -> bool {
    text.is_ascii() && memchr::memchr3(b' ', b'\t', b',', text.as_bytes()).is_none()
}

/// Refuses by its first letter what cannot begin with an object, `{` or white space before it.
pub(crate) fn begins_an_object(token: &[u8]) -> Result<(), TokenErrorKind> {
    if let Some(b'e' | b'I' | b'C' | b'D') = token.first() {
        return Ok(());
    }
    let token = text(token)?;
    let letter = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
    let kind = match Compact::split(token) {
        Some(Compact { header, .. }) if header.len() <= SHORT && header.bytes().all(letter) => {
            TokenErrorKind::Header
        }
        _ => TokenErrorKind::Malformed,
    };
    Err(wrong(token, kind))
}

/// What is longer is not looked at only to tell what is wrong with it.
const SHORT: usize = 512;

/// Strict base64url: no padding, no stray bits in the last character.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// Room for the parts of one token, decoded; on the stack for tokens of usual size.
pub(crate) struct Room {
    pub(crate) header: Shelf<512>,
    pub(crate) rest: Shelf<2048>,
}

impl Room {
    pub(crate) fn new() -> Self {
        Self {
            header: Shelf::new(),
            rest: Shelf::new(),
        }
    }
}

/// Room on the stack for so many bytes, and elsewhere for more.
pub(crate) struct Shelf<const LITTLE: usize> {
    little: [u8; LITTLE],
    much: Vec<u8>,
}

impl<const LITTLE: usize> Shelf<LITTLE> {
    fn new() -> Self {
        Self {
            little: [0; LITTLE],
            much: Vec::new(),
        }
    }

    /// All of it, enough for these parts.
    pub(crate) fn clear(&mut self, parts: &[&str]) -> Free<'_> {
        // Each part may take up to three bytes more than its exact share.
        let need = { parts.iter() }.map(|part| part.len() / 4 * 3 + 3);
        let need = need.sum::<usize>();
        if need <= LITTLE {
            return Free(&mut self.little);
        }
        self.much.resize(need, 0);
        Free(&mut self.much)
    }
}

/// What is left of a [`Shelf`].
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
        let is_read = |token: &str| {
            let mut room = Room::new();
            Compact::split(token).is_some_and(|parts| {
                let mut rest = room.rest.clear(&[parts.payload, parts.signature]);
                let rest = [parts.payload, parts.signature].map(|part| rest.decode(part));
                let mut header = room.header.clear(&[parts.header]);
                header.decode(parts.header).is_some() && rest.iter().all(Option::is_some)
            })
        };
        for token in [
            "AA=.AA.AA",
            "AA+A.AA.AA",
            "AA.AA/A.AA",
            "A A.AA.AA",
            "AA.AA.AA\n",
            "{}.AA.AA",
            "A%2eA.AA.AA",
            "äA.AA.AA",
        ] {
            assert!(!is_read(token), "{token}");
        }
        for byte in 0..128_u8 {
            let allowed = byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
            let token = format!("AA.AA{}A.AA", char::from(byte));
            assert_eq!(is_read(&token), allowed, "{token:?}");
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
            assert_eq!(begins_an_object(token.as_bytes()).is_ok(), begins, "{text}");
        }
        assert!(begins_an_object(b"").is_err());
    }

    #[test]
    fn a_room_holds_the_parts_of_any_token() {
        for size in [0, 1, 2, 3, 4, 100, 1000, 3000, 5000, 48_000] {
            let part = vec![7; size];
            let encoded = URL_SAFE_NO_PAD.encode(&part);
            let mut room = Room::new();
            let mut rest = room.rest.clear(&[&encoded, &encoded]);
            let decoded = [(); 2].map(|()| rest.decode(&encoded));
            assert_eq!(decoded, [Some(&part[..]); 2], "{size}");
            let mut header = room.header.clear(&[&encoded]);
            assert_eq!(header.decode(&encoded), Some(&part[..]), "{size}");
        }
        let mut room = Room::new();
        assert_eq!(room.rest.clear(&["AR"]).decode("AR"), None, "stray bits");
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
