//! What a token says of the one to whom it was issued.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::identity::{Affiliation, Identity, Kind, Login, Names};
use crate::token::issuer::{IssuerFacts, Profile, Shape, Tenant};
use crate::token::sub_id::Home;
use crate::token::window::moment;

/// The identity of a token whose claims have been judged; `subject` is its `sub`, at `home` where that
/// is another issuer than the token's.
pub(crate) fn identity(
    subject: &str,
    mut claims: Map<String, Value>,
    profile: &Profile,
    home: Option<&Home>,
) -> Identity {
    let facts = &profile.facts;
    let mut identity = match home {
        None => at_own_issuer(subject, &claims, facts),
        Some(Home::Configured(home)) => known_by_issuer(subject, &home.facts),
        Some(Home::Unknown(issuer)) => Identity::new(Arc::clone(issuer), subject),
    };
    identity = identity
        .with_kind(kind(subject, &claims, profile.shape))
        .with_login(login(&claims));
    if let Some(username) = username(&claims, profile.shape) {
        identity = identity.with_username(username);
    }
    // A group belongs to an issuer: of one that is not configured there is none.
    let has_groups = home.is_none_or(|home| home.facts().is_some());
    if let Some(name) = facts.groups_claim().filter(|_| has_groups) {
        let said = claims.get(name);
        // An exchanged token often leaves the groups out; that says nothing of whom it was made for.
        let left_out = said.is_none() && claims.contains_key("act");
        if let Some(groups) = groups(said).filter(|_| !left_out) {
            identity = identity.with_groups(groups);
        }
    }
    if let Some(scopes) = scopes(claims.get("scope")) {
        identity = identity.with_scopes(scopes);
    }
    // Facts stand in one place only: a handler must not find the groups that a role took away.
    claims.remove("scope");
    if let Some(name) = facts.groups_claim() {
        claims.remove(name);
    }
    identity.with_attributes(claims, facts.groups_claim())
}

/// Somebody of whom a token of another issuer tells, with what the configuration says of everybody at
/// `issuer`.
pub(super) fn known_by_issuer(subject: impl Into<Arc<str>>, issuer: &IssuerFacts) -> Identity {
    let identity = Identity::new(issuer.shared_issuer(), subject);
    let identity = match issuer.affiliation() {
        Affiliation::Tenant => identity,
        staff => identity.with_affiliation(staff),
    };
    match issuer.tenant_rule() {
        Tenant::Fixed(tenant) => identity.with_tenant(Arc::clone(tenant)),
        Tenant::Claim(_) => identity,
    }
}

fn at_own_issuer(subject: &str, claims: &Map<String, Value>, issuer: &IssuerFacts) -> Identity {
    let identity = known_by_issuer(subject, issuer);
    let Tenant::Claim(name) = issuer.tenant_rule() else {
        return identity;
    };
    let tenant = claims.get(&**name).and_then(Value::as_str);
    match tenant.filter(|tenant| !tenant.trim().is_empty()) {
        Some(tenant) => identity.with_tenant(tenant),
        None => identity,
    }
}

fn kind(subject: &str, claims: &Map<String, Value>, shape: Shape) -> Kind {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let client = text("client_id").or_else(|| text("azp"));
    let nameless_access = matches!(shape, Shape::Cognito(_))
        && text("token_use") == Some("access")
        && text("username").is_none();
    if client == Some(subject) || nameless_access {
        Kind::Machine
    } else {
        Kind::Person
    }
}

fn username(claims: &Map<String, Value>, shape: Shape) -> Option<&str> {
    let names: &[&str] = match shape {
        Shape::Cognito(_) => &["username", "cognito:username"],
        Shape::Generic | Shape::AtJwt => &["preferred_username"],
    };
    names.iter().find_map(|name| claims.get(*name)?.as_str())
}

/// Absent: in no group. Anything but an array of strings: unknown, because guessing at the meaning
/// of `"admins,ops"` makes admins.
fn groups(claim: Option<&Value>) -> Option<Names> {
    match claim {
        None => Some(Names::default()),
        Some(Value::Array(names)) => names.iter().map(Value::as_str).collect(),
        Some(_) => None,
    }
}

fn scopes(claim: Option<&Value>) -> Option<Names> {
    match claim {
        None => Some(Names::default()),
        Some(Value::String(scopes)) => Some(
            scopes
                .split(' ')
                .filter(|scope| !scope.is_empty())
                .collect(),
        ),
        Some(_) => None,
    }
}

fn login(claims: &Map<String, Value>) -> Login {
    let mut login = Login::unknown();
    // Rounded down: an earlier login is the stricter reading.
    login.at = claims
        .get("auth_time")
        .and_then(|at| moment(at, f64::floor));
    login.context_class = claims.get("acr").and_then(Value::as_str).map(Into::into);
    login.methods = claims
        .get("amr")
        .and_then(|methods| groups(Some(methods)))
        .unwrap_or_default();
    login
}
