use std::fmt;

use aws_sdk_cognitoidentityprovider as aws;

use aws::Client;
use aws::error::{ProvideErrorMetadata, SdkError};
use aws::types::AttributeType;

use crate::answer::Answer;
use crate::cognito::{
    AccountStatus, ApiError, ApiErrorKind, Filter, Page, PoolUser, RefreshToken, UserPoolApi,
};

/// The client of the AWS SDK, bound to a pool: what [`Pool::new`](crate::cognito::Pool::new) asks. For
/// those who put something in between.
#[derive(Clone)]
pub struct SdkPool {
    client: Client,
    pool: String,
}

impl SdkPool {
    /// The pool of that id, asked by this client.
    #[must_use]
    pub fn new(client: Client, pool: &str) -> Self {
        Self {
            client,
            pool: pool.to_owned(),
        }
    }
}

impl UserPoolApi for SdkPool {
    fn list_users(&self, filter: &Filter, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        let call = { self.client.list_users() }
            .user_pool_id(&self.pool)
            .filter(filter.as_str())
            .attributes_to_get("sub")
            .set_pagination_token(page.map(str::to_owned));
        Answer::later(async move {
            let found = call.send().await.map_err(api_error)?;
            let users = found.users().iter();
            Ok(Page {
                names: users
                    .filter_map(|user| user.username())
                    .map(str::to_owned)
                    .collect(),
                next: found.pagination_token,
            })
        })
    }

    fn get_user(&self, username: &str) -> Answer<Result<Option<PoolUser>, ApiError>> {
        let call = self.client.admin_get_user();
        let call = call.user_pool_id(&self.pool).username(username);
        Answer::later(async move {
            let found = match call.send().await.map_err(api_error) {
                Ok(found) => found,
                Err(error) if error.kind() == ApiErrorKind::NoUser => return Ok(None),
                Err(error) => return Err(error),
            };
            let status = found.user_status().map_or("", |status| status.as_str());
            let user = PoolUser::new(found.username(), AccountStatus::named(status));
            let user = match found.enabled() {
                true => user,
                false => user.disabled(),
            };
            let add = |user: PoolUser, attribute: &AttributeType| {
                user.with_attribute(attribute.name(), attribute.value().unwrap_or_default())
            };
            Ok(Some(found.user_attributes().iter().fold(user, add)))
        })
    }

    fn groups_of(&self, username: &str, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        let call = { self.client.admin_list_groups_for_user() }
            .user_pool_id(&self.pool)
            .username(username)
            .set_next_token(page.map(str::to_owned));
        Answer::later(async move {
            let found = call.send().await.map_err(api_error)?;
            let groups = found.groups().iter();
            Ok(Page {
                names: groups
                    .filter_map(|group| group.group_name())
                    .map(str::to_owned)
                    .collect(),
                next: found.next_token,
            })
        })
    }

    fn add_to_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        let call = { self.client.admin_add_user_to_group() }
            .user_pool_id(&self.pool)
            .username(username)
            .group_name(group);
        Answer::later(async move { call.send().await.map(drop).map_err(api_error) })
    }

    fn remove_from_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        let call = { self.client.admin_remove_user_from_group() }
            .user_pool_id(&self.pool)
            .username(username)
            .group_name(group);
        Answer::later(async move { call.send().await.map(drop).map_err(api_error) })
    }

    fn sign_out(&self, username: &str) -> Answer<Result<(), ApiError>> {
        let call = self.client.admin_user_global_sign_out();
        let call = call.user_pool_id(&self.pool).username(username);
        Answer::later(async move { call.send().await.map(drop).map_err(api_error) })
    }

    fn revoke_token(&self, token: &RefreshToken) -> Answer<Result<(), ApiError>> {
        let call = { self.client.revoke_token() }
            .client_id(token.client_id())
            .token(token.expose())
            .set_client_secret(token.expose_client_secret().map(str::to_owned));
        Answer::later(async move { call.send().await.map(drop).map_err(api_error) })
    }
}

// By hand: a client shows its configuration.
impl fmt::Debug for SdkPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SdkPool")
            .field("pool", &self.pool)
            .finish_non_exhaustive()
    }
}

fn api_error<E, R>(error: SdkError<E, R>) -> ApiError
where
    E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    let kind = match error.code() {
        Some("TooManyRequestsException" | "LimitExceededException" | "ThrottlingException") => {
            ApiErrorKind::Throttled
        }
        Some("UserNotFoundException") => ApiErrorKind::NoUser,
        Some("ResourceNotFoundException") => ApiErrorKind::NoResource,
        _ => ApiErrorKind::Unavailable,
    };
    ApiError::because(kind, error)
}
