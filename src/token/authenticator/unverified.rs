//! A token that has been taken apart and led to its issuer, before its signature is checked.

use crate::token::compact::Room;
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::issuers::{Issuers, Route};
use crate::token::json::{Document, Item};
use crate::token::jws::Jws;
use crate::token::keys::Key;

pub(super) struct Unverified<'a> {
    pub(super) route: &'a Route,
    jws: Jws<'a>,
    payload: &'a str,
    claims: Document<'a>,
}

impl<'a> Unverified<'a> {
    /// Does no I/O, and nothing of what is read counts but `iss`, which only chooses the issuer.
    pub(super) fn read(
        token: &'a str,
        room: &'a mut Room,
        issuers: &'a Issuers,
    ) -> Result<Self, TokenError> {
        let jws = Jws::read(token, room)?;
        let payload = std::str::from_utf8(jws.payload).map_err(|_| TokenErrorKind::Payload)?;
        let claims = Document::read(payload).ok_or(TokenErrorKind::Payload)?;
        let issuer = claims.get("iss").and_then(Item::as_str);
        let Some(route) = issuer.and_then(|iss| issuers.route(iss)) else {
            return Err(unknown(issuer));
        };
        if !route.profile.rules.allows(jws.header.algorithm) {
            return Err(TokenErrorKind::Algorithm.into());
        }
        if !route.profile.allows_type(jws.header.typ) {
            return Err(TokenErrorKind::Type.into());
        }
        Ok(Self {
            route,
            jws,
            payload,
            claims,
        })
    }

    pub(super) fn kid(&self) -> Option<&str> {
        self.jws.header.kid.as_deref()
    }

    /// Whether `key` made the signature.
    pub(super) fn verify(&self, key: &Key) -> Result<(), TokenErrorKind> {
        self.jws.check(key)
    }

    /// Says nothing before the signature was checked.
    pub(super) fn claims(&self) -> (&Document<'a>, &'a str) {
        (&self.claims, self.payload)
    }
}

fn unknown(issuer: Option<&str>) -> TokenError {
    // Attacker's text: escaped, and cut short.
    let shown: String = issuer
        .unwrap_or_default()
        .escape_debug()
        .take(128)
        .collect();
    tracing::debug!(target: "impersonation::token", iss = shown, "issuer is not configured");
    TokenErrorKind::UnknownIssuer.into()
}
