use std::time::Duration;

use crate::token::header::Typ;
use crate::token::issuer::IssuerFacts;
use crate::token::keys::KeyRules;

/// One configured issuer, checked: what its tokens must look like.
#[derive(Debug)]
pub(crate) struct Profile {
    pub(crate) facts: IssuerFacts,
    pub(crate) shape: Shape,
    pub(crate) client_ids: Vec<Box<str>>,
    /// Those of them whose every token names an actor.
    pub(crate) acting_clients: Vec<Box<str>>,
    pub(crate) audiences: Vec<Box<str>>,
    pub(crate) rules: KeyRules,
    pub(crate) leeway: Duration,
    pub(crate) max_lifetime: Duration,
    pub(crate) max_age: Option<Duration>,
}

/// The kind of tokens an issuer makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    /// Cognito: `token_use`, `client_id` in access tokens, `aud` in ID tokens.
    Cognito(Accepts),
    /// `aud` names this service.
    Generic,
    /// RFC 9068, strictly.
    AtJwt,
}

/// Which of a user pool's tokens are let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Accepts {
    AccessTokens,
    AccessAndIdTokens,
}

impl Profile {
    pub(crate) fn allows_type(&self, typ: Typ) -> bool {
        match self.shape {
            Shape::Cognito(_) => matches!(typ, Typ::Absent | Typ::Jwt),
            Shape::Generic => typ != Typ::Other,
            Shape::AtJwt => typ == Typ::AccessToken,
        }
    }
}
