use std::time::Duration;

use crate::mint::{MintError, MintErrorKind};
use crate::secret::Secret;
use crate::time::Timestamp;

/// What is asked of a token besides what was permitted.
#[derive(Debug, Clone)]
#[must_use]
pub struct MintRequest {
    pub(super) now: Timestamp,
    pub(super) audience: Option<String>,
    pub(super) not_after: Option<Timestamp>,
    pub(super) client: Option<String>,
}

impl MintRequest {
    /// A token that is issued now.
    pub fn new(now: Timestamp) -> Self {
        Self {
            now,
            audience: None,
            not_after: None,
            client: None,
        }
    }

    /// Made for this service, one of the minter's audiences.
    pub fn audience(mut self, audience: impl Into<String>) -> Self {
        self.audience = Some(audience.into());
        self
    }

    /// Issued to this app client (`client_id`; RFC 9068, section 2.2), and not to the one by which the actor came.
    pub fn client(mut self, client: impl Into<String>) -> Self {
        self.client = Some(client.into());
        self
    }

    /// Expires then at the latest, as with its grant; of several moments the first counts.
    pub fn not_after(mut self, moment: Timestamp) -> Self {
        self.not_after = Some(self.not_after.map_or(moment, |earlier| earlier.min(moment)));
        self
    }
}

/// A token, with what whoever hands it over must say of it. `Debug` does not show the token.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Minted {
    /// The token itself: whoever holds it acts.
    pub token: Secret<'static>,
    /// From `iat` to `exp`, in whole seconds.
    pub expires_in: Duration,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`: 128 random bits, in 22 letters of base64url.
    pub token_id: String,
    /// The scopes, separated by spaces, where some were asked for.
    pub scope: Option<String>,
    /// `aud`.
    pub audience: String,
}

/// `iat` and `exp`: whole seconds, never past any limit.
pub(super) fn times(
    now: Timestamp,
    lifetime: Duration,
    limits: impl IntoIterator<Item = Timestamp>,
) -> Result<(i64, i64), MintError> {
    let issued_at = now.unix_seconds();
    let whole = Timestamp::from_unix_seconds(issued_at).saturating_add(lifetime);
    let end = limits.into_iter().fold(whole, Ord::min).unix_seconds();
    let left = Timestamp::from_unix_seconds(end).saturating_since(now);
    if left < Duration::from_secs(1) {
        return Err(MintErrorKind::Expired.into());
    }
    Ok((issued_at, end))
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Duration = Duration::from_secs(900);
    const NOW: u64 = 1_700_000_000;

    fn at(seconds: u64, millis: u64) -> Timestamp {
        Timestamp::from_unix_millis((NOW + seconds) * 1000 + millis)
    }

    #[test]
    fn the_first_limit_counts_and_no_token_outlives_it() {
        let never: Option<Timestamp> = None;
        for (now, limits, left) in [
            (at(0, 0), [never, None], Some(900)),
            (at(0, 999), [never, None], Some(900)),
            (at(0, 0), [Some(at(899, 0)), None], Some(899)),
            (at(0, 0), [Some(at(899, 999)), None], Some(899)),
            (at(0, 0), [Some(at(901, 0)), None], Some(900)),
            (at(0, 0), [Some(at(60, 0)), Some(at(30, 0))], Some(30)),
            (at(0, 0), [Some(at(30, 0)), Some(at(60, 0))], Some(30)),
            (at(0, 0), [Some(at(1, 0)), None], Some(1)),
            (at(0, 1), [Some(at(1, 0)), None], None),
            (at(0, 0), [Some(at(0, 999)), None], None),
            (at(0, 0), [Some(at(0, 0)), None], None),
            (at(9, 0), [Some(at(0, 0)), None], None),
            (
                at(0, 0),
                [Some(Timestamp::from_unix_seconds(i64::MIN)), None],
                None,
            ),
            (
                at(0, 0),
                [Some(Timestamp::from_unix_seconds(i64::MAX)), None],
                Some(900),
            ),
        ] {
            let limits = limits.into_iter().flatten();
            let times = times(now, LIFETIME, limits).map(|(iat, exp)| (iat, exp - iat));
            let expected = left.map(|left| (now.unix_seconds(), left));
            assert_eq!(times.ok(), expected, "{now}");
        }
    }

    #[test]
    fn at_the_end_of_time_nothing_overflows() {
        for seconds in [i64::MAX, i64::MAX - 5, i64::MIN] {
            let now = Timestamp::from_unix_seconds(seconds);
            let _ = times(now, LIFETIME, [now]);
            let _ = times(now, LIFETIME, []);
        }
    }

    #[test]
    fn of_several_deadlines_the_first_is_kept() {
        let request = MintRequest::new(at(0, 0))
            .not_after(at(5, 0))
            .not_after(at(9, 0));
        assert_eq!(request.not_after, Some(at(5, 0)));
    }
}
