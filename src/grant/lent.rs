use crate::grant::{ActorSession, Start};
use crate::identity::{Identity, Names};
use crate::policy::Permit;
use crate::terms::GrantId;
use crate::time::Timestamp;

impl Start {
    /// What is agreed when groups are lent to the actor of a permit: these of its target's, and no longer
    /// than that. Of the two people only what tells who they are is kept, and the actor's username as the pool
    /// knows it; of the grant that the permit is under, its id.
    pub(crate) fn of_lease(
        permit: &Permit,
        username: &str,
        id: GrantId,
        groups: Names,
        started_at: Timestamp,
        latest: Timestamp,
    ) -> Self {
        let actor = permit.actor();
        let ask = permit.ask().clone().with_mode(permit.mode());
        Self {
            id,
            actor: outline(actor).with_username(username),
            voucher: actor.voucher().into(),
            spoke_for_itself: actor.speaks_for_itself(),
            actor_was_found: true,
            target: outline(permit.principal()),
            ask: ask.narrowed_to(groups),
            session: ActorSession::of(actor),
            client_id: None,
            started_at,
            latest,
            idle_limit: None,
        }
    }
}

fn outline(person: &Identity) -> Identity {
    let key = person.key().clone();
    let outline = Identity::from_key(key).with_affiliation(person.affiliation());
    let outline = match person.username() {
        Some(name) => outline.with_username(name),
        None => outline,
    };
    match person.tenant() {
        Some(tenant) => outline.with_tenant(tenant),
        None => outline,
    }
}
