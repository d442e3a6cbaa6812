use std::fmt;
use std::path::Path;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use crate::mint::{KeyError, MintError, MintErrorKind, jwk, key_file};
use crate::token::Algorithm;
use crate::token::signing::{self, PrivateKey, Signer};

/// A private key that signs tokens by one algorithm: Ed25519 by EdDSA, P-256 by ES256, RSA by RS256.
///
/// Cheap to clone. `Debug` shows its name and its algorithm.
///
/// ```
/// # #[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
/// # fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use tower_impersonate::mint::SigningKey;
///
/// // RFC 8037, appendix A.1; its name is the thumbprint of appendix A.3.
/// let key = SigningKey::from_jwk(r#"{"kty":"OKP","crv":"Ed25519",
///     "d":"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A",
///     "x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}"#)?;
/// assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
/// assert!(!format!("{key:?}").contains("nWGxne"));
/// # Ok(())
/// # }
/// # #[cfg(not(any(feature = "aws_lc_rs", feature = "rust_crypto")))]
/// # fn main() {}
/// ```
#[derive(Clone)]
pub struct SigningKey(Arc<Inner>);

struct Inner {
    signer: Signer,
    kid: Box<str>,
    /// The header of every token, encoded, with the dot behind it.
    header: String,
}

impl SigningKey {
    /// Reads a PEM block `PRIVATE KEY` (PKCS#8, RFC 5958), not encrypted. Its name (`kid`) is its thumbprint
    /// (RFC 7638).
    ///
    /// # Errors
    ///
    /// It is no such block, or the key is none to sign with: another kind or curve, RSA of less than 2048
    /// or more than 8192 bits (4096 in pure Rust), or one whose signatures do not verify.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::new(&PrivateKey::from_pem(pem)?, None)
    }

    /// Reads a private JWK (RFC 7517). Its name is its `kid`, else its thumbprint (RFC 7638).
    ///
    /// # Errors
    ///
    /// As [`from_pem`](Self::from_pem); also when `use` or `key_ops` is not for signing, `alg` is not the one
    /// algorithm of this kind of key, or the public part belongs to another key.
    pub fn from_jwk(text: &str) -> Result<Self, KeyError> {
        let read = jwk::private_key(text)?;
        let key = Self::new(&read.key, read.kid)?;
        match read
            .public
            .is_none_or(|public| public == *key.0.signer.public())
        {
            true => Ok(key),
            false => Err(KeyError::new("the public part belongs to another key")),
        }
    }

    /// Reads a key file, a JWK or PEM; where there is none, makes one with an Ed25519 key.
    ///
    /// The new file is a JWK that its owner alone may read (0600). It is on the disk before anything is
    /// signed with it, is there whole or not at all, and of several processes that start at once all end with
    /// the same key. The folder must be there.
    ///
    /// # Errors
    ///
    /// The file cannot be read or written, is a link or no file, has looser rights than 0600 or another owner
    /// than this user and root (on Unix), or holds no key to sign with. A damaged file is never replaced.
    pub fn file(path: impl AsRef<Path>) -> Result<Self, KeyError> {
        key_file::read_or_create(path.as_ref())
    }

    /// Makes a fresh key: EdDSA, ES256, or RS256 of 2048 bits.
    ///
    /// # Errors
    ///
    /// For any other algorithm, for RS256 where the feature `aws_lc_rs` is off, and where the system gives no
    /// random bytes.
    pub fn generate(algorithm: Algorithm) -> Result<Self, KeyError> {
        Self::new(&signing::generate(algorithm)?, None)
    }

    fn new(key: &PrivateKey, kid: Option<String>) -> Result<Self, KeyError> {
        let signer = Signer::new(key)?;
        let kid = kid.unwrap_or_else(|| jwk::thumbprint(signer.public()));
        let header = json!({ "typ": "at+jwt", "alg": signer.algorithm().name(), "kid": kid });
        let header = URL_SAFE_NO_PAD.encode(header.to_string());
        Ok(Self(Arc::new(Inner {
            signer,
            kid: kid.into(),
            header: header + ".",
        })))
    }

    /// A fresh Ed25519 key, and the JWK to be kept of it.
    pub(super) fn generate_to_keep() -> Result<(Self, String), KeyError> {
        let private = signing::generate(Algorithm::EdDSA)?;
        let key = Self::new(&private, None)?;
        let mut jwk = key.public_jwk();
        jwk["d"] = private.d().into();
        Ok((key, jwk.to_string()))
    }

    /// The name that its tokens carry.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.0.kid
    }

    /// The algorithm that it signs by.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.0.signer.algorithm()
    }

    /// What may be published of it.
    pub(super) fn public_jwk(&self) -> Value {
        let mut jwk = jwk::public(self.0.signer.public());
        jwk["kid"] = self.kid().into();
        jwk["alg"] = self.algorithm().name().into();
        jwk["use"] = "sig".into();
        jwk
    }

    /// A token with this payload.
    pub(super) fn token(&self, payload: &[u8]) -> Result<String, MintError> {
        let mut token = self.0.header.clone();
        URL_SAFE_NO_PAD.encode_string(payload, &mut token);
        let signature = self.0.signer.sign(token.as_bytes());
        let signature = signature.map_err(|_| MintError::new(MintErrorKind::Signing))?;
        token.push('.');
        URL_SAFE_NO_PAD.encode_string(signature, &mut token);
        Ok(token)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid())
            .field("algorithm", &self.algorithm())
            .finish_non_exhaustive()
    }
}
