//! Known answers, checked once when an authenticator is built.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::token::algorithm::Algorithm;
use crate::token::crypto::{Curve, PublicKey, VerifyingKey};

/// Whether the backend accepts three published signatures and refuses each with one bit changed.
pub(crate) fn self_test() -> bool {
    known()
        .into_iter()
        .all(|(algorithm, key, input, signature)| {
            key.is_some_and(|key| answers(algorithm, &key, input, signature))
        })
}

/// Algorithm, key, signed text, signature.
pub(super) fn known() -> [(Algorithm, Option<PublicKey>, &'static str, &'static str); 3] {
    [
        (Algorithm::RS256, rsa(), INPUT_RS256, SIGNATURE_RS256),
        (Algorithm::ES256, p256(), INPUT_ES256, SIGNATURE_ES256),
        (Algorithm::EdDSA, ed25519(), INPUT_EDDSA, SIGNATURE_EDDSA),
    ]
}

fn answers(algorithm: Algorithm, key: &PublicKey, input: &str, signature: &str) -> bool {
    let Ok(key) = VerifyingKey::new(algorithm, key) else {
        return false;
    };
    let mut signature = bytes(signature);
    let right = key.verify(input.as_bytes(), &signature).is_ok();
    if let Some(last) = signature.last_mut() {
        *last ^= 1;
    }
    right && key.verify(input.as_bytes(), &signature).is_err()
}

pub(super) fn rsa() -> Option<PublicKey> {
    PublicKey::rsa(&bytes(RSA_N), &[1, 0, 1]).ok()
}

pub(super) fn p256() -> Option<PublicKey> {
    PublicKey::ec(Curve::P256, &bytes(P256_X), &bytes(P256_Y)).ok()
}

pub(super) fn ed25519() -> Option<PublicKey> {
    PublicKey::ed25519(&bytes(ED25519_X)).ok()
}

pub(super) fn bytes(text: &str) -> Vec<u8> {
    URL_SAFE_NO_PAD.decode(text).unwrap_or_default()
}

/// RFC 7515, appendix A.2.
const RSA_N: &str = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
const INPUT_RS256: &str = "eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE_RS256: &str = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";

/// RFC 7515, appendix A.3.
const P256_X: &str = "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU";
const P256_Y: &str = "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0";
const INPUT_ES256: &str = "eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";
const SIGNATURE_ES256: &str =
    "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";

/// RFC 8037, appendix A.4.
const ED25519_X: &str = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
const INPUT_EDDSA: &str = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
const SIGNATURE_EDDSA: &str =
    "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
