//! A signed text in its compact form (RFC 7515, section 3.1), taken apart, and whether a key made it.

use crate::token::compact::{self, Compact};
use crate::token::error::TokenErrorKind;
use crate::token::header::Header;
use crate::token::keys::Key;

pub(crate) struct Jws<'a> {
    pub(crate) header: Header,
    /// Says nothing before the signature was checked.
    pub(crate) payload: Vec<u8>,
    signed: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    pub(crate) fn read(token: &'a str) -> Result<Self, TokenErrorKind> {
        let parts = Compact::split(token).ok_or_else(|| match compact::can_be_token(token) {
            true => TokenErrorKind::Malformed,
            false => TokenErrorKind::NotAToken,
        })?;
        let decoded = |part| compact::decode(part).ok_or(TokenErrorKind::Malformed);
        Ok(Self {
            header: Header::read(parts.header)?,
            payload: decoded(parts.payload)?,
            signed: compact::signing_input(token),
            signature: decoded(parts.signature)?,
        })
    }

    /// Whether `key` made the signature.
    pub(crate) fn check(&self, key: &Key) -> Result<(), TokenErrorKind> {
        // One algorithm for each key: the token does not choose.
        if key.algorithm() != self.header.algorithm {
            return Err(TokenErrorKind::Algorithm);
        }
        key.verify(self.signed, &self.signature)
            .map_err(|_| TokenErrorKind::Signature)
    }
}

#[cfg(all(test, feature = "aws_lc_rs"))]
mod tests;
