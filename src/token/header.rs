//! A token's header: what is read of it, and what makes it unacceptable.

use std::borrow::Cow;

use crate::token::algorithm::Algorithm;
use crate::token::error::TokenErrorKind;
use crate::token::json::Document;

/// The three members that are read; `jku`, `jwk`, `x5u` and `x5c` never are.
pub(crate) struct Header<'a> {
    pub(crate) algorithm: Algorithm,
    pub(crate) typ: Typ,
    pub(crate) kid: Option<Cow<'a, str>>,
}

/// What a token says that it is (RFC 8725, section 3.11).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Typ {
    Absent,
    Jwt,
    AccessToken,
    Other,
}

impl<'a> Header<'a> {
    /// Reads the first part, decoded.
    pub(crate) fn read(part: &'a [u8]) -> Result<Self, TokenErrorKind> {
        let members = std::str::from_utf8(part).ok().and_then(Document::read);
        let members = members.ok_or(TokenErrorKind::Header)?;
        if UNACCEPTABLE.iter().any(|name| members.has(name)) {
            return Err(TokenErrorKind::Header);
        }
        let algorithm = members.text("alg").and_then(Algorithm::named);
        Ok(Self {
            algorithm: algorithm.ok_or(TokenErrorKind::Algorithm)?,
            typ: typ(&members),
            kid: kid(&members)?,
        })
    }
}

fn typ(members: &Document<'_>) -> Typ {
    let Some(typ) = members.get("typ") else {
        return Typ::Absent;
    };
    let Some(typ) = typ.as_str() else {
        return Typ::Other;
    };
    // RFC 7515, section 4.1.9: the prefix may be left out; media types ignore case.
    let short = match typ.split_at_checked(PREFIX.len()) {
        Some((prefix, rest)) if prefix.eq_ignore_ascii_case(PREFIX) => rest,
        _ => typ,
    };
    if short.eq_ignore_ascii_case("JWT") {
        Typ::Jwt
    } else if short.eq_ignore_ascii_case("at+jwt") {
        Typ::AccessToken
    } else {
        Typ::Other
    }
}

fn kid<'a>(members: &Document<'a>) -> Result<Option<Cow<'a, str>>, TokenErrorKind> {
    match members.get("kid").map(|kid| kid.as_text()) {
        None => Ok(None),
        Some(Some(kid)) if acceptable_kid(kid) => Ok(Some(kid.clone())),
        Some(_) => Err(TokenErrorKind::KeyId),
    }
}

/// Cognito's contain `+`, `/` and `=`; a kid is compared and never used as a path.
pub(crate) fn acceptable_kid(kid: &str) -> bool {
    (1..=MAX_KID).contains(&kid.len()) && kid.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

const PREFIX: &str = "application/";
const MAX_KID: usize = 256;
/// Members that change what the signature covers or how the payload is to be read.
const UNACCEPTABLE: [&str; 5] = ["crit", "b64", "zip", "enc", "cty"];

#[cfg(test)]
mod tests {
    use super::*;

    fn read(header: &str) -> Result<Header<'_>, TokenErrorKind> {
        Header::read(header.as_bytes())
    }

    #[test]
    fn a15_algorithms() {
        for alg in [
            "\"none\"",
            "\"None\"",
            "\"noNE\"",
            "\"hs256\"",
            "\"HS256\"",
            "\"RS256 \"",
            "\"\"",
            "null",
            "0",
            "[]",
            "[\"RS256\"]",
            "\"RS256\\u0000\"",
        ] {
            let refused = read(&format!("{{\"alg\":{alg}}}")).err();
            assert_eq!(refused, Some(TokenErrorKind::Algorithm), "{alg}");
        }
        assert_eq!(read("{}").err(), Some(TokenErrorKind::Algorithm));
    }

    #[test]
    fn a18_a19_members_that_change_the_meaning() {
        for member in [
            r#""crit":["exp"]"#,
            r#""crit":[]"#,
            r#""crit":"b64""#,
            r#""b64":false"#,
            r#""b64":true"#,
            r#""zip":"DEF""#,
            r#""enc":"A128GCM""#,
            r#""cty":"JWT""#,
            r#""cty":null"#,
        ] {
            let refused = read(&format!("{{\"alg\":\"RS256\",{member}}}")).err();
            assert_eq!(refused, Some(TokenErrorKind::Header), "{member}");
        }
    }

    #[test]
    fn a26_types() {
        for (typ, expected) in [
            ("\"JWT\"", Typ::Jwt),
            ("\"jwt\"", Typ::Jwt),
            ("\"AT+JWT\"", Typ::AccessToken),
            ("\"application/at+jwt\"", Typ::AccessToken),
            ("\"Application/AT+jwt\"", Typ::AccessToken),
            ("\"dpop+jwt\"", Typ::Other),
            ("\"secevent+jwt\"", Typ::Other),
            ("\"logout+jwt\"", Typ::Other),
            ("7", Typ::Other),
            ("null", Typ::Other),
        ] {
            let header = format!("{{\"alg\":\"RS256\",\"typ\":{typ}}}");
            let read = read(&header).map(|header| header.typ).ok();
            assert_eq!(read, Some(expected), "{typ}");
        }
    }

    #[test]
    fn a29_kids() {
        let long = format!("\"{}\"", "k".repeat(257));
        for kid in [
            "7",
            "{}",
            "null",
            "\"\"",
            "\"a\\u0000\"",
            "\"a\\n\"",
            "\"ä\"",
            &long,
        ] {
            let refused = read(&format!("{{\"alg\":\"RS256\",\"kid\":{kid}}}")).err();
            assert_eq!(refused, Some(TokenErrorKind::KeyId), "{kid}");
        }
        assert!(read(r#"{"alg":"RS256","kid":"1234example+/="}"#).is_ok());
    }

    #[test]
    fn a24_duplicates() {
        for header in [
            r#"{"alg":"RS256","alg":"RS256"}"#,
            r#"{"alg":"RS256","kid":"a","\u006bid":"b"}"#,
            r#"{"alg":"RS256","x":1,"x":1}"#,
            r#"["RS256"]"#,
        ] {
            assert_eq!(read(header).err(), Some(TokenErrorKind::Header), "{header}");
        }
    }
}
