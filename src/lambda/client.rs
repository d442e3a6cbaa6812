//! What a client sends to Cognito: maps for `ChallengeResponses` and `ClientMetadata`.
//!
//! Cognito hands client metadata to these triggers from `RespondToAuthChallenge`, `AdminRespondToAuthChallenge` and
//! `GetTokensFromRefreshToken` alone: never from `InitiateAuth`, so that a sign-in by password without another
//! step cannot carry any.
//!
//! - Cognito neither checks nor encrypts it. A receipt is the hash of a code, and a grant's id a name: neither signs
//!   anybody in. Keep a receipt as the name of a session is kept, and print it nowhere.
//! - It is not kept: what is made from a refresh token needs it again.
//!
//! Caveat: the code itself belongs into the challenge's answer and nowhere else.
//!
//! ```
//! use tower_impersonate::grant::codes::SignInCode;
//! use tower_impersonate::lambda::client;
//!
//! let code = SignInCode::random()?;
//! let responses = client::challenge_responses("alice", &code);
//! assert_eq!(responses["USERNAME"], "alice");
//! let metadata = client::code_metadata(&code);
//! assert!(!metadata.values().any(|value| value == code.expose().expose()));
//! # Ok::<(), getrandom::Error>(())
//! ```

use std::collections::HashMap;

use crate::grant::codes::SignInCode;
use crate::terms::GrantId;

/// `ChallengeResponses` of `RespondToAuthChallenge` for the challenge `CUSTOM_CHALLENGE`. At an app client with a
/// secret Cognito wants `SECRET_HASH` beside these.
#[must_use]
pub fn challenge_responses(username: &str, code: &SignInCode) -> HashMap<String, String> {
    HashMap::from([
        ("USERNAME".to_owned(), username.to_owned()),
        ("ANSWER".to_owned(), code.expose().expose().to_owned()),
    ])
}

/// `ClientMetadata` beside that answer, and of `GetTokensFromRefreshToken` later: by which code the user signed
/// in. Without it there are no tokens.
#[must_use]
pub fn code_metadata(code: &SignInCode) -> HashMap<String, String> {
    HashMap::from([(RECEIPT.to_owned(), code.hash().to_string())])
}

/// `ClientMetadata` of an actor's own sign-in that answers a challenge, or of `GetTokensFromRefreshToken`: the
/// grant by which its tokens shall name the target.
#[must_use]
pub fn grant_metadata(grant: &GrantId) -> HashMap<String, String> {
    HashMap::from([(GRANT.to_owned(), grant.to_string())])
}

/// The member of the metadata that holds the hash of a code.
pub const RECEIPT: &str = "impersonation_receipt";

/// The member of the metadata that holds the id of a grant.
pub const GRANT: &str = "impersonation_grant";
