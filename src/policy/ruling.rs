use std::borrow::Cow;
use std::time::Duration;

use crate::terms::Mode;

/// What a rule says of an attempt, in three values.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// Yes, within these limits.
    Allow(Limits),
    /// No.
    Deny(Denial),
    /// A fact is missing. In the second step this denies.
    Unknown(Gap),
}

/// How far an allowance goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The widest mode.
    pub mode: Mode,
}

impl Limits {
    /// No limit.
    pub const NONE: Self = Self { mode: Mode::Full };

    fn narrower(self, other: Self) -> Self {
        Self {
            mode: self.mode.min(other.mode),
        }
    }

    fn wider(self, other: Self) -> Self {
        Self {
            mode: self.mode.max(other.mode),
        }
    }
}

/// A "no", with the rule that said it and what the client could do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Denial {
    /// The rule, for the audit; never for the client.
    pub rule: Cow<'static, str>,
    /// What would lift the denial, where the client may know.
    pub demand: Option<Demand>,
}

/// What a client can do about a denial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Demand {
    /// Come with another token: the grant behind this one is over, or not theirs. 401.
    AnotherToken,
    /// Say why: 400.
    Reason,
    /// Sign in again, at most that long ago: 401 `insufficient_user_authentication` (RFC 9470).
    FreshLogin {
        /// The oldest login that would do.
        max_age: Duration,
    },
    /// Name somebody else than oneself: 400.
    AnotherTarget,
}

/// A missing fact.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Gap {
    /// The rule that would need it.
    pub rule: Cow<'static, str>,
}

impl Denial {
    /// A denial by `rule`.
    pub fn by(rule: impl Into<Cow<'static, str>>) -> Self {
        Self {
            rule: rule.into(),
            demand: None,
        }
    }

    /// Says what would lift it.
    #[must_use]
    pub fn demanding(mut self, demand: Demand) -> Self {
        self.demand = Some(demand);
        self
    }

    /// The one to tell of two that must both be lifted: a plain one, else the stricter login.
    fn with(self, other: Self) -> Self {
        use Demand::FreshLogin;
        match (self.demand, other.demand) {
            (Some(_), None) => other,
            (Some(FreshLogin { max_age: own }), Some(FreshLogin { max_age })) if max_age < own => {
                other
            }
            _ => self,
        }
    }

    /// The one to tell of two of which one must be lifted: one with a demand, of logins the laxer.
    fn or_else(self, other: Self) -> Self {
        use Demand::FreshLogin;
        match (self.demand, other.demand) {
            (None, Some(_)) => other,
            (Some(FreshLogin { max_age: own }), Some(FreshLogin { max_age })) if max_age > own => {
                other
            }
            _ => self,
        }
    }
}

impl Ruling {
    /// Yes, without limits.
    #[must_use]
    pub const fn allow() -> Self {
        Self::Allow(Limits::NONE)
    }

    /// No, by `rule`.
    pub fn deny(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::Deny(Denial::by(rule))
    }

    /// `rule` would have to know something that is not known.
    pub fn unknown(rule: impl Into<Cow<'static, str>>) -> Self {
        Self::Unknown(Gap { rule: rule.into() })
    }

    /// Yes if `holds`, else no by `rule`.
    pub fn allow_if(holds: bool, rule: impl FnOnce() -> Cow<'static, str>) -> Self {
        if holds {
            Self::allow()
        } else {
            Self::deny(rule())
        }
    }

    /// Both must allow; the narrower limits hold. A plain "no" comes before one with a demand, so
    /// that whoever has no right is not told what else would be missing. Of two logins that are too old,
    /// the more recent one is demanded.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Deny(left), Self::Deny(right)) => Self::Deny(left.with(right)),
            (Self::Deny(denial), _) | (_, Self::Deny(denial)) => Self::Deny(denial),
            (Self::Unknown(gap), _) | (_, Self::Unknown(gap)) => Self::Unknown(gap),
            (Self::Allow(left), Self::Allow(right)) => Self::Allow(left.narrower(right)),
        }
    }

    /// One must allow; the wider limits hold. A "no" that a demand would lift comes first, and of two
    /// logins that are too old, the less recent one is demanded.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        match (self, other) {
            (Self::Allow(left), Self::Allow(right)) => Self::Allow(left.wider(right)),
            (Self::Allow(limits), _) | (_, Self::Allow(limits)) => Self::Allow(limits),
            (Self::Unknown(gap), _) | (_, Self::Unknown(gap)) => Self::Unknown(gap),
            (Self::Deny(left), Self::Deny(right)) => Self::Deny(left.or_else(right)),
        }
    }
}

impl std::ops::Not for Ruling {
    type Output = Self;

    /// The opposite; unknown stays unknown.
    fn not(self) -> Self {
        match self {
            Self::Allow(_) => Self::deny("not"),
            Self::Deny(_) => Self::allow(),
            unknown @ Self::Unknown(_) => unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> [Ruling; 3] {
        [Ruling::allow(), Ruling::deny("d"), Ruling::unknown("u")]
    }

    /// Allow = 2, Unknown = 1, Deny = 0: `and` is the minimum, `or` the maximum.
    fn weight(ruling: &Ruling) -> u8 {
        match ruling {
            Ruling::Allow(_) => 2,
            Ruling::Unknown(_) => 1,
            Ruling::Deny(_) => 0,
        }
    }

    #[test]
    fn the_tables_are_kleenes() {
        for left in values() {
            assert_eq!(weight(&!left.clone()), 2 - weight(&left));
            for right in values() {
                let (l, r) = (weight(&left), weight(&right));
                assert_eq!(weight(&left.clone().and(right.clone())), l.min(r));
                assert_eq!(weight(&left.clone().or(right)), l.max(r));
            }
        }
    }

    #[test]
    fn and_keeps_the_narrower_mode_and_or_the_wider() {
        let read = Ruling::Allow(Limits {
            mode: Mode::ReadOnly,
        });
        assert_eq!(read.clone().and(Ruling::allow()), read);
        assert_eq!(read.or(Ruling::allow()), Ruling::allow());
    }

    #[test]
    fn both_logins_are_the_more_recent_and_either_is_the_less_recent() {
        let login = |seconds| {
            let max_age = Duration::from_secs(seconds);
            Ruling::Deny(Denial::by("login").demanding(Demand::FreshLogin { max_age }))
        };
        for (left, right) in [(60, 900), (900, 60)] {
            assert_eq!(login(left).and(login(right)), login(60));
            assert_eq!(login(left).or(login(right)), login(900));
        }
    }

    #[test]
    fn without_the_right_nobody_learns_that_a_reason_is_missing() {
        let demand = Ruling::Deny(Denial::by("reason").demanding(Demand::Reason));
        let plain = Ruling::deny("in_group");
        for both in [
            demand.clone().and(plain.clone()),
            plain.clone().and(demand.clone()),
        ] {
            assert_eq!(both, plain);
        }
        for either in [demand.clone().or(plain.clone()), plain.or(demand.clone())] {
            assert_eq!(either, demand);
        }
    }
}
