//! RSA keys of a family of broken smart cards and TPMs (ROCA, CVE-2017-15361): whoever has the public
//! key can compute the private one.
//!
//! Their primes are powers of 65537 modulo the product of the small primes, and so is the modulus,
//! modulo each of them. One sound key in some hundred million looks the same.

pub(super) fn is_weak(n: &[u8]) -> bool {
    PRIMES
        .iter()
        .all(|prime| is_power(remainder(n, *prime), *prime))
}

fn remainder(n: &[u8], prime: u32) -> u32 {
    n.iter()
        .fold(0, |rest, byte| (rest << 8 | u32::from(*byte)) % prime)
}

fn is_power(rest: u32, prime: u32) -> bool {
    let generator = 65_537 % prime;
    let mut power = 1;
    loop {
        if power == rest {
            return true;
        }
        power = power * generator % prime;
        if power == 1 {
            return false;
        }
    }
}

const PRIMES: [u32; 38] = [
    3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97,
    101, 103, 107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::token::crypto::{PublicKey, self_test};

    /// 65537 to the 128th: it has the fingerprint, and 2049 bits.
    fn weak() -> Vec<u8> {
        let mut n = vec![1];
        for _ in 0..128 {
            let mut product = [&n[..], &[0, 0]].concat();
            let addend = n.iter().rev().copied().chain([0, 0]);
            let mut carry = 0;
            for (digit, more) in product.iter_mut().rev().zip(addend) {
                let sum = u16::from(*digit) + u16::from(more) + carry;
                carry = sum >> 8;
                *digit = (sum & 0xff) as u8;
            }
            n = product;
        }
        n
    }

    #[test]
    fn a55_the_fingerprint_is_found() {
        let mut n = weak();
        assert!(is_weak(&n));
        let reason = PublicKey::rsa(&n, &[1, 0, 1]).err().map(|reason| reason.0);
        assert_eq!(reason, Some("modulus of a generator that is broken (ROCA)"));
        let last = n.len() - 1;
        n[last] ^= 2;
        assert!(PublicKey::rsa(&n, &[1, 0, 1]).is_ok());
        assert!(self_test::rsa().is_some());
    }
}
