use bytes::Bytes;
use serde_json::{Value, json};

use crate::mint::{MinterError, SigningKey};

/// The keys of a minter: one signs, all are published.
pub(super) struct Ring {
    next: Option<SigningKey>,
    current: SigningKey,
    previous: Option<SigningKey>,
    jwks: Bytes,
}

/// What [`Minter::rotate`](crate::mint::Minter::rotate) did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rotation {
    /// The key is published and signs from the next rotation on; nothing else changed.
    Announced,
    /// The key that was announced before signs now, and the given one is announced in its place.
    Advanced,
}

impl Ring {
    pub(super) fn new(
        next: Option<SigningKey>,
        current: SigningKey,
        previous: Option<SigningKey>,
    ) -> Result<Self, MinterError> {
        let keys: Vec<&SigningKey> = [&current]
            .into_iter()
            .chain(&next)
            .chain(&previous)
            .collect();
        for (index, key) in keys.iter().enumerate() {
            if keys
                .iter()
                .take(index)
                .any(|other| other.kid() == key.kid())
            {
                let kid = key.kid().into();
                return Err(MinterError::DuplicateKey { kid });
            }
        }
        let keys: Vec<Value> = keys.into_iter().map(SigningKey::public_jwk).collect();
        let jwks = json!({ "keys": keys }).to_string().into();
        Ok(Self {
            next,
            current,
            previous,
            jwks,
        })
    }

    pub(super) fn advanced(&self, key: SigningKey) -> Result<(Self, Rotation), MinterError> {
        let (current, previous, rotation) = match &self.next {
            Some(next) => (next, Some(&self.current), Rotation::Advanced),
            None => (&self.current, self.previous.as_ref(), Rotation::Announced),
        };
        let ring = Self::new(Some(key), current.clone(), previous.cloned())?;
        Ok((ring, rotation))
    }

    pub(super) fn current(&self) -> &SigningKey {
        &self.current
    }

    pub(super) fn jwks(&self) -> &Bytes {
        &self.jwks
    }
}
