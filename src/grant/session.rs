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
