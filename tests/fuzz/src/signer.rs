//! Tokens signed by a key that is the same in every run, so that a saved input stays what it was.

use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::{AUDIENCE, ISSUER, NOW};

pub struct Signer(Ed25519KeyPair);

pub const HEADER: &str = r#"{"alg":"EdDSA","kid":"ed"}"#;

impl Default for Signer {
    fn default() -> Self {
        Self(Ed25519KeyPair::from_seed_unchecked(&[7; 32]).expect("a key"))
    }
}

impl Signer {
    /// The public half, as it stands in a key set.
    pub fn x(&self) -> String {
        URL_SAFE_NO_PAD.encode(self.0.public_key())
    }

    /// Its key, and an RSA and an EC key of which nobody here has the private half.
    pub fn jwks(&self) -> String {
        json!({ "keys": [
            { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": self.x() },
            { "kty": "RSA", "kid": "rsa", "e": "AQAB", "n": RSA },
            { "kty": "EC", "crv": "P-256", "kid": "ec",
              "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",
              "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0" },
        ]})
        .to_string()
    }

    pub fn sign(&self, header: &str, payload: &[u8]) -> String {
        let input = format!(
            "{}.{}",
            URL_SAFE_NO_PAD.encode(header),
            URL_SAFE_NO_PAD.encode(payload)
        );
        let signature = URL_SAFE_NO_PAD.encode(self.0.sign(input.as_bytes()));
        format!("{input}.{signature}")
    }

    /// The payload, if this key made the token. Ed25519 has one signature for one text, so that it is
    /// enough to sign again.
    pub fn made(&self, token: &str) -> Option<Vec<u8>> {
        let (input, signature) = token.rsplit_once('.')?;
        let ours = URL_SAFE_NO_PAD.encode(self.0.sign(input.as_bytes()));
        let (_, payload) = input.split_once('.')?;
        (ours == signature).then(|| URL_SAFE_NO_PAD.decode(payload).ok())?
    }
}

/// The members of an acceptable payload, without the braces, for somebody with these groups.
pub fn members(sub: &str, groups: &str) -> String {
    let (iat, exp) = (NOW, NOW + 300);
    format!(
        r#""iss":"{ISSUER}","sub":"{sub}","aud":"{AUDIENCE}","iat":{iat},"exp":{exp},"groups":{groups}"#
    )
}

const RSA: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
