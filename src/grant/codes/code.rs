use std::error::Error;
use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use subtle::{Choice, ConstantTimeEq};

use crate::secret::Secret;

/// What the client holds and answers the challenge with: 256 bits from the system's random source, written
/// as 43 letters of base64url (RFC 4648, section 5).
#[derive(Clone)]
pub struct SignInCode([u8; 32]);

/// The SHA-256 of a code, written as 43 letters of base64url. By itself it opens nothing, but it is the receipt of
/// a sign-in: keep it as the name of a session is kept, and print it nowhere.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct CodeHash([u8; 32]);

/// Which run of a challenge a code answers: made by the trigger that creates the challenge, and told to
/// nobody but the one that verifies the answer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct ChallengeId([u8; 32]);

impl SignInCode {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        random().map(Self)
    }

    /// Takes it as a client sent it, in its one spelling; `None` where it is none.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        parse(text).map(Self)
    }

    /// What is kept of it.
    #[must_use]
    pub fn hash(&self) -> CodeHash {
        CodeHash(Sha256::digest(self.0).into())
    }

    /// As it is sent to the client.
    #[must_use]
    pub fn expose(&self) -> Secret<'static> {
        URL_SAFE_NO_PAD.encode(self.0).into()
    }
}

impl CodeHash {
    /// The hash made of these bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Whether it is the same one, in the same time whatever it is.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes judge codes")
    )]
    pub(crate) fn is(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }
}

impl ChallengeId {
    /// A fresh one.
    ///
    /// # Errors
    ///
    /// When the system has no randomness.
    pub fn random() -> Result<Self, getrandom::Error> {
        random().map(Self)
    }

    /// The challenge made of these bits.
    #[must_use]
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The bits.
    #[must_use]
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl FromStr for CodeHash {
    type Err = CodeHashError;

    /// Takes exactly what [`Display`](fmt::Display) writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, CodeHashError> {
        parse(text).map(Self).ok_or(CodeHashError(()))
    }
}

impl FromStr for ChallengeId {
    type Err = CodeHashError;

    /// Takes exactly what [`Display`](fmt::Display) writes, and no other spelling of it.
    fn from_str(text: &str) -> Result<Self, CodeHashError> {
        parse(text).map(Self).ok_or(CodeHashError(()))
    }
}

impl fmt::Display for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Display for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&URL_SAFE_NO_PAD.encode(self.0))
    }
}

impl fmt::Debug for SignInCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignInCode([redacted])")
    }
}

impl fmt::Debug for CodeHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeHash([redacted])")
    }
}

impl fmt::Debug for ChallengeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ChallengeId([redacted])")
    }
}

/// Text that is no hash of a code and no challenge.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodeHashError(());

impl fmt::Display for CodeHashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("it is not 43 letters of base64url")
    }
}

impl Error for CodeHashError {}

fn random() -> Result<[u8; 32], getrandom::Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)?;
    Ok(bytes)
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    match URL_SAFE_NO_PAD.decode_slice(text, &mut bytes) {
        Ok(32) if text.len() == 43 => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_not_what_is_held() {
        let code = SignInCode::random().unwrap();
        let held = code.expose();
        let again = SignInCode::parse(held.expose()).unwrap();
        assert_eq!(again.hash(), code.hash());
        assert_ne!(held.expose(), code.hash().to_string());
        assert_ne!(SignInCode::random().unwrap().hash(), code.hash());
        assert_eq!(code.hash().to_string().parse(), Ok(code.hash()));
        let challenge = ChallengeId::random().unwrap();
        assert_eq!(challenge.to_string().parse(), Ok(challenge));
        assert!(!format!("{challenge:?}{code:?}").contains(held.expose()));
        assert_eq!(format!("{:?}", code.hash()), "CodeHash([redacted])");
    }

    #[test]
    fn there_is_one_spelling() {
        let text = SignInCode::random().unwrap().expose().expose().to_owned();
        for wrong in [
            String::new(),
            format!("{text}="),
            format!("{text}A"),
            format!(" {text}"),
            text[..42].to_owned(),
            "+".repeat(43),
        ] {
            assert!(SignInCode::parse(&wrong).is_none(), "{wrong}");
            assert_eq!(wrong.parse::<CodeHash>(), Err(CodeHashError(())));
        }
    }
}
