use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Why a token was refused, or could not be judged.
///
/// For logs and for choosing a response; a client is told the same for every kind but
/// [`KeysUnavailable`](TokenErrorKind::KeysUnavailable). Neither `Display` nor `Debug` shows a
/// part of the token.
#[derive(Clone)]
pub struct TokenError {
    kind: TokenErrorKind,
    claim: Option<&'static str>,
    retry_after: Option<Duration>,
    source: Option<Arc<dyn Error + Send + Sync>>,
}

/// The kinds of [`TokenError`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum TokenErrorKind {
    /// Longer than the limit; nothing was decoded.
    TooLong,
    /// Not three base64url parts.
    Malformed,
    /// Has characters that no bearer token has (RFC 6750, section 2.1), such as a space or a comma. In
    /// `Authorization` that is no well-formed credential, and the layer answers with 400.
    NotAToken,
    /// The header is not one JSON object without duplicates and of bounded depth and size, or has a
    /// member that is refused.
    Header,
    /// The algorithm is not one that the issuer may use.
    Algorithm,
    /// The header's `typ` is not one that the issuer may use.
    Type,
    /// The header's `kid` is absent or not a short printable text.
    KeyId,
    /// The payload is not one JSON object without duplicates, at most 16 levels deep and of at most
    /// 1,024 values.
    Payload,
    /// `iss` is not a configured issuer.
    UnknownIssuer,
    /// The issuer has no key of that `kid`.
    UnknownKey,
    /// The signature does not fit.
    Signature,
    /// `exp` has passed.
    Expired,
    /// `nbf` or `iat` lies in the future.
    NotYetValid,
    /// Valid for longer than the issuer may say.
    Lifetime,
    /// Issued longer ago than the issuer's configuration accepts.
    TooOld,
    /// `sub` is missing, blank or too long.
    Subject,
    /// `sub_id` is not `iss_sub`, contradicts `sub`, or names an issuer of which this one may not speak.
    SubjectIdentifier,
    /// `aud` is missing, malformed or names somebody else.
    Audience,
    /// `client_id` is missing or not one of the configured app clients.
    Client,
    /// Of an [app client for acting](crate::Issuer::acting_clients), and without `act`.
    Actor,
    /// `token_use` is not the one that is accepted here.
    TokenUse,
    /// Bound to a key that the client would have to prove; this crate cannot check that.
    ProofOfPossession,
    /// Another claim is missing or has the wrong type.
    Claim,
    /// The issuer's keys cannot be had now; says nothing about the token.
    KeysUnavailable,
}

impl TokenError {
    pub(crate) fn new(kind: TokenErrorKind) -> Self {
        Self {
            kind,
            claim: None,
            retry_after: None,
            source: None,
        }
    }

    /// A claim that is missing or has the wrong type.
    pub(crate) fn claim(name: &'static str) -> Self {
        Self {
            claim: Some(name),
            ..Self::new(TokenErrorKind::Claim)
        }
    }

    pub(crate) fn keys_unavailable(
        retry_after: Duration,
        source: Option<Arc<dyn Error + Send + Sync>>,
    ) -> Self {
        Self {
            retry_after: Some(retry_after.max(Duration::from_secs(1))),
            source,
            ..Self::new(TokenErrorKind::KeysUnavailable)
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> TokenErrorKind {
        self.kind
    }

    /// When it is worth trying again; only for [`TokenErrorKind::KeysUnavailable`], then at least
    /// one second.
    #[must_use]
    pub fn retry_after(&self) -> Option<Duration> {
        self.retry_after
    }
}

impl From<TokenErrorKind> for TokenError {
    fn from(kind: TokenErrorKind) -> Self {
        Self::new(kind)
    }
}

impl fmt::Display for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self.kind {
            TokenErrorKind::TooLong => "token is too long",
            TokenErrorKind::Malformed => "token is not three base64url parts",
            TokenErrorKind::NotAToken => "token has characters that no token has",
            TokenErrorKind::Header => "token header is not acceptable",
            TokenErrorKind::Algorithm => "algorithm is not allowed",
            TokenErrorKind::Type => "token type is not allowed",
            TokenErrorKind::KeyId => "key id is absent or malformed",
            TokenErrorKind::Payload => {
                "payload is not one object without duplicates and within bounds"
            }
            TokenErrorKind::UnknownIssuer => "issuer is not configured",
            TokenErrorKind::UnknownKey => "issuer has no such key",
            TokenErrorKind::Signature => "signature does not fit",
            TokenErrorKind::Expired => "token has expired",
            TokenErrorKind::NotYetValid => "token is not valid yet",
            TokenErrorKind::Lifetime => "token is valid for too long",
            TokenErrorKind::TooOld => "token was issued too long ago",
            TokenErrorKind::Subject => "subject is missing, blank or too long",
            TokenErrorKind::SubjectIdentifier => "subject identifier is not acceptable",
            TokenErrorKind::Audience => "audience is missing or another one",
            TokenErrorKind::Client => "app client is missing or another one",
            TokenErrorKind::Actor => "app client is for acting, and no actor is named",
            TokenErrorKind::TokenUse => "token is meant for another use",
            TokenErrorKind::ProofOfPossession => "token is bound to a key",
            TokenErrorKind::Claim => "claim is missing or malformed",
            TokenErrorKind::KeysUnavailable => "keys of the issuer cannot be had",
        })?;
        match self.claim {
            Some(name) => write!(f, ": {name}"),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for TokenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenError")
            .field("kind", &self.kind)
            .field("claim", &self.claim)
            .field("retry_after", &self.retry_after)
            .field("source", &self.source)
            .finish()
    }
}

impl Error for TokenError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match &self.source {
            Some(source) => Some(&**source),
            None => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_at_least_a_second() {
        let error = TokenError::keys_unavailable(Duration::from_millis(3), None);
        assert_eq!(error.retry_after(), Some(Duration::from_secs(1)));
        assert_eq!(
            TokenError::claim("exp").to_string(),
            "claim is missing or malformed: exp"
        );
    }
}
