use std::fmt;
use std::sync::Arc;

use crate::cognito::follow_up::OF_THE_ACTOR;
use crate::cognito::follow_up::again::in_the_background;
use crate::cognito::{ConfigError, Pool, UserPoolApi};
use crate::grant::{Grant, OnEnd};
use crate::secret::Secret;
use crate::terms::EndReason;

/// Revokes the refresh token behind the actor's session (`RevokeToken`) when a grant that was begun in it
/// has ended: by default only when the actor's own account is the reason
/// ([`EndReason::ActorDisabled`], [`EndReason::ActorDemoted`], [`EndReason::ActorSessionEnded`]), as
/// [`sign_out_on_end`](crate::cognito::sign_out_on_end) does.
///
/// Cognito revokes by the refresh token, which no server that only checks access tokens ever sees. `find`
/// gives the one that belongs to an `origin_jti`, from wherever the application keeps it, as a session
/// store of its own; `None` where there is none, and then nothing is done. It must not block.
///
/// ```
/// use tower_impersonate::cognito::{self, Pool, RefreshToken};
/// use tower_impersonate::grant::{self, Grants};
///
/// # fn main() -> Result<(), cognito::ConfigError> {
/// # use aws_sdk_cognitoidentityprovider as aws;
/// # let config = aws::Config::builder().behavior_version(aws::config::BehaviorVersion::v2025_08_07()).build();
/// # let client = aws::Client::from_conf(config);
/// # let sessions = std::collections::HashMap::from([("origin".to_owned(), "eyJjdHkiOi".to_owned())]);
/// let grants = Grants::new(grant::memory());
/// let desk = Pool::new("eu-west-1", "eu-west-1_Ab12Cd34E", client);
/// grants.on_end(cognito::revoke_tokens_on_end(&desk, move |origin_jti| {
///     let kept = sessions.get(origin_jti)?;
///     Some(RefreshToken::new("55pb79dl8gm0i1ho9hdre91r3k", kept.clone()))
/// })?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ConfigError::Pool`] for a pool that is malformed.
pub fn revoke_tokens_on_end(
    pool: &Pool,
    find: impl Fn(&str) -> Option<RefreshToken> + Send + Sync + 'static,
) -> Result<RevokeTokens, ConfigError> {
    Ok(RevokeTokens {
        issuer: pool.checked_issuer()?,
        api: Arc::clone(pool.api()),
        find: Arc::new(find),
        reasons: OF_THE_ACTOR.into(),
    })
}

/// What [`revoke_tokens_on_end`] makes, for [`Grants::on_end`](crate::grant::Grants::on_end).
#[derive(Clone)]
#[must_use = "it does nothing until grants tell it of their ends"]
pub struct RevokeTokens {
    issuer: Arc<str>,
    api: Arc<dyn UserPoolApi>,
    find: Arc<Find>,
    reasons: Vec<EndReason>,
}

type Find = dyn Fn(&str) -> Option<RefreshToken> + Send + Sync;

impl RevokeTokens {
    /// Revokes for these reasons, in place of the three.
    pub fn when(mut self, reasons: impl IntoIterator<Item = EndReason>) -> Self {
        self.reasons = reasons.into_iter().collect();
        self
    }
}

impl OnEnd for RevokeTokens {
    fn ended(&self, grant: &Grant) {
        let end = grant.state().end.as_ref();
        let is_one = end.is_some_and(|end| self.reasons.contains(&end.reason));
        if !is_one || *grant.actor().issuer() != *self.issuer {
            return;
        }
        let origin = grant.session().origin_token_id.as_deref();
        let Some(token) = origin.and_then(|origin| (self.find)(origin)) else {
            return;
        };
        let api = Arc::clone(&self.api);
        in_the_background("revocation of a refresh token", move |budget| {
            let (api, token) = (Arc::clone(&api), token.clone());
            async move { budget.call(|| api.revoke_token(&token)).await }
        });
    }
}

impl fmt::Debug for RevokeTokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RevokeTokens")
            .field("issuer", &self.issuer)
            .field("reasons", &self.reasons)
            .finish_non_exhaustive()
    }
}

/// A refresh token, with the app client that it was issued to.
#[derive(Debug, Clone)]
pub struct RefreshToken {
    client_id: String,
    token: Secret<'static>,
    client_secret: Option<Secret<'static>>,
}

impl RefreshToken {
    /// The token of a public client.
    pub fn new(client_id: impl Into<String>, token: impl Into<String>) -> Self {
        Self {
            client_id: client_id.into(),
            token: token.into().into(),
            client_secret: None,
        }
    }

    /// Of a client that has a secret.
    #[must_use]
    pub fn with_client_secret(mut self, secret: impl Into<String>) -> Self {
        self.client_secret = Some(secret.into().into());
        self
    }

    /// The app client.
    #[must_use]
    pub fn client_id(&self) -> &str {
        &self.client_id
    }

    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.token.expose()
    }

    /// The client's secret, where it has one.
    #[must_use]
    pub fn expose_client_secret(&self) -> Option<&str> {
        self.client_secret.as_ref().map(Secret::expose)
    }
}
