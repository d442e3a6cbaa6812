use std::sync::Arc;

use crate::identity::Identity;

/// The session in which an actor had signed in, by the names that its token gives.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ActorSession {
    /// `jti`: the token itself.
    pub token_id: Option<Arc<str>>,
    /// `origin_jti`: Cognito's name of the sign-in from which the token comes.
    pub origin_token_id: Option<Arc<str>>,
    /// `sid`: the session at an OpenID provider.
    pub session_id: Option<Arc<str>>,
}

/// A session, by one of its names and the issuer that calls it so: what one issuer calls `1` is another one's
/// as well.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct SessionKey {
    /// The actor's issuer, by its canonical name.
    pub issuer: Arc<str>,
    /// The `jti`, `origin_jti` or `sid` of the actor's token.
    pub name: Arc<str>,
}

impl SessionKey {
    /// The session of that name at that issuer.
    pub fn new(issuer: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            name: name.into(),
        }
    }
}

impl ActorSession {
    /// What the actor's own token says.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn of(actor: &Identity) -> Self {
        let named = |claim| actor.text(claim).map(Into::into);
        Self {
            token_id: named("jti"),
            origin_token_id: named("origin_jti"),
            session_id: named("sid"),
        }
    }

    /// Whether one of its names is this one.
    #[must_use]
    pub fn is_named(&self, name: &str) -> bool {
        [&self.token_id, &self.origin_token_id, &self.session_id]
            .into_iter()
            .any(|own| own.as_deref() == Some(name))
    }

    /// All names there are.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        [&self.token_id, &self.origin_token_id, &self.session_id]
            .into_iter()
            .filter_map(|name| name.as_deref())
    }
}
