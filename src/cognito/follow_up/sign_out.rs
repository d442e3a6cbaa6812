use std::fmt;
use std::sync::Arc;

use crate::cognito::follow_up::OF_THE_ACTOR;
use crate::cognito::follow_up::again::in_the_background;
use crate::cognito::people::{self, Found};
use crate::cognito::{ConfigError, Pool, UserPoolApi};
use crate::grant::{Grant, OnEnd};
use crate::terms::EndReason;

/// Signs people of this pool out everywhere (`AdminUserGlobalSignOut`) when a grant of theirs has ended:
/// by default the actor, and only when its own account is the reason
/// ([`EndReason::ActorDisabled`], [`EndReason::ActorDemoted`], [`EndReason::ActorSessionEnded`]).
///
/// All refresh tokens of the person end, those of other devices, too. Access and ID tokens that were
/// issued before stay good until they expire, wherever they are checked by their signature: here the grant
/// decides, which is over already.
///
/// ```
/// use tower_impersonate::cognito::{self, Pool};
/// use tower_impersonate::grant::{self, Grants};
///
/// # fn main() -> Result<(), cognito::ConfigError> {
/// # use aws_sdk_cognitoidentityprovider as aws;
/// # let config = aws::Config::builder().behavior_version(aws::config::BehaviorVersion::v2025_08_07()).build();
/// # let client = aws::Client::from_conf(config);
/// let grants = Grants::new(grant::memory());
/// let desk = Pool::new("eu-west-1", "eu-west-1_Ab12Cd34E", client);
/// grants.on_end(cognito::sign_out_on_end(&desk)?);
/// # Ok(())
/// # }
/// ```
///
/// # Errors
///
/// [`ConfigError::Pool`] for a pool that is malformed.
pub fn sign_out_on_end(pool: &Pool) -> Result<SignOut, ConfigError> {
    Ok(SignOut {
        issuer: pool.checked_issuer()?,
        api: Arc::clone(pool.api()),
        actor: OF_THE_ACTOR.into(),
        target: Vec::new(),
    })
}

/// What [`sign_out_on_end`] makes, for [`Grants::on_end`](crate::grant::Grants::on_end).
#[derive(Clone)]
#[must_use = "it does nothing until grants tell it of their ends"]
pub struct SignOut {
    issuer: Arc<str>,
    api: Arc<dyn UserPoolApi>,
    actor: Vec<EndReason>,
    target: Vec<EndReason>,
}

impl SignOut {
    /// Signs the actor out for these reasons, in place of the three.
    pub fn actor_when(mut self, reasons: impl IntoIterator<Item = EndReason>) -> Self {
        self.actor = reasons.into_iter().collect();
        self
    }

    /// Signs the target out for these reasons; for none by default. It ends the sessions of the user
    /// itself as well: for tokens that the pool made out to the target, as after a custom challenge.
    pub fn target_when(mut self, reasons: impl IntoIterator<Item = EndReason>) -> Self {
        self.target = reasons.into_iter().collect();
        self
    }

    fn sign_out(&self, sub: &str) {
        let (api, sub) = (Arc::clone(&self.api), sub.to_owned());
        in_the_background("sign-out", move |budget| {
            let (api, sub) = (Arc::clone(&api), sub.clone());
            async move {
                match people::by_sub(&*api, &sub, budget).await? {
                    Found::One(user) => budget.call(|| api.sign_out(user.username())).await,
                    // Whoever is gone has no sessions.
                    Found::Nobody | Found::Several => Ok(()),
                }
            }
        });
    }
}

impl OnEnd for SignOut {
    fn ended(&self, grant: &Grant) {
        let Some(end) = &grant.state().end else {
            return;
        };
        let people = [(grant.actor(), &self.actor), (grant.target(), &self.target)];
        for (person, reasons) in people {
            if *person.issuer() == *self.issuer && reasons.contains(&end.reason) {
                self.sign_out(person.subject());
            }
        }
    }
}

impl fmt::Debug for SignOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignOut")
            .field("issuer", &self.issuer)
            .field("actor", &self.actor)
            .field("target", &self.target)
            .finish_non_exhaustive()
    }
}
