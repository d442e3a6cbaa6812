//! Our headers must not be dropped, doubled or smuggled on their way, and never go further than here.

use http::header::CONNECTION;
use http::{HeaderMap, HeaderName};

use crate::resolve::ResolveError;
use crate::resolve::values::{GROUP, ISSUER, REASON};

/// The headers that are ours: those that strategies read, and those that only come off.
#[derive(Debug, Clone)]
pub(crate) struct OwnHeaders {
    read: Vec<HeaderName>,
    stripped: Vec<HeaderName>,
    lengths: Lengths,
}

/// How long names of ours are, a bit for each length: nearly every other name has another one.
#[derive(Debug, Clone, Copy)]
struct Lengths(u64);

impl Lengths {
    fn of(names: &[HeaderName]) -> Self {
        let bits = names.iter().map(|name| Self::bit(name.as_str().len()));
        Self(bits.fold(0, |all, bit| all | bit))
    }

    fn have(self, length: usize) -> bool {
        self.0 & Self::bit(length) != 0
    }

    fn bit(length: usize) -> u64 {
        1 << length.min(63)
    }
}

/// Ours whether or not a strategy reads them.
const USER: HeaderName = HeaderName::from_static("impersonate-user");

impl OwnHeaders {
    /// `read` are the headers of the configured strategies.
    pub(crate) fn new(headers: Vec<HeaderName>) -> Self {
        let reason = (!headers.is_empty()).then_some(REASON);
        let mut read = Vec::new();
        for name in headers.into_iter().chain(reason) {
            if !read.contains(&name) {
                read.push(name);
            }
        }
        let mut stripped = read.clone();
        stripped.extend([USER, GROUP, ISSUER, REASON]);
        stripped.sort_by(|left, right| left.as_str().cmp(right.as_str()));
        stripped.dedup();
        Self {
            lengths: Lengths::of(&stripped),
            read,
            stripped,
        }
    }

    /// The headers that strategies read.
    pub(crate) fn read(&self) -> &[HeaderName] {
        &self.read
    }

    /// Whether any header that a strategy reads is there, under its own name or a twin's.
    pub(crate) fn any(&self, headers: &HeaderMap) -> bool {
        headers.keys().any(|name| is_among(name, &self.read))
    }

    /// Refuses twins (`impersonate_user`), which an upstream may take for ours, and headers of ours
    /// listed in `Connection`, which a proxy on the way may have dropped (RFC 9110, section 7.6.1). Tells
    /// whether anything of ours is there.
    pub(crate) fn check(&self, headers: &HeaderMap) -> Result<bool, ResolveError> {
        let (mut there, mut hops) = (false, false);
        for name in headers.keys() {
            hops |= *name == CONNECTION;
            if self.is_ours(name) {
                there = true;
                if is_among(name, &self.read) && !self.read.contains(name) {
                    return Err(ResolveError::request("a twin of an impersonation header"));
                }
            }
        }
        if hops && self.is_hop_by_hop(headers) {
            return Err(ResolveError::request(
                "an impersonation header listed in connection",
            ));
        }
        Ok(there)
    }

    fn is_hop_by_hop(&self, headers: &HeaderMap) -> bool {
        let listed = headers.get_all(CONNECTION).iter();
        let mut listed = listed.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
        listed.any(|token| self.read.iter().any(|name| same(name, token.trim_ascii())))
    }

    fn is_ours(&self, name: &HeaderName) -> bool {
        self.lengths.have(name.as_str().len()) && is_among(name, &self.stripped)
    }

    /// Takes every header of ours off, and every twin.
    pub(crate) fn strip(&self, headers: &mut HeaderMap) {
        while let Some(name) = headers.keys().find(|name| self.is_ours(name)) {
            if let Some(own) = self.stripped.iter().find(|own| *own == name) {
                headers.remove(own);
            } else {
                let twin = name.clone();
                headers.remove(twin);
            }
        }
    }
}

fn is_among(name: &HeaderName, ours: &[HeaderName]) -> bool {
    ours.iter().any(|own| same(own, name.as_str().as_bytes()))
}

/// Equal, taking `_` for `-` and letters of either case for the same.
fn same(own: &HeaderName, other: &[u8]) -> bool {
    let own = own.as_str().as_bytes();
    let plain = |byte: u8| {
        if byte == b'_' {
            b'-'
        } else {
            byte.to_ascii_lowercase()
        }
    };
    let alike = || own.iter().zip(other).all(|(a, b)| plain(*a) == plain(*b));
    own.len() == other.len() && (own == other || alike())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_comes_off_and_nothing_else() {
        let own = OwnHeaders::new(vec![HeaderName::from_static("x-act-as")]);
        let mut headers = HeaderMap::new();
        for name in [
            "x-act-as",
            "x_act_as",
            "x-act_as",
            "impersonate_user",
            "impersonate-reason",
        ] {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                "a".parse().unwrap(),
            );
        }
        headers.append("x-act-asx", "kept".parse().unwrap());
        own.strip(&mut headers);
        assert_eq!(
            headers.keys().map(HeaderName::as_str).collect::<Vec<_>>(),
            ["x-act-asx"]
        );
    }

    #[test]
    fn a_header_that_no_strategy_reads_is_not_checked() {
        let mut headers = HeaderMap::new();
        headers.append("impersonate_user", "a".parse().unwrap());
        assert!(OwnHeaders::new(Vec::new()).check(&headers).is_ok());
        assert!(OwnHeaders::new(vec![USER]).check(&headers).is_err());
    }
}
