//! Which names a set of claims may have, told without reading them.

/// Three bits for each name. What is not in it is surely not there; what is in it has to be looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct NameSet([u64; WORDS]);

const WORDS: usize = 4;

impl NameSet {
    /// The set of one name.
    pub(crate) const fn of(name: &str) -> Self {
        // FNV-1a. Whoever makes names that fall together makes its own request slower, and nothing else.
        let bytes = name.as_bytes();
        let (mut hash, mut at) = (0xcbf2_9ce4_8422_2325_u64, 0);
        while at < bytes.len() {
            hash = (hash ^ bytes[at] as u64).wrapping_mul(0x0100_0000_01b3);
            at += 1;
        }
        let mut words = [0; WORDS];
        let mut bits = 0;
        while bits < 3 {
            let bit = (hash >> (56 - 8 * bits)) as u8;
            words[(bit >> 6) as usize] |= 1 << (bit & 63);
            bits += 1;
        }
        Self(words)
    }

    /// Both sets in one.
    #[must_use]
    pub(crate) fn and(mut self, other: Self) -> Self {
        for (own, other) in self.0.iter_mut().zip(other.0) {
            *own |= other;
        }
        self
    }

    /// Whether all names of `wanted` may be among these.
    pub(crate) fn may_have(self, wanted: Self) -> bool {
        let pairs = self.0.iter().zip(wanted.0);
        pairs.fold(true, |all, (own, wanted)| all & (own & wanted == wanted))
    }
}

impl<'n> FromIterator<&'n str> for NameSet {
    fn from_iter<I: IntoIterator<Item = &'n str>>(names: I) -> Self {
        names
            .into_iter()
            .fold(Self::default(), |set, name| set.and(Self::of(name)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OF_A_TOKEN: [&str; 13] = [
        "auth_time",
        "client_id",
        "cognito:groups",
        "event_id",
        "exp",
        "iat",
        "iss",
        "jti",
        "origin_jti",
        "scope",
        "sub",
        "token_use",
        "username",
    ];

    #[test]
    fn what_is_there_is_never_denied() {
        let set: NameSet = OF_A_TOKEN.into_iter().collect();
        assert!(
            OF_A_TOKEN
                .iter()
                .all(|name| set.may_have(NameSet::of(name)))
        );
        assert!(!NameSet::default().may_have(NameSet::of("sub")));
    }

    #[test]
    fn a_plain_token_is_told_from_one_that_asks() {
        let set: NameSet = OF_A_TOKEN.into_iter().collect();
        for name in ["act", "impersonating", "grant_id"] {
            assert!(!set.may_have(NameSet::of(name)), "{name}");
            assert!(set.and(NameSet::of(name)).may_have(NameSet::of(name)));
        }
    }
}
