use http::HeaderName;
use http::request::Parts;

use crate::answer::Answer;
use crate::identity::Names;
use crate::resolve::header::groups;
use crate::resolve::values::GROUP;
use crate::resolve::{Asked, Requested, Resolution, Resolve, ResolveError};
use crate::terms::Ask;
use crate::token::{Claims, Verified};

/// The actor stays itself and has, for one request, other groups in place of its own.
///
/// The `impersonate-group` header names them, one group per line, without a user header: beside a
/// user it narrows that user's groups and is no role. Only the
/// groups of the list given here can be taken, and the policy decides about each: it sees the actor
/// with that one group as the target. There is nothing to clean up afterwards, which is why it
/// is to be preferred over adding the actor to the group at the identity provider.
pub fn role(offered: impl Into<Names>) -> Role {
    Role {
        offered: offered.into(),
        headers: [GROUP],
    }
}

/// The strategy made by [`role`].
#[derive(Debug, Clone)]
#[must_use = "a strategy does nothing until it is given to the builder"]
pub struct Role {
    offered: Names,
    headers: [HeaderName; 1],
}

impl Role {
    fn read(
        &self,
        claims: &Verified<Claims>,
        parts: &Parts,
    ) -> Result<Option<Requested>, ResolveError> {
        if !parts.headers.contains_key(GROUP) {
            return Ok(None);
        }
        let groups = groups(&parts.headers, "")?;
        if groups.iter().any(|group| !self.offered.contains(group)) {
            return Err(ResolveError::forbidden("role_not_offered"));
        }
        Ok(Some(Requested::new(claims.caller(), Ask::role(groups))))
    }
}

impl Resolve for Role {
    fn resolve(&self, claims: &Verified<Claims>, parts: &Parts) -> Answer<Resolution> {
        Answer::now(self.read(claims, parts).into())
    }

    fn headers(&self) -> &[HeaderName] {
        &self.headers
    }

    fn asked(&self) -> Asked {
        Asked::WhenSilent
    }

    fn check(&self) -> Result<(), String> {
        if self.offered.is_empty() {
            Err("a role needs groups to offer".to_owned())
        } else {
            Ok(())
        }
    }
}
