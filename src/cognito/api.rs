use std::error::Error;
use std::fmt;
use std::sync::Arc;

use crate::answer::Answer;
use crate::cognito::{Filter, PoolUser, RefreshToken};

/// The calls that are made of one user pool's administration.
///
/// `aws_sdk_cognitoidentityprovider::Client` is made one by [`Pool::new`](crate::cognito::Pool::new). A
/// gateway of the application's own that stands before the API can be another.
///
/// Every method is one call of the API, bound to the pool. It may be dropped before it has answered, and
/// asked again after [`ApiErrorKind::Throttled`]; it must not wait for that itself longer than a moment.
pub trait UserPoolApi: Send + Sync {
    /// `ListUsers`: the usernames of those that the filter finds, a page at a time.
    fn list_users(&self, filter: &Filter, page: Option<&str>) -> Answer<Result<Page, ApiError>>;

    /// `AdminGetUser`: whoever the pool knows by that username or alias; `None` where there is nobody
    /// (`UserNotFoundException`).
    fn get_user(&self, username: &str) -> Answer<Result<Option<PoolUser>, ApiError>>;

    /// `AdminListGroupsForUser`: the groups of that user, a page at a time.
    fn groups_of(&self, username: &str, page: Option<&str>) -> Answer<Result<Page, ApiError>>;

    /// `AdminAddUserToGroup`. Who is in the group stays in it.
    fn add_to_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>>;

    /// `AdminRemoveUserFromGroup`. Who is not in the group stays out of it.
    fn remove_from_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>>;

    /// `AdminUserGlobalSignOut`: refresh tokens of that user end. Access and ID tokens stay good wherever
    /// they are checked by their signature alone.
    fn sign_out(&self, username: &str) -> Answer<Result<(), ApiError>>;

    /// `RevokeToken`: that refresh token ends, and with it every access token of the same `origin_jti`, as
    /// far as Cognito itself is asked.
    fn revoke_token(&self, token: &RefreshToken) -> Answer<Result<(), ApiError>>;
}

impl<A: UserPoolApi + ?Sized> UserPoolApi for Arc<A> {
    fn list_users(&self, filter: &Filter, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        (**self).list_users(filter, page)
    }

    fn get_user(&self, username: &str) -> Answer<Result<Option<PoolUser>, ApiError>> {
        (**self).get_user(username)
    }

    fn groups_of(&self, username: &str, page: Option<&str>) -> Answer<Result<Page, ApiError>> {
        (**self).groups_of(username, page)
    }

    fn add_to_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        (**self).add_to_group(username, group)
    }

    fn remove_from_group(&self, username: &str, group: &str) -> Answer<Result<(), ApiError>> {
        (**self).remove_from_group(username, group)
    }

    fn sign_out(&self, username: &str) -> Answer<Result<(), ApiError>> {
        (**self).sign_out(username)
    }

    fn revoke_token(&self, token: &RefreshToken) -> Answer<Result<(), ApiError>> {
        (**self).revoke_token(token)
    }
}

/// A part of a list of names.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The names: usernames, or groups.
    pub names: Vec<String>,
    /// Where the list goes on; `None` at its end. A page may be empty and the list go on.
    pub next: Option<String>,
}

// By hand: a username may be an e-mail address.
impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Page")
            .field("names", &self.names.len())
            .field("goes_on", &self.next.is_some())
            .finish()
    }
}

/// Why a call of the API failed.
///
/// It names nobody, so that it may be logged; the cause is its `source()`.
pub struct ApiError {
    kind: ApiErrorKind,
    source: Option<Box<dyn Error + Send + Sync>>,
}

/// The kinds of [`ApiError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ApiErrorKind {
    /// Too many calls (`TooManyRequestsException`, `LimitExceededException`): worth another try.
    Throttled,
    /// There is no such user (`UserNotFoundException`).
    NoUser,
    /// There is no such group, or no such pool (`ResourceNotFoundException`).
    NoResource,
    /// Nothing came of it: no credentials, no rights, no network, no time.
    Unavailable,
}

impl ApiError {
    /// An error of this kind, of which nothing more is known.
    #[must_use]
    pub fn new(kind: ApiErrorKind) -> Self {
        Self { kind, source: None }
    }

    /// An error of this kind, for this reason.
    pub fn because(kind: ApiErrorKind, source: impl Into<Box<dyn Error + Send + Sync>>) -> Self {
        Self {
            kind,
            source: Some(source.into()),
        }
    }

    /// Which kind it is.
    #[must_use]
    pub fn kind(&self) -> ApiErrorKind {
        self.kind
    }
}

impl fmt::Display for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            ApiErrorKind::Throttled => "the user pool is asked too often",
            ApiErrorKind::NoUser => "the user pool has no such user",
            ApiErrorKind::NoResource => "there is no such group or user pool",
            ApiErrorKind::Unavailable => "the user pool could not be asked",
        })
    }
}

// By hand: the debug text of a foreign error may hold whom it was asked for.
impl fmt::Debug for ApiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiError")
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

impl Error for ApiError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
