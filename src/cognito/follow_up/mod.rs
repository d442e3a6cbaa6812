//! What a user pool is told when a grant has ended.

mod again;
mod revoke;
mod sign_out;

pub use self::revoke::{RefreshToken, RevokeTokens, revoke_tokens_on_end};
pub use self::sign_out::{SignOut, sign_out_on_end};

use crate::terms::EndReason;

/// Why a grant ended, where it was the actor's own account.
const OF_THE_ACTOR: [EndReason; 3] = [
    EndReason::ActorDisabled,
    EndReason::ActorDemoted,
    EndReason::ActorSessionEnded,
];
