use std::error::Error;
use std::fmt;
use std::str::FromStr;

/// Why a grant ended. The first reason stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// The actor itself was done.
    Stopped,
    /// The deadline passed.
    Expired,
    /// It was not used for longer than the idle limit.
    Idle,
    /// Somebody with the right to, or the target, ended it.
    Revoked,
    /// The actor lost the right.
    ActorDemoted,
    /// The actor's account was disabled, or is gone.
    ActorDisabled,
    /// The session in which the actor had signed in ended.
    ActorSessionEnded,
    /// The target became somebody as whom this actor may not act.
    TargetPromoted,
    /// The target's account was disabled.
    TargetDisabled,
    /// The target is not to be found any more.
    TargetGone,
    /// The actor began to act as somebody else instead.
    Replaced,
}

impl EndReason {
    /// All there are.
    pub const ALL: [Self; 11] = [
        Self::Stopped,
        Self::Expired,
        Self::Idle,
        Self::Revoked,
        Self::ActorDemoted,
        Self::ActorDisabled,
        Self::ActorSessionEnded,
        Self::TargetPromoted,
        Self::TargetDisabled,
        Self::TargetGone,
        Self::Replaced,
    ];

    /// The name in the audit, in stores and in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stopped => "stopped",
            Self::Expired => "expired",
            Self::Idle => "idle",
            Self::Revoked => "revoked",
            Self::ActorDemoted => "actor_demoted",
            Self::ActorDisabled => "actor_disabled",
            Self::ActorSessionEnded => "actor_session_ended",
            Self::TargetPromoted => "target_promoted",
            Self::TargetDisabled => "target_disabled",
            Self::TargetGone => "target_gone",
            Self::Replaced => "replaced",
        }
    }
}

impl fmt::Display for EndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for EndReason {
    type Err = UnknownEndReason;

    fn from_str(name: &str) -> Result<Self, UnknownEndReason> {
        let named = |reason: &Self| reason.as_str() == name;
        Self::ALL
            .into_iter()
            .find(named)
            .ok_or(UnknownEndReason(()))
    }
}

/// A name that no reason has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownEndReason(());

impl fmt::Display for UnknownEndReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("no reason for which a grant ends has that name")
    }
}

impl Error for UnknownEndReason {}
