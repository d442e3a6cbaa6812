use std::error::Error;
use std::fmt;

use crate::policy::Right;

/// A configuration of the routes that cannot work. Found by [`ManageBuilder::build`](super::ManageBuilder::build),
/// never by a request.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManageError {
    /// The layer mints no tokens: call `mint` when it is built.
    NoMinter,
    /// The layer has no directory, so that nobody could be found by a username.
    NoDirectory,
    /// No issuer at which usernames are looked for follows from the layer's configuration: call `users_at`.
    NoUsers,
    /// The layer is not configured with this issuer.
    #[non_exhaustive]
    UnknownIssuer {
        /// Its name.
        issuer: String,
    },
    /// There are two rules for one right.
    #[non_exhaustive]
    DuplicateRight {
        /// Which.
        right: Right,
    },
    /// The rule for a right asks nothing of who would have it, so that everybody would.
    #[non_exhaustive]
    RightForEverybody {
        /// Which.
        right: Right,
    },
    /// An app client's name, the hash of its secret, or one of its scopes is malformed.
    #[non_exhaustive]
    Client {
        /// The app client.
        id: String,
        /// What is wrong.
        detail: &'static str,
    },
    /// Two app clients of one name.
    #[non_exhaustive]
    DuplicateClient {
        /// The name.
        id: String,
    },
    /// The path under which the routes are mounted does not begin with a slash, or ends with one.
    Path,
    /// Sign-in codes that could not work.
    #[non_exhaustive]
    SignIn {
        /// Why.
        detail: String,
    },
    /// A number is outside its bounds.
    #[non_exhaustive]
    OutOfBounds {
        /// Which number.
        setting: &'static str,
        /// The bounds, as a sentence.
        bounds: &'static str,
    },
}

impl fmt::Display for ManageError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMinter => f.write_str("the layer mints no tokens: call `mint` when it is built"),
            Self::NoDirectory => f.write_str("the layer has no directory to find users in"),
            Self::NoUsers => f.write_str(
                "not just one issuer besides staff and the minter: call `users_at` to say where users are",
            ),
            Self::UnknownIssuer { issuer } => {
                write!(f, "the layer is not configured with the issuer {issuer:?}")
            }
            Self::DuplicateRight { right } => write!(f, "two rules for the right {right}"),
            Self::RightForEverybody { right } => write!(
                f,
                "the rule for the right {right} asks nothing of who would have it: ask something, such as \
                 `in_group`, or say `allow_all`"
            ),
            Self::Client { id, detail } => write!(f, "app client {id:?}: {detail}"),
            Self::DuplicateClient { id } => write!(f, "two app clients of the name {id:?}"),
            Self::Path => f.write_str("a path begins with a slash and does not end with one"),
            Self::SignIn { detail } => write!(f, "sign-in codes: {detail}"),
            Self::OutOfBounds { setting, bounds } => write!(f, "{setting} must be {bounds}"),
        }
    }
}

impl Error for ManageError {}
