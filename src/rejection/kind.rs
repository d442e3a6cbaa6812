use std::time::Duration;

use http::StatusCode;

/// All that a client can tell of a rejection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum RejectionKind {
    /// No credential: 401 without an error code (RFC 6750, section 3).
    MissingCredential,
    /// A credential of another scheme than `Bearer`: 401 without an error code.
    OtherScheme,
    /// The credential is malformed, as with two `Authorization` headers: 400 `invalid_request`.
    MalformedCredential,
    /// A bad token of whatever kind: 401 `invalid_token`.
    InvalidToken,
    /// No right to impersonate, or not this target: 403 `insufficient_scope`.
    Forbidden,
    /// The login is too old: 401 `insufficient_user_authentication` (RFC 9470).
    StaleLogin {
        /// The oldest login that would do.
        max_age: Duration,
    },
    /// The impersonation headers are malformed or contradict something: 400 `invalid_request`.
    MalformedImpersonation,
    /// A reason must be given: 400 `invalid_request`.
    ReasonRequired,
    /// Somebody asks to act as itself: 400 `invalid_request`.
    OneSelf,
    /// An impersonation inside another one: 409.
    Nested,
    /// A request that writes while the impersonation may only read: 403 `insufficient_scope`.
    ReadOnly,
    /// An upgrade while impersonating: 403 `insufficient_scope`.
    Upgrade,
    /// The grant behind the cookie is over, or another's: 403.
    GrantEnded,
    /// A cookie, and a request that a page of another site may have made: 403.
    CrossSite,
    /// A handler that never runs while somebody impersonates: 403 `not_while_impersonating`.
    NotWhileImpersonating,
    /// The issuer's keys cannot be had: 503.
    KeysUnavailable,
    /// Policy, directory or audit failed or were too slow: 503.
    Unavailable,
    /// The layer stands twice around this handler: 500.
    LayerAppliedTwice,
    /// A guard has no layer around it: 500.
    LayerMissing,
}

impl RejectionKind {
    /// The HTTP status.
    #[must_use]
    pub const fn status(self) -> StatusCode {
        match self {
            Self::MissingCredential
            | Self::OtherScheme
            | Self::InvalidToken
            | Self::StaleLogin { .. } => StatusCode::UNAUTHORIZED,
            Self::Forbidden
            | Self::ReadOnly
            | Self::Upgrade
            | Self::GrantEnded
            | Self::CrossSite
            | Self::NotWhileImpersonating => StatusCode::FORBIDDEN,
            Self::MalformedCredential
            | Self::MalformedImpersonation
            | Self::ReasonRequired
            | Self::OneSelf => StatusCode::BAD_REQUEST,
            Self::Nested => StatusCode::CONFLICT,
            Self::KeysUnavailable | Self::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            Self::LayerAppliedTwice | Self::LayerMissing => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// The error code of RFC 6750 or RFC 9470, where there is one.
    #[must_use]
    pub const fn error_code(self) -> Option<&'static str> {
        match self {
            Self::InvalidToken => Some("invalid_token"),
            Self::StaleLogin { .. } => Some("insufficient_user_authentication"),
            Self::Forbidden | Self::ReadOnly | Self::Upgrade => Some("insufficient_scope"),
            Self::MalformedCredential
            | Self::MalformedImpersonation
            | Self::ReasonRequired
            | Self::OneSelf => Some("invalid_request"),
            Self::MissingCredential
            | Self::OtherScheme
            | Self::Nested
            | Self::GrantEnded
            | Self::CrossSite
            | Self::NotWhileImpersonating
            | Self::KeysUnavailable
            | Self::Unavailable
            | Self::LayerAppliedTwice
            | Self::LayerMissing => None,
        }
    }

    /// The `error` of the problem: the [`error_code`](Self::error_code), or `not_while_impersonating`,
    /// of which no standard knows and which no challenge names: no other token would help.
    #[must_use]
    pub const fn problem_code(self) -> Option<&'static str> {
        match self {
            Self::NotWhileImpersonating => Some("not_while_impersonating"),
            kind => kind.error_code(),
        }
    }

    /// One sentence for the client. Kinds that must look alike share it.
    #[must_use]
    pub const fn description(self) -> &'static str {
        match self {
            Self::MissingCredential | Self::OtherScheme => "a bearer token is required",
            Self::MalformedCredential => "the authorization header is malformed",
            Self::InvalidToken => "the bearer token is not valid",
            Self::Forbidden => "the request requires higher privileges",
            Self::StaleLogin { .. } => "a more recent login is required",
            Self::MalformedImpersonation => "the impersonation headers are not valid",
            Self::ReasonRequired => "a reason for the impersonation is required",
            Self::OneSelf => "nobody can impersonate themselves",
            Self::Nested => "an impersonation is going on already",
            Self::ReadOnly => "this impersonation may only read",
            Self::Upgrade => "connections cannot be upgraded while impersonating",
            Self::GrantEnded => "the impersonation is over",
            Self::CrossSite => "the request was not made by a page of this application",
            Self::NotWhileImpersonating => "this cannot be done while impersonating",
            Self::KeysUnavailable | Self::Unavailable => "the service is temporarily unavailable",
            Self::LayerAppliedTwice | Self::LayerMissing => {
                "the service is not configured correctly"
            }
        }
    }

    /// The name in logs.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::MissingCredential => "missing_credential",
            Self::OtherScheme => "other_scheme",
            Self::MalformedCredential => "malformed_credential",
            Self::InvalidToken => "invalid_token",
            Self::Forbidden => "forbidden",
            Self::StaleLogin { .. } => "stale_login",
            Self::MalformedImpersonation => "malformed_impersonation",
            Self::ReasonRequired => "reason_required",
            Self::OneSelf => "one_self",
            Self::Nested => "nested",
            Self::ReadOnly => "read_only",
            Self::Upgrade => "upgrade",
            Self::GrantEnded => "grant_ended",
            Self::CrossSite => "cross_site",
            Self::NotWhileImpersonating => "not_while_impersonating",
            Self::KeysUnavailable => "keys_unavailable",
            Self::Unavailable => "unavailable",
            Self::LayerAppliedTwice => "layer_applied_twice",
            Self::LayerMissing => "layer_missing",
        }
    }
}
