use super::*;
use crate::token::algorithm::Algorithm;

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[test]
fn the_known_answers_fit() {
    assert!(self_test());
}

#[cfg(any(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[test]
fn a55_a_point_off_the_curve_is_refused_at_load() {
    for (curve, algorithm, len) in [
        (Curve::P256, Algorithm::ES256, 32),
        (Curve::P384, Algorithm::ES384, 48),
    ] {
        let key = PublicKey::ec(curve, &vec![1; len], &vec![2; len]).expect("right length");
        assert!(VerifyingKey::new(algorithm, &key).is_err(), "{algorithm}");
    }
}

#[test]
fn a_key_serves_one_kind_of_algorithm() {
    let keys = [self_test::rsa(), self_test::p256(), self_test::ed25519()];
    for key in keys.into_iter().flatten() {
        for algorithm in Algorithm::ALL {
            let made = VerifyingKey::new(algorithm, &key).is_ok();
            assert_eq!(made, key.fits(algorithm) && AVAILABLE, "{algorithm}");
        }
    }
}

#[test]
fn pem_blocks() {
    let pem = "-----BEGIN PUBLIC KEY-----\n\
        MCowBQYDK2VwAyEA11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=\n\
        -----END PUBLIC KEY-----\n";
    assert!(PublicKey::from_pem(pem).ok() == self_test::ed25519());
    assert!(PublicKey::from_pem("").is_err());
    assert!(PublicKey::from_pem(&pem.replace("PUBLIC KEY", "PRIVATE KEY")).is_err());
    assert!(
        PublicKey::from_pem(&pem.replace("MCow", "MCox")).is_err(),
        "wrong length"
    );
    let ec = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEf83OJ3D2xF1Bg8vub9tLe1gHMzV7\n\
        6e8Tus9uPHvRVEXH8UTNG72bfocs3+257rn0s2ldbqkLJK2KRiMohYjlrQ==\n\
        -----END PUBLIC KEY-----\n";
    assert!(PublicKey::from_pem(ec).ok() == self_test::p256());
}

#[cfg(all(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[test]
fn both_backends_agree_when_both_are_compiled() {
    for (algorithm, key, input, signature) in self_test::known() {
        let key = rust_crypto::VerifyingKey::new(algorithm, &key.expect("a known key"));
        let verified = key
            .expect("usable")
            .verify(input.as_bytes(), &self_test::bytes(signature));
        assert_eq!(verified, Ok(()), "{algorithm}");
    }
    let message = b"message";
    for key in [self_test::rsa(), self_test::p256(), self_test::ed25519()] {
        let key = key.expect("a known key");
        for algorithm in Algorithm::ALL.into_iter().filter(|known| key.fits(*known)) {
            let aws = VerifyingKey::new(algorithm, &key).expect("fits");
            let rust = rust_crypto::VerifyingKey::new(algorithm, &key).expect("fits");
            for signature in [&[][..], &[0; 64], &[0; 256]] {
                assert_eq!(aws.verify(message, signature), Err(Mismatch));
                assert_eq!(rust.verify(message, signature), Err(Mismatch));
            }
        }
    }
}
