use http::HeaderName;
use http::request::Parts;

use crate::answer::Answer;
use crate::identity::{Kind, Names};
use crate::resolve::header::{Machines, groups};
use crate::resolve::values::GROUP;
use crate::resolve::{Nature, Requested, Resolution, Resolve, ResolveError, Targets};
use crate::terms::Ask;
use crate::token::{Claims, Verified};

/// The actor stays itself and has, for one request, other groups in place of its own.
///
/// The `impersonate-group` header names them, one group per line, without a user header: beside a
/// user it narrows that user's groups and is no role. Only the groups of the list given here can be
/// taken, and the policy decides about each: it sees the actor with that one group as the target.
/// Scopes and attributes of the actor's token do not come along.
///
/// There is nothing to clean up afterwards, which is why it is to be preferred over adding the actor
/// to the group at the identity provider.
pub fn role(offered: impl Into<Names>) -> Role {
    Role {
        offered: offered.into(),
        headers: [GROUP],
        machines: Machines::Refused,
    }
}

/// The strategy made by [`role`].
#[derive(Debug, Clone)]
#[must_use = "a strategy does nothing until it is given to the builder"]
pub struct Role {
    offered: Names,
    headers: [HeaderName; 1],
    machines: Machines,
}

impl Role {
    /// App clients may take roles, too, where the policy names them.
    pub fn machines(mut self) -> Self {
        self.machines = Machines::Judged;
        self
    }

    fn read(
        &self,
        claims: &Verified<Claims>,
        parts: &Parts,
    ) -> Result<Option<Requested>, ResolveError> {
        if !parts.headers.contains_key(GROUP) {
            return Ok(None);
        }
        if claims.identity().kind() == Kind::Machine && self.machines == Machines::Refused {
            return Err(ResolveError::forbidden("machine_by_header"));
        }
        let groups = groups(&parts.headers, "")?;
        let offered = groups.iter().all(|group| self.offered.contains(group));
        let ask = Ask::role(groups);
        if !offered {
            return Err(ResolveError::forbidden("role_not_offered").asking(ask));
        }
        Ok(Some(Requested::built_in(claims.caller(), ask)))
    }
}

impl Resolve for Role {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        Answer::now(self.read(claims, parts).into())
    }

    fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    fn nature(&self) -> Nature<'_> {
        Nature::with_targets(Targets::Vouched)
            .when_silent()
            .reads_nothing_else()
    }

    fn check(&self) -> Result<(), String> {
        if self.offered.is_empty() {
            Err("a role needs groups to offer".to_owned())
        } else {
            Ok(())
        }
    }
}
