//! What was agreed at the start holds for every request under the grant.

use crate::grant::{Grant, Told};
use crate::identity::{Identity, Names};
use crate::terms::Ask;
use crate::token::Verified;

impl Grant {
    /// What a request asks for, within what the grant allows.
    pub(crate) fn agreed(&self, ask: Ask) -> Ask {
        let own = self.ask();
        let mode = ask.mode().min(own.mode());
        let scopes = narrower(ask.scopes(), own.scopes());
        let groups = narrower(ask.groups(), own.groups());
        let mut ask = ask.with_mode(mode).since(self.started_at());
        if let Some(scopes) = scopes {
            ask = ask.with_scopes(scopes);
        }
        if let Some(groups) = groups {
            ask = ask.narrowed_to(groups);
        }
        // What was asked for now is longer, and to be judged.
        if let (None, Some(ttl)) = (ask.ttl(), own.ttl()) {
            ask = ask.with_ttl(ttl);
        }
        if let Some(reason) = own.reason() {
            ask = ask.with_reason(reason.clone());
        }
        if let Some(ticket) = own.ticket() {
            ask = ask.with_ticket(ticket.clone());
        }
        ask
    }

    /// The actor that a token of the grant names, with what was known of it at the start. Whoever comes
    /// with a token of its own is known by that.
    pub(crate) fn resumed(&self, actor: Verified<Identity>) -> Verified<Identity> {
        let start = self.start();
        actor.resumed(&start.actor, &start.voucher, start.spoke_for_itself)
    }
}

impl Told {
    /// As [`Grant::agreed`], with what another service tells.
    pub(crate) fn agreed(self, ask: Ask) -> Ask {
        let mode = self.mode.map_or(ask.mode(), |mode| mode.min(ask.mode()));
        let mut ask = ask.with_mode(mode).kept_elsewhere();
        if let Some(started_at) = self.started_at {
            ask = ask.since(started_at);
        }
        if let Some(reason) = self.reason {
            ask = ask.with_reason(reason);
        }
        if let Some(ticket) = self.ticket {
            ask = ask.with_ticket(ticket);
        }
        ask
    }
}

/// What both name; what only one of them narrows stays narrowed.
fn narrower(one: Option<&Names>, other: Option<&Names>) -> Option<Names> {
    match (one, other) {
        (Some(one), Some(other)) => Some(one.iter().filter(|name| other.contains(name)).collect()),
        (one, other) => one.or(other).cloned(),
    }
}
