//! Whether the claims of a token, whose signature fits, are acceptable.

use std::sync::Arc;

use crate::identity::Pieces;
use crate::time::Timestamp;
use crate::token::cache::{Keep, Kept};
use crate::token::claims::{Claims, Marks};
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::issuer::{Accepts, Profile, Shape};
use crate::token::issuers::Issuers;
use crate::token::json::{Document, Item};
use crate::token::person;
use crate::token::sub_id;
use crate::token::verified::Verified;
use crate::token::weight;
use crate::token::window::Window;

/// The claims of a payload, and what the cache keeps of their token.
pub(crate) fn judge(
    claims: &Document<'_>,
    payload: &str,
    profile: &Arc<Profile>,
    issuers: &Arc<Issuers>,
    keep: Option<&Keep<'_>>,
    now: Timestamp,
) -> Result<Verified<Claims>, TokenError> {
    if claims.has("cnf") {
        return Err(TokenErrorKind::ProofOfPossession.into());
    }
    let window = Window::read(claims, profile)?;
    window.check(now)?;
    let subject = subject(claims)?;
    match profile.shape {
        Shape::Cognito(accepts) => cognito(claims, profile, accepts)?,
        Shape::Generic => generic(claims, profile)?,
        Shape::AtJwt => {
            required(claims)?;
            generic(claims, profile)?;
        }
    }
    let home = sub_id::home(subject, claims, profile, issuers)?;
    // Nothing was kept before.
    let pieces = Pieces::of(payload);
    let identity = person::identity(subject, claims, &pieces, profile, home.as_ref());
    let marks = Marks::read(claims, &pieces, &profile.facts);
    let kept = keep.map(|keep| {
        let bytes = weight::of((keep.token, payload), claims, &identity, &profile.facts);
        Kept::new(keep, bytes)
    });
    Ok(Claims::verified(
        identity,
        window,
        marks,
        Arc::clone(profile),
        Arc::clone(issuers),
        kept,
    ))
}

fn subject<'c>(claims: &'c Document<'_>) -> Result<&'c str, TokenErrorKind> {
    claims
        .text("sub")
        .filter(|subject| !subject.trim().is_empty() && subject.len() <= MAX_SUBJECT)
        .ok_or(TokenErrorKind::Subject)
}

fn generic(claims: &Document<'_>, profile: &Profile) -> Result<(), TokenErrorKind> {
    let audience = audience(claims)?.ok_or(TokenErrorKind::Audience)?;
    if !names_one_of(audience, &profile.audiences) {
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
    claims: &Document<'_>,
    profile: &Profile,
    accepts: Accepts,
) -> Result<(), TokenErrorKind> {
    let usage = claims.text("token_use");
    let audience = audience(claims)?;
    let for_client = |audience: Item<'_, '_>| names_one_of(audience, &profile.client_ids);
    let acting = &profile.acting_clients;
    let of_acting = is_one_of(claims.get("client_id"), acting)
        || audience.is_some_and(|audience| names_one_of(audience, acting));
    if of_acting && !claims.has("act") {
        return Err(TokenErrorKind::Actor);
    }
    match (usage, accepts) {
        (Some("access"), _) => {
            if !is_one_of(claims.get("client_id"), &profile.client_ids) {
                return Err(TokenErrorKind::Client);
            }
            let for_us = |audience: Item<'_, '_>| {
                for_client(audience) || names_one_of(audience, &profile.audiences)
            };
            match audience {
                Some(audience) if !for_us(audience) => Err(TokenErrorKind::Audience),
                _ => Ok(()),
            }
        }
        (Some("id"), Accepts::AccessAndIdTokens) => match audience {
            Some(audience) if for_client(audience) => Ok(()),
            _ => Err(TokenErrorKind::Audience),
        },
        _ => Err(TokenErrorKind::TokenUse),
    }
}

/// RFC 9068, section 2.2; `iss`, `exp`, `iat`, `sub` and `aud` are required of every token.
fn required(claims: &Document<'_>) -> Result<(), TokenError> {
    for name in ["client_id", "jti"] {
        if claims.text(name).is_none_or(str::is_empty) {
            return Err(TokenError::claim(name));
        }
    }
    Ok(())
}

/// `aud`: a string or an array of strings, or absent.
fn audience<'d, 'a>(claims: &'d Document<'a>) -> Result<Option<Item<'d, 'a>>, TokenErrorKind> {
    let audience = claims.get("aud");
    match audience.is_none_or(|audience| audience.text_or_texts().is_some()) {
        true => Ok(audience),
        false => Err(TokenErrorKind::Audience),
    }
}

fn names_one_of(audience: Item<'_, '_>, accepted: &[Box<str>]) -> bool {
    let mut names = audience.text_or_texts().into_iter().flatten();
    names.any(|name| accepted.iter().any(|accepted| **accepted == *name))
}

fn is_one_of(claim: Option<Item<'_, '_>>, accepted: &[Box<str>]) -> bool {
    let claim = claim.and_then(Item::as_str);
    claim.is_some_and(|claim| accepted.iter().any(|accepted| **accepted == *claim))
}

const MAX_SUBJECT: usize = 256;
