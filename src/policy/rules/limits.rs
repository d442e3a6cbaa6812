use std::time::Duration;

use super::leaf::asking;
use crate::identity::Kind;
use crate::policy::{Asks, Attempt, Demand, Denial, Limits, Rule, Ruling};
use crate::terms::Mode;

/// A reason must be given; without one the answer is 400, before anything is looked up. Where other rules
/// leave open until then whether it matters, it is the plain 403.
pub fn reason_required() -> Rule {
    asking(Asks::NEVER, |attempt: &Attempt<'_>| {
        if attempt.reason().is_some() {
            return Ruling::allow();
        }
        Ruling::Deny(Denial::by("reason_required").demanding(Demand::Reason))
    })
}

/// Allows, but only to read: whatever else allows, requests that write are refused.
///
/// Which requests read is decided by method (RFC 9110, section 9.2.1) unless the builder says more.
pub fn read_only() -> Rule {
    asking(Asks::NEVER, |_: &Attempt<'_>| {
        Ruling::Allow(Limits {
            mode: Mode::ReadOnly,
        })
    })
}

/// The actor signed in at most that long ago, by its token's `auth_time`; else it is sent to sign in
/// again (RFC 9470). Under a grant, what counts is how long ago that was when the grant started; a login after
/// that is fresh, too. An app client never signs in, so this denies machines.
pub fn fresh_login(max_age: Duration) -> Rule {
    asking(Asks::NEVER, move |attempt: &Attempt<'_>| {
        let actor = attempt.actor();
        if actor.kind() == Kind::Machine {
            return Ruling::deny("fresh_login");
        }
        let Some(login) = actor.login() else {
            return Ruling::unknown("fresh_login");
        };
        // A login in the future is no login: the claim or a clock is wrong.
        let fresh = login.at.is_some_and(|at| {
            at <= attempt.now().saturating_add(CLOCK_SKEW)
                && attempt.asked_at().saturating_since(at) <= max_age
        });
        if fresh {
            return Ruling::allow();
        }
        Ruling::Deny(Denial::by("fresh_login").demanding(Demand::FreshLogin { max_age }))
    })
}

const CLOCK_SKEW: Duration = Duration::from_secs(60);
