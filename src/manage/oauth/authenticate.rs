use axum::response::Response;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http::header::AUTHORIZATION;
use http::request::Parts;
use sha2::{Digest, Sha256};

use crate::identity::Identity;
use crate::manage::client::Known;
use crate::manage::desk::{Desk, too_many};
use crate::manage::http::{At, Call};
use crate::manage::oauth::error::OAuthError;
use crate::manage::oauth::form::Form;
use crate::policy::Right;
use crate::secret::Secret;
use crate::time::Timestamp;
use crate::token::Verified;

/// An app client that has proved itself, and what it asks.
pub(super) struct Asking<'d> {
    pub(super) client: &'d Known,
    pub(super) form: Form,
    pub(super) parts: Parts,
    pub(super) now: Timestamp,
}

impl<'d> Asking<'d> {
    pub(super) async fn read(desk: &'d Desk, call: Call) -> Result<Self, Box<Response>> {
        let Call { at, body } = call;
        let At { parts, now, .. } = at;
        let form = Form::read(&parts, body).await?;
        let (id, secret) = credentials(&parts, &form)?;
        let Some(client) = desk.clients.prove(&id, secret.expose()) else {
            let counted = desk.failures.take(&counter(desk, &id), desk.monotonic());
            counted.map_err(too_many)?;
            return Err(OAuthError::invalid_client().into());
        };
        Ok(Self {
            client,
            form,
            parts,
            now,
        })
    }

    /// The client as an actor.
    pub(super) fn actor(&self, desk: &Desk) -> Verified<Identity> {
        Verified::of_client(desk.minter.issuer_name(), &self.client.id, self.now)
    }

    /// The client has the right, or is told that it has not.
    pub(super) async fn demand(&self, desk: &Desk, right: Right) -> Result<(), Box<Response>> {
        match desk.may(&self.actor(desk), right, self.now).await {
            Ok(()) => Ok(()),
            Err(refusal) => {
                let answer = desk.refuse(refusal, &self.parts, self.now).await;
                Err(as_oauth(&answer, OAuthError::unauthorized_client()).into())
            }
        }
    }
}

/// Whose failures count together: a client's, or those of the names that nobody has and that fall on one of a
/// thousand counters. So a name does not tell by its count whether somebody has it.
fn counter(desk: &Desk, id: &str) -> String {
    let unknown = || {
        let [first, second, ..] = <[u8; 32]>::from(Sha256::digest(id));
        format!("?{}", u16::from_be_bytes([first, second]) % 1000)
    };
    { desk.clients.find(id) }.map_or_else(unknown, |client| client.id.clone())
}

/// What the layer would answer, in the words of RFC 6749.
pub(super) fn as_oauth(answer: &Response, refused: OAuthError) -> OAuthError {
    if answer.status().is_server_error() {
        OAuthError::unavailable()
    } else {
        refused
    }
}

/// Name and secret: from one place.
fn credentials(parts: &Parts, form: &Form) -> Result<(String, Secret<'static>), OAuthError> {
    let in_form = (form.get("client_id"), form.get("client_secret"));
    let mut headers = parts.headers.get_all(AUTHORIZATION).iter();
    let Some(header) = headers.next() else {
        let (Some(id), Some(secret)) = in_form else {
            return Err(OAuthError::invalid_client());
        };
        return Ok((id.to_owned(), Secret::from(secret.to_owned())));
    };
    if headers.next().is_some() {
        return Err(OAuthError::invalid_request("two Authorization headers"));
    }
    let (id, secret) = header
        .to_str()
        .ok()
        .and_then(basic)
        .ok_or_else(OAuthError::invalid_client)?;
    match in_form {
        (named, None) if named.is_none_or(|named| named == id) => Ok((id, secret)),
        _ => Err(OAuthError::invalid_request(
            "credentials in the header and in the body",
        )),
    }
}

/// RFC 7617, with both halves encoded as in forms (RFC 6749, section 2.3.1).
fn basic(header: &str) -> Option<(String, Secret<'static>)> {
    let (scheme, encoded) = header.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = STANDARD.decode(encoded.trim()).ok()?;
    let decoded = String::from_utf8(decoded).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    Some((decode(id), Secret::from(decode(secret))))
}

fn decode(text: &str) -> String {
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    let mut pairs = form_urlencoded::parse(escaped.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_in_basic_may_have_any_characters() {
        for (text, id, secret) in [
            ("desk:secret", "desk", "secret"),
            ("desk:a%3Ab+c%26", "desk", "a:b c&"),
            ("desk:a:b&c=d", "desk", "a:b&c=d"),
            ("desk:", "desk", ""),
        ] {
            let header = format!("basic {}", STANDARD.encode(text));
            let read = basic(&header).map(|(id, secret)| (id, secret.expose().to_owned()));
            assert_eq!(read, Some((id.to_owned(), secret.to_owned())), "{text}");
        }
        for wrong in ["Basic", "Basic !", "Bearer ZGVzazp4", "Basic ZGVzaw=="] {
            assert!(basic(wrong).is_none(), "{wrong}");
        }
    }
}
