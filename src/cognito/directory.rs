use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::answer::Answer;
use crate::cognito::budget::Budget;
use crate::cognito::people::{self, Found};
use crate::cognito::{AccountStatus, ApiError, ConfigError, Pool, PoolUser, UserPoolApi};
use crate::directory::{Directory, LookupError};
use crate::identity::Identity;
use crate::terms::{TargetRef, Who};

/// A directory of these user pools: each answers for its own issuer.
///
/// One pool of an application, one for each of its clients, and the pool of a central staff beside them:
/// give all of which people can be targets or whose actors must be looked up. A reference to an issuer
/// that is none of theirs finds nobody.
pub fn directory(pools: impl IntoIterator<Item = Pool>) -> DirectoryBuilder {
    DirectoryBuilder {
        pools: pools.into_iter().collect(),
        deadline: Duration::from_millis(900),
        admitted: vec![AccountStatus::Confirmed, AccountStatus::ExternalProvider],
        complete: None,
    }
}

/// Configures a [`CognitoDirectory`]; made by [`directory`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct DirectoryBuilder {
    pools: Vec<Pool>,
    deadline: Duration,
    admitted: Vec<AccountStatus>,
    complete: Option<Arc<Complete>>,
}

type Complete = dyn Fn(&PoolUser, Identity) -> Identity + Send + Sync;

impl DirectoryBuilder {
    /// How long a look-up may take with all its calls and whatever is asked again; 900 ms by default, 50 ms
    /// to 30 s. Longer than the layer's [deadline](crate::middleware::Builder::deadline) is of no use.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Lets accounts of this status be used, too. By default those that are confirmed and those of another
    /// provider: an account that nobody has ever signed in to, or that must be reset, is as good as
    /// disabled. An account that is disabled stays so.
    ///
    /// For a desk that prepares accounts before they are handed over:
    /// [`AccountStatus::ForceChangePassword`].
    pub fn admit(mut self, status: AccountStatus) -> Self {
        self.admitted.push(status);
        self
    }

    /// Adds what the application knows of somebody: a rank, or a tenant where issuer and tenant are not
    /// the same. Take neither from an attribute that users can write.
    pub fn complete(
        mut self,
        complete: impl Fn(&PoolUser, Identity) -> Identity + Send + Sync + 'static,
    ) -> Self {
        self.complete = Some(Arc::new(complete));
        self
    }

    /// Checks it; nobody is asked.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] without a pool, for one that is malformed or given twice, and for a deadline beyond
    /// its bounds.
    pub fn build(self) -> Result<CognitoDirectory, ConfigError> {
        let bounds = Duration::from_millis(50)..=Duration::from_secs(30);
        if !bounds.contains(&self.deadline) {
            return Err(ConfigError::OutOfBounds {
                setting: "deadline",
                bounds: "between 50 ms and 30 s",
            });
        }
        let mut pools = HashMap::new();
        for pool in self.pools {
            let issuer = pool.checked_issuer()?;
            if pools.insert(Arc::clone(&issuer), pool).is_some() {
                return Err(ConfigError::PoolTwice {
                    issuer: issuer.to_string(),
                });
            }
        }
        if pools.is_empty() {
            return Err(ConfigError::NoPool);
        }
        Ok(CognitoDirectory(Arc::new(Shared {
            pools,
            deadline: self.deadline,
            admitted: self.admitted,
            complete: self.complete,
        })))
    }
}

/// People of user pools, as the administration of each tells of them. Cheap to clone.
///
/// Somebody is found by `sub`; where the strategy lets names in, by username, by an e-mail address that is
/// verified, or by `Provider_id` of an identity that is linked to the account, as SAML and social users
/// have. A name that several bear finds nobody. Whoever is not there any more, by a `sub` of its own pool, is
/// a disabled account: who was deleted impersonates nobody by a token that still lives. The identity carries the username, the groups, whether the
/// account may be used, and the attributes of the profile: `email_verified` and `phone_number_verified` as
/// booleans, `identities` as the array that it is, all others as text.
///
/// A look-up by `sub` is three calls: `ListUsers`, `AdminGetUser`, `AdminListGroupsForUser`.
#[derive(Clone)]
pub struct CognitoDirectory(Arc<Shared>);

struct Shared {
    pools: HashMap<Arc<str>, Pool>,
    deadline: Duration,
    admitted: Vec<AccountStatus>,
    complete: Option<Arc<Complete>>,
}

impl Directory for CognitoDirectory {
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        let Some((issuer, pool)) = self.0.pools.get_key_value(target.issuer()) else {
            return Answer::now(Err(LookupError::not_found()));
        };
        let (issuer, api) = (Arc::clone(issuer), Arc::clone(pool.api()));
        let (shared, who) = (Arc::clone(&self.0), target.who().clone());
        Answer::later(async move { shared.find(issuer, &*api, &who).await })
    }
}

impl Shared {
    async fn find(
        &self,
        issuer: Arc<str>,
        api: &dyn UserPoolApi,
        who: &Who,
    ) -> Result<Identity, LookupError> {
        let budget = Budget::of(self.deadline);
        let found = match who {
            Who::Subject(sub) => people::by_sub(api, sub, budget).await,
            Who::Name(name) => people::by_name(api, name, budget).await,
        };
        let user = match found.map_err(LookupError::unavailable)? {
            Found::One(user) => user,
            Found::Nobody => return Self::gone(issuer, who),
            Found::Several => return Err(LookupError::ambiguous()),
        };
        let groups = groups(api, user.username(), budget).await;
        let groups = groups.map_err(LookupError::unavailable)?;
        let sub = user.sub().ok_or_else(LookupError::not_found)?;
        let usable = user.is_enabled() && self.admitted.contains(&user.status());
        let person = Identity::new(issuer, sub)
            .with_username(user.username())
            .with_groups(groups);
        let person = match usable {
            true => person.enabled_account(),
            false => person.disabled_account(),
        };
        let person =
            user.attributes()
                .fold(person, |person, (name, text)| match attribute(name, text) {
                    Some(value) => person.with_attribute(name, value),
                    None => person,
                });
        match &self.complete {
            Some(complete) => Ok(complete(&user, person)),
            None => Ok(person),
        }
    }
}

impl Shared {
    /// A `sub` of this pool that is not there any more was an account: who holds its token must not go on
    /// as if nobody knew of it. A name is anybody's.
    fn gone(issuer: Arc<str>, who: &Who) -> Result<Identity, LookupError> {
        match who {
            Who::Subject(sub) => Ok(Identity::new(issuer, sub.clone()).disabled_account()),
            Who::Name(_) => Err(LookupError::not_found()),
        }
    }
}

/// All groups of a user.
pub(super) async fn groups(
    api: &dyn UserPoolApi,
    username: &str,
    budget: Budget,
) -> Result<Vec<String>, ApiError> {
    budget.all(|page| api.groups_of(username, page)).await
}

/// The `sub` is no attribute. A list of identities that cannot be read is left out.
fn attribute(name: &str, text: &str) -> Option<Value> {
    match name {
        "sub" => None,
        "email_verified" | "phone_number_verified" => Some(Value::Bool(text == "true")),
        "identities" => serde_json::from_str(text).ok(),
        _ => Some(Value::from(text)),
    }
}

impl fmt::Debug for DirectoryBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DirectoryBuilder")
            .field("pools", &self.pools)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for CognitoDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CognitoDirectory")
            .field("pools", &self.0.pools.keys())
            .finish_non_exhaustive()
    }
}
