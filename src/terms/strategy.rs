use std::fmt;

/// How a request said that it impersonates.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Strategy {
    /// The token's `impersonating` claim: `sub` is the actor.
    Claim,
    /// The token's `act` claim (RFC 8693, section 4.1): `sub` is the target.
    Act,
    /// A request header beside the actor's own token.
    Header,
    /// A cookie that names a grant, beside the actor's own session.
    Cookie,
    /// Named groups in place of the actor's own, without a target.
    Role,
    /// The application's own.
    Custom,
}

impl Strategy {
    /// The name in spans and audit events.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Claim => "claim",
            Self::Act => "act",
            Self::Header => "header",
            Self::Cookie => "cookie",
            Self::Role => "role",
            Self::Custom => "custom",
        }
    }
}

impl fmt::Display for Strategy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
