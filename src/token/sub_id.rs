//! A subject of another issuer: the claim `sub_id` of the format `iss_sub` (RFC 9493, section 3.2.4).
//!
//! A token that is minted on behalf of somebody is the minter's own, but its subject stays who it is:
//! `sub` at the issuer that `sub_id` names. A token that says so twice, and differently, means nobody.

use std::sync::Arc;

use crate::token::error::TokenErrorKind;
use crate::token::issuer::{IssuerFacts, Profile};
use crate::token::issuers::Issuers;
use crate::token::json::{Document, Item};

/// Whose the subject of a token is, where it is not the issuer's of the token.
pub(crate) enum Home {
    Configured(Arc<Profile>),
    /// By the name that the token gives.
    Unknown(Arc<str>),
}

impl Home {
    pub(crate) fn facts(&self) -> Option<&IssuerFacts> {
        match self {
            Self::Configured(profile) => Some(&profile.facts),
            Self::Unknown(_) => None,
        }
    }
}

/// `None` where the subject is one of the token's own issuer; `subject` is its `sub`.
pub(crate) fn home(
    subject: &str,
    claims: &Document<'_>,
    profile: &Profile,
    issuers: &Issuers,
) -> Result<Option<Home>, TokenErrorKind> {
    let Some(claim) = claims.get("sub_id") else {
        return Ok(None);
    };
    let issuer = issuer_of(claim, subject).ok_or(TokenErrorKind::SubjectIdentifier)?;
    let home = match issuers.profile(issuer) {
        Some(home) => Home::Configured(Arc::clone(home)),
        None => Home::Unknown(issuer.into()),
    };
    let own = profile.facts.issuer();
    match &home {
        Home::Configured(home) if home.facts.issuer() == own => Ok(None),
        // Without `act` its bearer would be an actor with the groups of another issuer.
        _ if profile.facts.trusts_sub_id() && claims.has("act") => Ok(Some(home)),
        _ => Err(TokenErrorKind::SubjectIdentifier),
    }
}

/// The issuer that it names, if it is exactly `format`, `iss` and this `sub`.
fn issuer_of<'c>(claim: Item<'c, '_>, subject: &str) -> Option<&'c str> {
    let members = Some(claim).filter(|claim| claim.len() == 3)?;
    let text = |name: &str| members.get(name).and_then(Item::as_str);
    let same = text("format") == Some("iss_sub") && text("sub") == Some(subject);
    let named = |issuer: &&str| {
        (1..=MAX_ISSUER).contains(&issuer.len())
            && issuer.bytes().all(|byte| byte.is_ascii_graphic())
    };
    text("iss").filter(named).filter(|_| same)
}

const MAX_ISSUER: usize = 512;
