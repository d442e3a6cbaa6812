//! A public key as numbers, checked for size and shape before any backend sees it.

use crate::token::algorithm::{Algorithm, Family};
use crate::token::crypto::{UnusableKey, roca, spki};

/// Equal keys compare equal, however they were written down.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum PublicKey {
    /// Big-endian without leading zeros.
    Rsa {
        n: Box<[u8]>,
        e: Box<[u8]>,
    },
    /// Uncompressed: `0x04 || x || y`.
    Ec {
        curve: Curve,
        point: Box<[u8]>,
    },
    Ed25519([u8; 32]),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Curve {
    P256,
    P384,
}

impl Curve {
    const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }
}

impl PublicKey {
    pub(crate) fn rsa(n: &[u8], e: &[u8]) -> Result<Self, UnusableKey> {
        let (n, e) = (without_leading_zeros(n), without_leading_zeros(e));
        let bits = n.len() * 8 - n.first().map_or(0, |byte| byte.leading_zeros() as usize);
        if !(2048..=8192).contains(&bits) {
            return Err(UnusableKey("modulus outside 2048 to 8192 bits"));
        }
        let odd = |number: &[u8]| number.last().is_some_and(|byte| byte % 2 == 1);
        if !odd(n) || !odd(e) || e == [1] || e.len() > 4 {
            return Err(UnusableKey(
                "exponent or modulus even, or exponent out of range",
            ));
        }
        if roca::is_weak(n) {
            return Err(UnusableKey("modulus of a generator that is broken (ROCA)"));
        }
        Ok(Self::Rsa {
            n: n.into(),
            e: e.into(),
        })
    }

    pub(crate) fn ec(curve: Curve, x: &[u8], y: &[u8]) -> Result<Self, UnusableKey> {
        // RFC 7518, section 6.2.1.2: full size, leading zeros included.
        if x.len() != curve.coordinate_len() || y.len() != curve.coordinate_len() {
            return Err(UnusableKey("coordinates of the wrong length"));
        }
        Ok(Self::Ec {
            curve,
            point: [&[4], x, y].concat().into(),
        })
    }

    pub(crate) fn ec_point(curve: Curve, point: &[u8]) -> Result<Self, UnusableKey> {
        match point.split_first() {
            Some((4, coordinates)) if coordinates.len() == 2 * curve.coordinate_len() => {
                let (x, y) = coordinates.split_at(curve.coordinate_len());
                Self::ec(curve, x, y)
            }
            _ => Err(UnusableKey("not an uncompressed point")),
        }
    }

    pub(crate) fn ed25519(x: &[u8]) -> Result<Self, UnusableKey> {
        x.try_into()
            .map(Self::Ed25519)
            .map_err(|_| UnusableKey("not 32 bytes"))
    }

    /// Reads a PEM block `PUBLIC KEY`.
    pub(crate) fn from_pem(pem: &str) -> Result<Self, UnusableKey> {
        spki::public_key(pem)
    }

    pub(crate) fn fits(&self, algorithm: Algorithm) -> bool {
        let family = match self {
            Self::Rsa { .. } => Family::Rsa,
            Self::Ec {
                curve: Curve::P256, ..
            } => Family::P256,
            Self::Ec {
                curve: Curve::P384, ..
            } => Family::P384,
            Self::Ed25519(_) => Family::Ed25519,
        };
        family == algorithm.family()
    }
}

fn without_leading_zeros(number: &[u8]) -> &[u8] {
    let zeros = number.iter().take_while(|byte| **byte == 0).count();
    number.get(zeros..).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn modulus(bits: usize) -> Vec<u8> {
        let mut n = vec![0xff; bits / 8];
        n[0] = 0x80;
        n
    }

    #[test]
    fn a55_rsa_sizes_and_exponents() {
        for bits in [2048, 3072, 4096, 8192] {
            assert!(PublicKey::rsa(&modulus(bits), &[1, 0, 1]).is_ok(), "{bits}");
        }
        for bits in [0, 1024, 2040, 8200, 16384] {
            let n = if bits == 0 { vec![] } else { modulus(bits) };
            assert!(PublicKey::rsa(&n, &[1, 0, 1]).is_err(), "{bits}");
        }
        for e in [
            &[][..],
            &[0],
            &[1],
            &[0, 1],
            &[2],
            &[1, 0, 0],
            &[1, 0, 0, 0, 1],
        ] {
            assert!(PublicKey::rsa(&modulus(2048), e).is_err(), "{e:?}");
        }
        let padded = [&[0, 0], &modulus(2048)[..]].concat();
        assert!(PublicKey::rsa(&padded, &[0, 3]) == PublicKey::rsa(&modulus(2048), &[3]));
    }

    #[test]
    fn a55_exact_lengths() {
        assert!(PublicKey::ec(Curve::P256, &[1; 32], &[1; 32]).is_ok());
        assert!(PublicKey::ec(Curve::P256, &[1; 31], &[1; 32]).is_err());
        assert!(PublicKey::ec(Curve::P256, &[1; 33], &[1; 31]).is_err());
        assert!(PublicKey::ec(Curve::P384, &[1; 32], &[1; 32]).is_err());
        assert!(
            PublicKey::ec_point(Curve::P256, &[2; 33]).is_err(),
            "compressed"
        );
        assert!(PublicKey::ed25519(&[0; 57]).is_err(), "Ed448");
    }
}
