//! How much memory a token takes that is kept with all that was read from it.
//!
//! Its length does not tell: a few bytes of JSON make a value of fifty and more.

use crate::identity::{Identity, Names};
use crate::token::claims::Claims;
use crate::token::issuer::IssuerFacts;
use crate::token::json::{BLOCK, Document};
use crate::token::telling::Telling;

/// In bytes, rather too many than too few: with the map of all claims, which is made when somebody asks for one.
pub(crate) fn of(
    (token, payload): (&str, &str),
    claims: &Document<'_>,
    identity: &Identity,
    facts: &IssuerFacts,
) -> u64 {
    let text = |text: &str| BLOCK + text.len();
    let names = |names: &Names| BLOCK + names.places();
    let login = identity.login().map_or(0, |login| {
        names(&login.methods) + login.context_class.as_deref().map_or(0, text)
    });
    let lists = identity.groups().map_or(0, names) + identity.scopes().map_or(0, names);
    // The subject once more, for those who keep it longer than the token.
    let who = text(identity.issuer()) + text(identity.subject());
    let actor = if claims.has("act") { Identity::SIZE } else { 0 };
    let bytes = FIXED + actor + text(token) + text(payload) + who + lists + login;
    (bytes + claims.bytes_as_values() + Telling::bytes(claims, facts)) as u64
}

const FIXED: usize = Claims::SIZE + Identity::SIZE + 4 * BLOCK;
