//! What a user pool is told when a grant has ended.

mod again;
mod revoke;
mod sign_out;

pub use self::revoke::{RefreshToken, RevokeTokens, revoke_tokens_on_end};
pub use self::sign_out::{SignOut, sign_out_on_end};
