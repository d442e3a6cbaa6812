use std::fmt;

use crate::token::algorithm::Algorithm;
use crate::token::crypto::PublicKey;
use crate::token::jwk;
use crate::token::keys::{Fallback, Key, KeyRules, KeySet, LiveKeys};

/// Public keys that stand in the configuration.
///
/// Nothing is fetched and nothing rotates by itself. What is wrong with a key is told when the
/// authenticator is built.
///
/// ```
/// use tower_impersonate::token::{Algorithm, StaticKeys};
///
/// let keys = StaticKeys::pem("-----BEGIN PUBLIC KEY-----\n..", Algorithm::ES256).kid("2026-01");
/// assert_eq!(format!("{keys:?}"), "StaticKeys { .. }");
/// ```
#[derive(Clone)]
pub struct StaticKeys(Form);

#[derive(Clone)]
enum Form {
    Jwks(String),
    Pem {
        text: String,
        algorithm: Algorithm,
        kid: Option<String>,
    },
    #[cfg_attr(
        not(feature = "mint"),
        allow(dead_code, reason = "only a minter has such keys")
    )]
    Live(LiveKeys),
}

impl StaticKeys {
    /// A key set in JSON (RFC 7517), as an issuer publishes it.
    pub fn jwks(text: impl Into<String>) -> Self {
        Self(Form::Jwks(text.into()))
    }

    /// One key, a PEM block `PUBLIC KEY`, and the algorithm that it serves.
    ///
    /// Without [`kid`](Self::kid) it checks every token of its issuer, whatever key that names.
    pub fn pem(text: impl Into<String>, algorithm: Algorithm) -> Self {
        Self(Form::Pem {
            text: text.into(),
            algorithm,
            kid: None,
        })
    }

    /// Names the PEM key: only tokens with this `kid` are checked with it. The keys of a set have
    /// their own names, which stay.
    #[must_use]
    pub fn kid(mut self, name: impl Into<String>) -> Self {
        if let Form::Pem { kid, .. } = &mut self.0 {
            *kid = Some(name.into());
        }
        self
    }

    pub(crate) fn load(
        &self,
        rules: &KeyRules,
        issuer: &str,
    ) -> Result<(LiveKeys, Fallback), &'static str> {
        match &self.0 {
            Form::Jwks(text) => jwk::key_set(text.as_bytes(), rules, issuer)
                .map(|set| (LiveKeys::new(set), Fallback::None))
                .map_err(jwk::SetError::reason),
            Form::Pem {
                text,
                algorithm,
                kid,
            } => {
                let key = PublicKey::from_pem(text)
                    .and_then(|key| {
                        rules
                            .algorithm_for(&key, Some(algorithm.name()))
                            .map(|_| key)
                    })
                    .and_then(|key| Key::new(kid.as_deref(), *algorithm, key))
                    .map_err(|unusable| unusable.0)?;
                let fallback = match kid {
                    Some(_) => Fallback::None,
                    None => Fallback::OnlyKey,
                };
                Ok((LiveKeys::new(KeySet::new(vec![key], issuer)), fallback))
            }
            Form::Live(keys) => Ok((keys.clone(), Fallback::None)),
        }
    }
}

impl From<LiveKeys> for StaticKeys {
    fn from(keys: LiveKeys) -> Self {
        Self(Form::Live(keys))
    }
}

impl fmt::Debug for StaticKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StaticKeys").finish_non_exhaustive()
    }
}
