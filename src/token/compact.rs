//! The outermost layer of a token: three base64url parts and nothing else.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The parts of a compact JWS, still encoded.
#[derive(Clone, Copy)]
pub(crate) struct Compact<'a> {
    pub(crate) header: &'a str,
    pub(crate) payload: &'a str,
    pub(crate) signature: &'a str,
}

impl<'a> Compact<'a> {
    /// Splits a token that has exactly two dots and only base64url characters beside them
    /// (RFC 8725bis, section 3.14). The caller has bounded the length.
    pub(crate) fn split(token: &'a str) -> Option<Self> {
        let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
        if !token.bytes().all(allowed) {
            return None;
        }
        let mut parts = token.splitn(4, '.');
        let (header, payload, signature) = (parts.next()?, parts.next()?, parts.next()?);
        // Nothing can be signed, too; it holds no claims.
        let whole = parts.next().is_none() && !header.is_empty() && !signature.is_empty();
        whole.then_some(Self {
            header,
            payload,
            signature,
        })
    }
}

/// Whether these can be the characters of a bearer token: ASCII without white space and commas.
pub(crate) fn can_be_token(text: &str) -> bool {
    text.is_ascii() && memchr::memchr3(b' ', b'\t', b',', text.as_bytes()).is_none()
}

/// Strict base64url: no padding, no stray bits in the last character.
pub(crate) fn decode(part: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(part).ok()
}

/// What the signature is made over: the token without its last part.
pub(crate) fn signing_input(token: &str) -> &[u8] {
    let end = token.rfind('.').unwrap_or(token.len());
    &token.as_bytes()[..end]
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
    fn the_signature_covers_header_and_payload() {
        assert_eq!(signing_input("aa.bb.cc"), b"aa.bb");
    }
}
