//! What must hold when a handler ran, read from the token a second time and in another way.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;
use tower_impersonate::terms::Strategy;
use tower_impersonate::{Identity, Principal};

use crate::signer::Signer;
use crate::{AUDIENCE, ISSUER, NOW, Outcome, PEOPLE, ROLES};

type Groups = BTreeSet<String>;

/// Judges an outcome by all headers that were sent.
pub fn check(signer: &Signer, sent: &HeaderMap, outcome: &Outcome) {
    let Some(ran) = &outcome.ran else {
        assert!(outcome.status.as_u16() >= 400, "refused without saying so");
        assert_eq!(outcome.recorded, 0, "recorded, and did not run");
        return;
    };
    let principal = ran.principal.as_ref().expect("a principal");
    let claims = claims(signer, sent);
    assert_valid(&claims);
    for name in ran.headers.keys().map(|name| name.as_str()) {
        assert!(!is_ours(name), "the handler got {name}");
    }
    let twin = |name: &str| is_ours(name) && !OURS.contains(&name);
    assert!(!sent.keys().any(|name| twin(name.as_str())), "a twin");
    match principal.impersonation() {
        None => {
            assert_eq!(outcome.recorded, 0);
            assert_plain(principal, &claims);
            assert!(!asks(sent), "asks for something, and passes as nothing");
        }
        Some(_) => {
            assert_eq!(outcome.recorded, 1);
            assert_impersonated(principal, &claims, sent);
        }
    }
}

/// The claims of the one token that was sent, which must be ours.
fn claims(signer: &Signer, sent: &HeaderMap) -> Value {
    let mut values = sent.get_all("authorization").iter();
    let (value, more) = (values.next().expect("a credential"), values.next());
    assert!(more.is_none(), "two credentials");
    let value = value.to_str().expect("ASCII");
    let (scheme, token) = value.split_once(' ').expect("a scheme");
    assert!(scheme.eq_ignore_ascii_case("bearer"));
    let payload = signer.made(token).expect("a token of ours");
    serde_json::from_slice(&payload).expect("claims")
}

fn assert_valid(claims: &Value) {
    assert_eq!(claims["iss"], ISSUER);
    assert!(
        claims["sub"]
            .as_str()
            .is_some_and(|sub| !sub.trim().is_empty())
    );
    let aud = match &claims["aud"] {
        Value::Array(several) => several.iter().any(|one| one == AUDIENCE),
        one => one == AUDIENCE,
    };
    assert!(aud, "another audience");
    let now = NOW as f64;
    let (iat, exp) = (claims["iat"].as_f64(), claims["exp"].as_f64());
    let (iat, exp) = (iat.expect("iat"), exp.expect("exp"));
    assert!(exp + 60.0 > now && iat <= now + 60.0 && exp - iat <= 86_401.0);
    if let Some(nbf) = claims.get("nbf") {
        assert!(nbf.as_f64().expect("nbf") <= now + 60.0);
    }
    assert!(claims.get("cnf").is_none() && claims.get("grant_id").is_none());
}

fn assert_plain(principal: &Principal, claims: &Value) {
    assert!(!principal.is_anonymous());
    assert_eq!((principal.subject(), principal.issuer()), own(claims));
    assert_eq!(groups(principal.identity()), said(claims));
    assert!(claims.get("act").is_none() && claims.get("impersonating").is_none());
}

fn assert_impersonated(principal: &Principal, claims: &Value, sent: &HeaderMap) {
    let impersonation = principal.impersonation().expect("an impersonation");
    let actor = impersonation.actor();
    let actor_key = (actor.subject(), actor.issuer());
    let key = (principal.subject(), principal.issuer());
    let got = groups(principal.identity()).expect("known groups");
    let strategy = impersonation.strategy();
    if strategy == Strategy::Act {
        assert_eq!(actor_key, named(&claims["act"]));
        assert_eq!(key, own(claims));
        if let Some(may_act) = claims.get("may_act") {
            assert_eq!(actor_key, named(may_act), "somebody else may");
        }
    } else {
        assert_eq!(actor_key, own(claims));
        assert!(claims.get("act").is_none());
        let known = said(claims).or_else(|| registered(actor.subject()));
        assert!(known.is_some_and(|groups| groups.contains("support")));
    }
    if strategy == Strategy::Role {
        assert_eq!(key, actor_key);
        assert!(got.iter().all(|group| ROLES.contains(&group.as_str())));
        assert!(!got.is_empty());
        return;
    }
    assert_ne!(key, actor_key, "acts as itself");
    match strategy {
        Strategy::Header => {
            let mut values = sent.get_all("impersonate-user").iter();
            let (value, more) = (values.next().expect("a header"), values.next());
            assert_eq!(value, principal.subject());
            assert!(more.is_none(), "two users");
        }
        Strategy::Claim => match &claims["impersonating"] {
            Value::String(text) if !text.starts_with('{') => assert_eq!(text, principal.subject()),
            Value::String(text) => {
                let object: Value = serde_json::from_str(text).expect("JSON in a string");
                assert_eq!(key, named(&object));
            }
            object => assert_eq!(key, named(object)),
        },
        _ => {}
    }
    let directory = registered(principal.subject()).expect("somebody of the directory");
    let of_target = match said(claims).filter(|_| strategy == Strategy::Act) {
        Some(token) if claims.get("groups").is_some() => token,
        _ => directory,
    };
    assert!(!of_target.contains("admins"), "acts as an administrator");
    if sent.contains_key("impersonate-group") {
        assert!(got.is_subset(&of_target));
    } else {
        assert_eq!(got, of_target);
    }
}

/// Whether the request said that it impersonates.
fn asks(sent: &HeaderMap) -> bool {
    OURS.iter().any(|name| sent.contains_key(*name))
}

fn is_ours(name: &str) -> bool {
    OURS.contains(&name.replace('_', "-").as_str())
}

fn own(claims: &Value) -> (&str, &str) {
    (claims["sub"].as_str().expect("sub"), ISSUER)
}

fn named(person: &Value) -> (&str, &str) {
    let issuer = person
        .get("iss")
        .map_or(ISSUER, |iss| iss.as_str().expect("iss"));
    (person["sub"].as_str().expect("sub"), issuer)
}

/// The groups that the token tells.
fn said(claims: &Value) -> Option<Groups> {
    match claims.get("groups") {
        None if claims.get("act").is_some() => None,
        None => Some(Groups::new()),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect(),
        Some(_) => None,
    }
}

/// The groups that the directory tells.
fn registered(sub: &str) -> Option<Groups> {
    let (_, groups) = PEOPLE.into_iter().find(|(known, _)| *known == sub)?;
    Some(groups.iter().map(|group| (*group).to_owned()).collect())
}

fn groups(of: &Identity) -> Option<Groups> {
    Some(of.groups()?.iter().map(str::to_owned).collect())
}

const OURS: [&str; 4] = [
    "impersonate-user",
    "impersonate-group",
    "impersonate-issuer",
    "impersonate-reason",
];
