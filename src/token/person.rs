//! What a token says of the one to whom it was issued.

use std::sync::Arc;

use crate::identity::{Affiliation, Claimed, Identity, Kind, Login, Names, Pieces, Text};
use crate::token::issuer::{IssuerFacts, Profile, Shape, Tenant};
use crate::token::json::{self, Document, Item};
use crate::token::sub_id::Home;
use crate::token::window::moment;

/// The identity of a token whose claims have been judged; `subject` is its `sub`, at `home` where that
/// is another issuer than the token's. Its texts are pieces of the payload.
pub(crate) fn identity(
    subject: &str,
    claims: &Document<'_>,
    pieces: &Pieces<'_>,
    profile: &Profile,
    home: Option<&Home>,
) -> Identity {
    let facts = &profile.facts;
    let text = pieces.text(subject);
    let mut identity = match home {
        None => at_own_issuer(text, claims, pieces, facts),
        Some(Home::Configured(home)) => known_by_issuer(text, &home.facts),
        Some(Home::Unknown(issuer)) => Identity::at(Arc::clone(issuer), text),
    };
    identity = identity
        .with_kind(kind(subject, claims, profile.shape))
        .with_login(login(claims, pieces));
    if let Some(username) = username(claims, profile.shape) {
        identity = identity.named(pieces.text(username));
    }
    // A group belongs to an issuer: of one that is not configured there is none.
    let has_groups = home.is_none_or(|home| home.facts().is_some());
    if let Some(name) = facts.groups_claim().filter(|_| has_groups) {
        let said = claims.get(name);
        // An exchanged token often leaves the groups out; that says nothing of whom it was made for.
        let left_out = said.is_none() && claims.has("act");
        if let Some(groups) = groups(said, pieces).filter(|_| !left_out) {
            identity = identity.with_groups(groups);
        }
    }
    if let Some(scopes) = scopes(claims.get("scope"), pieces) {
        identity = identity.with_scopes(scopes);
    }
    let claims = Claimed {
        text: pieces.whole(),
        read: |payload| json::object(payload.as_bytes()).unwrap_or_default(),
    };
    identity.with_claims(claims, facts.shared_groups_claim())
}

/// Somebody of whom a token of another issuer tells, with what the configuration says of everybody at
/// `issuer`.
pub(super) fn known_by_issuer(subject: Text, issuer: &IssuerFacts) -> Identity {
    let identity = Identity::at(issuer.shared_issuer(), subject);
    let identity = match issuer.affiliation() {
        Affiliation::Tenant => identity,
        staff => identity.with_affiliation(staff),
    };
    match issuer.tenant_rule() {
        Tenant::Fixed(tenant) => identity.with_tenant(Arc::clone(tenant)),
        Tenant::Claim(_) => identity,
    }
}

fn at_own_issuer(
    subject: Text,
    claims: &Document<'_>,
    pieces: &Pieces<'_>,
    issuer: &IssuerFacts,
) -> Identity {
    let identity = known_by_issuer(subject, issuer);
    let Tenant::Claim(name) = issuer.tenant_rule() else {
        return identity;
    };
    let tenant = claims.text(name);
    match tenant.filter(|tenant| !tenant.trim().is_empty()) {
        Some(tenant) => identity.in_tenant(pieces.text(tenant)),
        None => identity,
    }
}

fn kind(subject: &str, claims: &Document<'_>, shape: Shape) -> Kind {
    let nameless_access = matches!(shape, Shape::Cognito(_))
        && claims.text("token_use") == Some("access")
        && claims.text("username").is_none();
    if client(claims) == Some(subject) || nameless_access {
        Kind::Machine
    } else {
        Kind::Person
    }
}

/// The app client to which the token was issued.
pub(super) fn client<'c>(claims: &'c Document<'_>) -> Option<&'c str> {
    claims.text("client_id").or_else(|| claims.text("azp"))
}

fn username<'c>(claims: &'c Document<'_>, shape: Shape) -> Option<&'c str> {
    let names: &[&str] = match shape {
        Shape::Cognito(_) => &["username", "cognito:username"],
        Shape::Generic | Shape::AtJwt => &["preferred_username"],
    };
    names.iter().find_map(|name| claims.text(name))
}

/// Absent: in no group. Anything but an array of strings: unknown, because guessing at the meaning
/// of `"admins,ops"` makes admins.
fn groups(claim: Option<Item<'_, '_>>, pieces: &Pieces<'_>) -> Option<Names> {
    let Some(claim) = claim else {
        return Some(Names::default());
    };
    Some(Names::of_json(claim.texts()?, pieces))
}

fn scopes(claim: Option<Item<'_, '_>>, pieces: &Pieces<'_>) -> Option<Names> {
    match claim {
        None => Some(Names::default()),
        Some(claim) => Some(Names::spaced(pieces.text(claim.as_str()?))),
    }
}

fn login(claims: &Document<'_>, pieces: &Pieces<'_>) -> Login {
    let mut login = Login::unknown();
    // Rounded down: an earlier login is the stricter reading.
    login.at =
        { claims.get("auth_time").and_then(Item::as_number) }.and_then(|at| moment(at, f64::floor));
    login.context_class = claims.text("acr").map(Into::into);
    login.methods = { claims.get("amr") }
        .and_then(|methods| groups(Some(methods), pieces))
        .unwrap_or_default();
    login
}
