//! A token that has been taken apart and led to its issuer, before its signature is checked.

use serde_json::{Map, Value};

use crate::token::compact::{self, Compact};
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::header::Header;
use crate::token::issuers::{Issuers, Route};
use crate::token::json;
use crate::token::keys::Key;

pub(super) struct Unverified {
    pub(super) header: Header,
    pub(super) route: Route,
    claims: Map<String, Value>,
    signature: Vec<u8>,
}

impl Unverified {
    /// Does no I/O, and nothing of what is read counts but `iss`, which only chooses the issuer.
    pub(super) fn read(token: &str, issuers: &Issuers) -> Result<Self, TokenError> {
        let parts = Compact::split(token).ok_or(TokenErrorKind::Malformed)?;
        let header = Header::read(parts.header)?;
        let payload = compact::decode(parts.payload).ok_or(TokenErrorKind::Malformed)?;
        let signature = compact::decode(parts.signature).ok_or(TokenErrorKind::Malformed)?;
        let claims = json::object(&payload).ok_or(TokenErrorKind::Payload)?;
        let issuer = claims.get("iss").and_then(Value::as_str);
        let Some(route) = issuer.and_then(|iss| issuers.route(iss)) else {
            return Err(unknown(issuer));
        };
        if !route.profile.rules.allows(header.algorithm) {
            return Err(TokenErrorKind::Algorithm.into());
        }
        if !route.profile.allows_type(header.typ) {
            return Err(TokenErrorKind::Type.into());
        }
        Ok(Self {
            route: route.clone(),
            header,
            claims,
            signature,
        })
    }

    /// The claims, if `key` made the signature.
    pub(super) fn verify(
        self,
        token: &str,
        key: &Key,
    ) -> Result<Map<String, Value>, TokenErrorKind> {
        // One algorithm for each key: the token does not choose.
        if key.algorithm() != self.header.algorithm {
            return Err(TokenErrorKind::Algorithm);
        }
        key.verify(compact::signing_input(token), &self.signature)
            .map_err(|_| TokenErrorKind::Signature)?;
        Ok(self.claims)
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
