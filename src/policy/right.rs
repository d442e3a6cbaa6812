use std::borrow::Cow;
use std::fmt;

use crate::identity::{Identity, Kind, Names};
use crate::policy::{Attempt, Demand, Denial, Policy, Refused, Rule, Ruling};
use crate::terms::Ask;
use crate::time::Timestamp;
use crate::token::Verified;

/// What somebody may do at the service that keeps grants. Always judged of who really sends the request.
///
/// Nobody has one without a rule for it, but what is one's own: everybody reads, extends and stops its own
/// grants, and reads and ends those on itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Right {
    /// To start an impersonation by the endpoint. The layer's policy decides about it in any case; a rule for
    /// this right is asked before.
    Impersonate,
    /// To read the grants of others.
    GrantsRead,
    /// To end the grants of others.
    GrantsRevoke,
    /// To approve the grants of others. No route of this crate asks for it.
    GrantsApprove,
    /// To read the audit. No route of this crate asks for it.
    AuditRead,
    /// To ask whether a token or a grant is alive (RFC 7662), and to take and confirm sign-in codes.
    Introspect,
}

impl Right {
    /// The name, as in the rule of a denial: `right:grants.revoke`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Impersonate => "impersonate",
            Self::GrantsRead => "grants.read",
            Self::GrantsRevoke => "grants.revoke",
            Self::GrantsApprove => "grants.approve",
            Self::AuditRead => "audit.read",
            Self::Introspect => "introspect",
        }
    }

    /// What a refusal for want of it is called in the audit.
    const fn rule(self) -> &'static str {
        match self {
            Self::Impersonate => "right:impersonate",
            Self::GrantsRead => "right:grants.read",
            Self::GrantsRevoke => "right:grants.revoke",
            Self::GrantsApprove => "right:grants.approve",
            Self::AuditRead => "right:audit.read",
            Self::Introspect => "right:introspect",
        }
    }
}

impl fmt::Display for Right {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Gives the right to whomever the rule allows.
///
/// The rule judges the actor alone: there is no target, so that rules about one never allow, and no reason.
/// An app client needs a rule that names it ([`machines`](super::machines)).
pub fn right(right: Right, rule: impl Policy + 'static) -> Entitlement {
    Entitlement {
        right,
        rule: Rule::new(rule),
    }
}

/// Who has a right; made by [`right`].
#[derive(Debug, Clone)]
#[must_use = "it does nothing until it is given to the builder"]
pub struct Entitlement {
    right: Right,
    rule: Rule,
}

impl Entitlement {
    /// Which right.
    #[must_use]
    pub fn right(&self) -> Right {
        self.right
    }

    /// Who has it.
    pub fn rule(&self) -> &Rule {
        &self.rule
    }
}

/// Whether the actor, of whom everything is known that can be, has the right; without a rule nobody has.
///
/// # Errors
///
/// [`Refused`], unless the rule allows.
pub(crate) fn holds(
    right: Right,
    rule: Option<&Rule>,
    actor: Verified<Identity>,
    now: Timestamp,
) -> Result<(), Box<Refused>> {
    let named = |rule: &Rule| actor.kind() != Kind::Machine || rule.names_machine(actor.key());
    let ruling = match rule.filter(|rule| named(rule)) {
        Some(_) if actor.enabled() == Some(false) => Ruling::deny("actor_disabled"),
        Some(rule) => rule.judge(&Attempt {
            actor: &actor,
            ask: &Ask::role(Names::default()),
            target: None,
            role: None,
            now,
        }),
        None => Ruling::deny("no rule"),
    };
    let demand = match ruling {
        Ruling::Allow(_) => return Ok(()),
        Ruling::Deny(denial) => denial.demand,
        Ruling::Unknown(_) => None,
    };
    let denial = Denial {
        rule: Cow::Borrowed(right.rule()),
        // What else could be demanded there is no place for.
        demand: demand.filter(|demand| matches!(demand, Demand::FreshLogin { .. })),
    };
    Err(Box::new(Refused {
        denial,
        actor,
        ask: None,
        target: None,
    }))
}
