use super::*;

/// RFC 8037, appendix A.1, and RFC 7515, appendix A.3.
fn known() -> [PrivateKey; 2] {
    let number = |text: &str| {
        let bytes = crate::token::compact::decode(text).expect("base64url");
        <[u8; 32]>::try_from(bytes).expect("32 bytes")
    };
    [
        PrivateKey::Ed25519(number("nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A")),
        PrivateKey::P256(number("jpsQnnGQmL-YBIffH1136cspYG6-0iY7X1fCE9-E9LI")),
    ]
}

fn public(key: &PrivateKey) -> PublicKey {
    match Signer::new(key) {
        Ok(signer) => signer.public().clone(),
        Err(UnusableKey(why)) => panic!("{why}"),
    }
}

#[test]
fn public_keys_of_published_private_ones() {
    use crate::token::crypto::self_test;
    let expected = [self_test::ed25519(), self_test::p256()];
    for (key, expected) in known().iter().zip(expected) {
        assert!(Some(public(key)) == expected, "{}", key.algorithm());
    }
}

#[test]
fn the_signature_of_rfc_8037() {
    let (_, _, input, signature) = crate::token::crypto::self_test::known()[2];
    let signer = Signer::new(&known()[0]).unwrap();
    let signed = signer.sign(input.as_bytes()).unwrap();
    assert_eq!(signed, crate::token::compact::decode(signature).unwrap());
}

#[test]
fn der_is_read_as_it_is_written() {
    let rsa = Backend::generate_rsa().unwrap_or_else(|UnusableKey(why)| panic!("{why}"));
    let PrivateKey::Rsa(numbers) = &rsa else {
        panic!("an RSA key")
    };
    assert_eq!(numbers.private.len(), 6);
    for key in known() {
        let der = key.to_der();
        let again = pkcs8::read(&der).unwrap_or_else(|UnusableKey(why)| panic!("{why}"));
        assert!(again.to_der() == der);
        for cut in 0..der.len() {
            assert!(pkcs8::read(&der[..cut]).is_err(), "{cut}");
        }
    }
}

#[test]
fn keys_out_of_range() {
    assert!(Signer::new(&PrivateKey::P256([0; 32])).is_err());
    assert!(Signer::new(&PrivateKey::P256([0xff; 32])).is_err());
    for algorithm in [Algorithm::ES384, Algorithm::PS256, Algorithm::RS512] {
        assert!(generate(algorithm).is_err(), "{algorithm}");
    }
}

#[test]
fn a_key_whose_parts_do_not_belong_together_is_not_used() {
    let [one, other] = [(), ()].map(|()| match Backend::generate_rsa() {
        Ok(PrivateKey::Rsa(numbers)) => numbers,
        _ => panic!("an RSA key"),
    });
    let mixed = PrivateKey::Rsa(RsaNumbers { n: other.n, ..one });
    assert!(Signer::new(&mixed).is_err());
}

#[cfg(all(feature = "aws_lc_rs", feature = "rust_crypto"))]
#[test]
fn both_backends_know_the_same_keys_and_verify_one_another() {
    use crate::token::crypto::PureRustKey;
    let keys = [Algorithm::EdDSA, Algorithm::ES256, Algorithm::RS256].map(generate);
    for key in keys {
        let key = key.unwrap_or_else(|UnusableKey(why)| panic!("{why}"));
        let algorithm = key.algorithm();
        let aws = Signer::new(&key).unwrap();
        let rust = rust_crypto::Backend::new(&key).unwrap_or_else(|_| panic!("{algorithm}"));
        if algorithm != Algorithm::RS256 {
            assert!(
                rust.public().ok().as_ref() == Some(aws.public()),
                "{algorithm}"
            );
        }
        let by_aws = VerifyingKey::new(algorithm, aws.public()).unwrap();
        let by_rust = PureRustKey::new(algorithm, aws.public()).unwrap();
        for signature in [aws.sign(b"m").unwrap(), rust.sign(b"m").unwrap()] {
            assert_eq!(by_aws.verify(b"m", &signature), Ok(()), "{algorithm}");
            assert_eq!(by_rust.verify(b"m", &signature), Ok(()), "{algorithm}");
            assert!(by_aws.verify(b"n", &signature).is_err(), "{algorithm}");
        }
    }
    assert!(rust_crypto::Backend::generate_rsa().is_err());
}
