use crate::token::algorithm::{Algorithm, Family};
use crate::token::crypto::{PublicKey, UnusableKey};

/// Which algorithm a key serves: exactly one (RFC 8725, section 3.1).
///
/// The key's own `alg` if it has one, and if the issuer may use it. Without: the only algorithm of
/// its kind that the issuer may use; for RSA, where there are six, RS256 unless the configuration
/// lists several.
#[derive(Debug, Clone)]
pub(crate) struct KeyRules {
    allowed: Vec<Algorithm>,
    /// Whether `allowed` was written by hand or is the default.
    listed: bool,
}

impl KeyRules {
    pub(crate) fn listed(allowed: Vec<Algorithm>) -> Self {
        Self {
            allowed,
            listed: true,
        }
    }

    pub(crate) fn any() -> Self {
        Self {
            allowed: Algorithm::ALL.to_vec(),
            listed: false,
        }
    }

    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        self.allowed.contains(&algorithm)
    }

    pub(crate) fn algorithm_for(
        &self,
        key: &PublicKey,
        named: Option<&str>,
    ) -> Result<Algorithm, UnusableKey> {
        if let Some(name) = named {
            return Algorithm::named(name)
                .filter(|named| self.allows(*named) && key.fits(*named))
                .ok_or(UnusableKey("algorithm is not allowed or of another kind"));
        }
        let mut fitting = self.allowed.iter().copied().filter(|one| key.fits(*one));
        match (fitting.next(), fitting.next()) {
            (None, _) => Err(UnusableKey("no algorithm of this kind of key is allowed")),
            (Some(only), None) => Ok(only),
            (Some(first), Some(_)) if first.family() == Family::Rsa && !self.listed => {
                Ok(Algorithm::RS256)
            }
            _ => Err(UnusableKey("names no algorithm, and several are allowed")),
        }
    }
}
