//! Whether the claims of a token, whose signature fits, are acceptable.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::time::Timestamp;
use crate::token::claims::Claims;
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::issuer::{Accepts, Profile, Shape};
use crate::token::issuers::Issuers;
use crate::token::person;
use crate::token::sub_id;
use crate::token::verified::Verified;
use crate::token::window::Window;

pub(crate) fn judge(
    claims: Map<String, Value>,
    profile: &Arc<Profile>,
    issuers: &Arc<Issuers>,
    now: Timestamp,
) -> Result<Verified<Claims>, TokenError> {
    if claims.contains_key("cnf") {
        return Err(TokenErrorKind::ProofOfPossession.into());
    }
    let window = Window::read(&claims, profile)?;
    window.check(now)?;
    let subject: Box<str> = subject(&claims)?.into();
    match profile.shape {
        Shape::Cognito(accepts) => cognito(&claims, profile, accepts)?,
        Shape::Generic => generic(&claims, profile)?,
        Shape::AtJwt => {
            required(&claims)?;
            generic(&claims, profile)?;
        }
    }
    let home = sub_id::home(&subject, &claims, profile, issuers)?;
    let identity = person::identity(&subject, claims, profile, home.as_ref());
    Ok(Claims::verified(
        identity,
        window,
        Arc::clone(profile),
        Arc::clone(issuers),
    ))
}

fn subject(claims: &Map<String, Value>) -> Result<&str, TokenErrorKind> {
    let subject = claims.get("sub").and_then(Value::as_str);
    subject
        .filter(|subject| !subject.trim().is_empty() && subject.len() <= MAX_SUBJECT)
        .ok_or(TokenErrorKind::Subject)
}

fn generic(claims: &Map<String, Value>, profile: &Profile) -> Result<(), TokenErrorKind> {
    let audience = audience(claims)?.ok_or(TokenErrorKind::Audience)?;
    if !names_one_of(&audience, &profile.audiences) {
        return Err(TokenErrorKind::Audience);
    }
    let client = claims.get("client_id").or_else(|| claims.get("azp"));
    if profile.client_ids.is_empty() || is_one_of(client, &profile.client_ids) {
        Ok(())
    } else {
        Err(TokenErrorKind::Client)
    }
}

fn cognito(
    claims: &Map<String, Value>,
    profile: &Profile,
    accepts: Accepts,
) -> Result<(), TokenErrorKind> {
    let usage = claims.get("token_use").and_then(Value::as_str);
    let audience = audience(claims)?;
    let for_client = |audience: &Vec<&str>| names_one_of(audience, &profile.client_ids);
    let acting = &profile.acting_clients;
    let of_acting = is_one_of(claims.get("client_id"), acting) || { audience.as_ref() }
        .is_some_and(|audience| names_one_of(audience, acting));
    if of_acting && !claims.contains_key("act") {
        return Err(TokenErrorKind::Actor);
    }
    match (usage, accepts) {
        (Some("access"), _) => {
            if !is_one_of(claims.get("client_id"), &profile.client_ids) {
                return Err(TokenErrorKind::Client);
            }
            let for_us = |audience: &Vec<&str>| {
                for_client(audience) || names_one_of(audience, &profile.audiences)
            };
            match audience {
                Some(audience) if !for_us(&audience) => Err(TokenErrorKind::Audience),
                _ => Ok(()),
            }
        }
        (Some("id"), Accepts::AccessAndIdTokens) => match audience {
            Some(audience) if for_client(&audience) => Ok(()),
            _ => Err(TokenErrorKind::Audience),
        },
        _ => Err(TokenErrorKind::TokenUse),
    }
}

/// RFC 9068, section 2.2; `iss`, `exp`, `iat`, `sub` and `aud` are required of every token.
fn required(claims: &Map<String, Value>) -> Result<(), TokenError> {
    for name in ["client_id", "jti"] {
        let text = claims.get(name).and_then(Value::as_str);
        if text.is_none_or(str::is_empty) {
            return Err(TokenError::claim(name));
        }
    }
    Ok(())
}

/// `aud`: a string or an array of strings, or absent.
fn audience(claims: &Map<String, Value>) -> Result<Option<Vec<&str>>, TokenErrorKind> {
    match claims.get("aud") {
        None => Ok(None),
        Some(Value::String(one)) => Ok(Some(vec![one])),
        Some(Value::Array(several)) => {
            let several: Option<Vec<&str>> = several.iter().map(Value::as_str).collect();
            several.map(Some).ok_or(TokenErrorKind::Audience)
        }
        Some(_) => Err(TokenErrorKind::Audience),
    }
}

fn names_one_of(audience: &[&str], accepted: &[Box<str>]) -> bool {
    audience
        .iter()
        .any(|name| accepted.iter().any(|accepted| **accepted == **name))
}

fn is_one_of(claim: Option<&Value>, accepted: &[Box<str>]) -> bool {
    let claim = claim.and_then(Value::as_str);
    claim.is_some_and(|claim| accepted.iter().any(|accepted| **accepted == *claim))
}

const MAX_SUBJECT: usize = 256;
