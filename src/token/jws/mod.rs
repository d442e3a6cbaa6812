//! A signed text in its compact form (RFC 7515, section 3.1), taken apart, and whether a key made it.

use crate::token::compact::{self, Compact, Room};
use crate::token::error::TokenErrorKind;
use crate::token::header::Header;
use crate::token::keys::Key;

pub(crate) struct Jws<'a> {
    pub(crate) header: Header<'a>,
    /// Says nothing before the signature was checked.
    pub(crate) payload: &'a [u8],
    signed: &'a [u8],
    signature: &'a [u8],
}

impl<'a> Jws<'a> {
    /// Takes a token apart, decoded into the room.
    pub(crate) fn read(token: &'a str, room: &'a mut Room) -> Result<Self, TokenErrorKind> {
        let malformed = || TokenErrorKind::Malformed;
        let wrong = |kind| compact::wrong(token, kind);
        let parts = Compact::split(token).ok_or_else(malformed).map_err(wrong)?;
        let header = { room.header.clear(&[parts.header]) }.decode(parts.header);
        let header = { header.ok_or_else(malformed) }.and_then(Header::read);
        // What is no object is garbage, and the rest of it not read. Else letters come before what they say.
        if let Err(kind @ (TokenErrorKind::Header | TokenErrorKind::Malformed)) = header {
            return Err(wrong(kind));
        }
        let mut free = room.rest.clear(&[parts.payload, parts.signature]);
        let mut decoded = |part| free.decode(part).ok_or_else(malformed).map_err(wrong);
        Ok(Self {
            payload: decoded(parts.payload)?,
            signed: parts.signed.as_bytes(),
            signature: decoded(parts.signature)?,
            header: header?,
        })
    }

    /// Whether `key` made the signature.
    pub(crate) fn check(&self, key: &Key) -> Result<(), TokenErrorKind> {
        // One algorithm for each key: the token does not choose.
        if key.algorithm() != self.header.algorithm {
            return Err(TokenErrorKind::Algorithm);
        }
        key.verify(self.signed, self.signature)
            .map_err(|_| TokenErrorKind::Signature)
    }
}

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests;
