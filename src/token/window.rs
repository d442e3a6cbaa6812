//! When a token counts, on our clock.

use std::time::Duration;

use serde_json::Number;

use crate::time::Timestamp;
use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::issuer::Profile;
use crate::token::json::Document;

/// The times of a token, with the issuer's leeway worked in; asked on every use.
#[derive(Debug, Clone)]
pub(crate) struct Window {
    expires_at: Timestamp,
    /// The first moment that is too late.
    end: Timestamp,
    /// `iat` and `nbf` must not be later than now plus the leeway.
    latest_start: Timestamp,
    leeway: Duration,
    /// The last moment at which it is young enough.
    youth: Option<Timestamp>,
}

impl Window {
    pub(crate) fn read(claims: &Document<'_>, profile: &Profile) -> Result<Self, TokenError> {
        let time = |name, rounding| {
            let value = claims.get(name).ok_or(TokenError::claim(name))?;
            let moment = value.as_number().and_then(|value| moment(value, rounding));
            moment.ok_or(TokenError::claim(name))
        };
        // Fractions are rounded to the strict side.
        let expires_at = time("exp", f64::floor)?;
        let issued_at = time("iat", f64::ceil)?;
        let not_before = match claims.has("nbf") {
            true => time("nbf", f64::ceil)?,
            false => issued_at,
        };
        if expires_at.saturating_since(issued_at) > profile.max_lifetime {
            return Err(TokenErrorKind::Lifetime.into());
        }
        let youth = profile.max_age.map(|age| issued_at.saturating_add(age));
        Ok(Self {
            expires_at,
            end: expires_at.saturating_add(profile.leeway),
            latest_start: issued_at.max(not_before),
            leeway: profile.leeway,
            youth: youth.map(|youth| youth.saturating_add(profile.leeway)),
        })
    }

    pub(crate) fn check(&self, now: Timestamp) -> Result<(), TokenErrorKind> {
        if now >= self.end {
            return Err(TokenErrorKind::Expired);
        }
        if self.latest_start > now.saturating_add(self.leeway) {
            return Err(TokenErrorKind::NotYetValid);
        }
        match self.youth {
            Some(youth) if now > youth => Err(TokenErrorKind::TooOld),
            _ => Ok(()),
        }
    }

    pub(crate) fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// A NumericDate (RFC 7519, section 2) between 1970 and the end of the year 9999.
pub(crate) fn moment(value: &Number, rounding: fn(f64) -> f64) -> Option<Timestamp> {
    let seconds = if let Some(seconds) = value.as_i64() {
        seconds
    } else {
        let seconds = rounding(value.as_f64()?);
        // Exact: every whole number in this range is an f64.
        if !(0.0..=LAST_SECOND as f64).contains(&seconds) {
            return None;
        }
        seconds as i64
    };
    (0..=LAST_SECOND)
        .contains(&seconds)
        .then(|| Timestamp::from_unix_seconds(seconds))
}

const LAST_SECOND: i64 = 253_402_300_799;

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn a34_numbers_only_and_in_range() {
        let rounded = |value: &Value, rounding| {
            let moment = value.as_number().and_then(|value| moment(value, rounding));
            moment.map(Timestamp::unix_seconds)
        };
        let read = |value: Value| rounded(&value, f64::floor);
        assert_eq!(read(json!(1_700_000_000)), Some(1_700_000_000));
        assert_eq!(read(json!(1.7e9)), Some(1_700_000_000));
        assert_eq!(read(json!(1_700_000_000.9)), Some(1_700_000_000));
        assert_eq!(rounded(&json!(0.5), f64::ceil), Some(1));
        for bad in [
            json!("1700000000"),
            json!(null),
            json!([1]),
            json!({}),
            json!(-1),
            json!(-0.5),
            json!(1e18),
            json!(u64::MAX),
            json!(true),
            json!(253_402_300_800_i64),
        ] {
            assert_eq!(read(bad.clone()), None, "{bad}");
        }
    }
}
