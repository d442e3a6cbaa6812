use std::fmt;
use std::sync::Arc;

use crate::cognito::sdk::SdkPool;
use crate::cognito::{ConfigError, UserPoolApi};
use crate::token::pool_name;

/// A user pool, by the issuer of its tokens, and how it is asked. Cheap to clone.
///
/// Nothing is checked before something is built of it.
#[derive(Clone)]
pub struct Pool {
    name: String,
    /// `None` where the name is malformed.
    issuer: Option<Arc<str>>,
    api: Arc<dyn UserPoolApi>,
}

impl Pool {
    /// The pool of that id in that region, asked by this client of the AWS SDK.
    pub fn new(
        region: impl AsRef<str>,
        id: impl AsRef<str>,
        client: aws_sdk_cognitoidentityprovider::Client,
    ) -> Self {
        let sdk = SdkPool::new(client, id.as_ref());
        Self::asked_by(region, id, sdk)
    }

    /// The same pool, asked in another way.
    pub fn asked_by(
        region: impl AsRef<str>,
        id: impl AsRef<str>,
        api: impl UserPoolApi + 'static,
    ) -> Self {
        let (region, id) = (region.as_ref(), id.as_ref());
        Self {
            name: format!("{region}/{id}"),
            issuer: pool_name::canonical(region, id).map(Into::into),
            api: Arc::new(api),
        }
    }

    /// The issuer that identities of the pool carry, in its first form; `None` where region or id are
    /// malformed.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    pub(super) fn api(&self) -> &Arc<dyn UserPoolApi> {
        &self.api
    }

    pub(super) fn checked_issuer(&self) -> Result<Arc<str>, ConfigError> {
        self.issuer.clone().ok_or_else(|| ConfigError::Pool {
            pool: self.name.clone(),
        })
    }
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool")
            .field("issuer", &self.issuer)
            .finish_non_exhaustive()
    }
}
