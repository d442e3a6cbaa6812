//! The claims of a minted token (RFC 9068, section 2.2; RFC 8693, section 4; RFC 9493, section 3.2.4).

use serde::Serialize;

use crate::identity::{Identity, Kind};
use crate::mint::{MintError, MintErrorKind};
use crate::policy::Permit;
use crate::token::Verified;

#[derive(Serialize)]
pub(super) struct Payload<'a> {
    pub(super) iss: &'a str,
    pub(super) sub: &'a str,
    pub(super) aud: &'a str,
    pub(super) exp: i64,
    pub(super) iat: i64,
    pub(super) jti: &'a str,
    pub(super) client_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) scope: Option<&'a str>,
    #[serde(flatten)]
    pub(super) behalf: Option<Behalf<'a>>,
}

/// Who acts as whom.
#[derive(Serialize)]
pub(super) struct Behalf<'a> {
    act: Actor<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sub_id: Option<SubjectId<'a>>,
    mode: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    grant_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    groups: Option<Vec<&'a str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    preferred_username: Option<&'a str>,
}

/// There is never another one inside.
#[derive(Serialize)]
struct Actor<'a> {
    sub: &'a str,
    iss: &'a str,
}

#[derive(Serialize)]
struct SubjectId<'a> {
    format: &'static str,
    iss: &'a str,
    sub: &'a str,
}

impl<'a> Behalf<'a> {
    pub(super) fn new(
        permit: &'a Permit,
        target: &'a Identity,
        issuer: &str,
    ) -> Result<Self, MintError> {
        let actor = permit.actor();
        if is_impersonated(actor, issuer) {
            return Err(MintErrorKind::Nested.into());
        }
        let groups = target
            .groups()
            .map(|groups| groups.iter().collect::<Vec<_>>());
        if groups
            .as_ref()
            .is_some_and(|groups| groups.len() > MAX_GROUPS)
        {
            return Err(MintErrorKind::TooLarge.into());
        }
        Ok(Self {
            act: Actor {
                sub: actor.subject(),
                iss: actor.issuer(),
            },
            sub_id: (target.issuer() != issuer).then(|| SubjectId {
                format: "iss_sub",
                iss: target.issuer(),
                sub: target.subject(),
            }),
            mode: permit.mode().as_str(),
            grant_id: permit.ask().grant().map(ToString::to_string),
            groups,
            preferred_username: target.username(),
        })
    }
}

/// Whether there is somebody behind the actor. A token minted here may be exchanged for another one of the same
/// actor; one that anybody else made for an actor may not.
fn is_impersonated(actor: &Verified<Identity>, issuer: &str) -> bool {
    match actor.is_own() {
        true => ["act", "impersonating"]
            .iter()
            .any(|claim| actor.attribute(claim).is_some()),
        // Under a grant that is kept here, the actor's own token began it.
        false => !actor.speaks_for_itself() && actor.voucher() != issuer,
    }
}

/// The app client that the actor uses; an app client is its own.
pub(super) fn client_id<'a>(actor: &'a Identity, issuer: &'a str) -> &'a str {
    if actor.kind() == Kind::Machine {
        return actor.subject();
    }
    let named = actor.text("client_id").or_else(|| actor.text("azp"));
    named.filter(|name| !name.is_empty()).unwrap_or(issuer)
}

/// RFC 6749, section 3.3: `scope-token`s separated by single spaces; `None` where there is none.
pub(super) fn scope<'a>(
    scopes: impl Iterator<Item = &'a str>,
) -> Result<Option<String>, MintError> {
    let allowed = |byte: u8| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    let mut joined = String::new();
    for scope in scopes {
        if scope.is_empty() || !scope.bytes().all(allowed) {
            return Err(MintErrorKind::Scope.into());
        }
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(scope);
    }
    Ok(Some(joined).filter(|joined| !joined.is_empty()))
}

const MAX_GROUPS: usize = 1000;
