use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use tracing::Span;

use crate::identity::{IdentityKey, Names};
use crate::stamp::ambient::{self, Entered};
use crate::stamp::fields;
use crate::stamp::record::{self, Joined, Values};
use crate::terms::{GrantId, Mode, Strategy};

/// Who is really there and whom they act as: what goes on spans, logs and audit events.
///
/// Cheap to clone. It is a record of what was decided and gives no right.
#[derive(Clone)]
pub struct Stamp(Arc<dyn Stamped>);

/// What knows who is really there. The stamp shares it, so that nothing is copied for a request.
pub(crate) trait Stamped: Send + Sync {
    fn said(&self) -> Said<'_>;
}

/// What a stamp says.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Said<'a> {
    pub(crate) actor: &'a IdentityKey,
    pub(crate) target: Option<&'a IdentityKey>,
    pub(crate) mode: Mode,
    pub(crate) strategy: Strategy,
    /// As it is written, once for all that say it.
    pub(crate) grant: Option<&'a Arc<str>>,
    pub(crate) groups: Option<&'a Names>,
}

/// One that stands for itself.
struct Data {
    actor: IdentityKey,
    target: Option<IdentityKey>,
    mode: Mode,
    strategy: Strategy,
    grant: Option<Arc<str>>,
    groups: Option<Names>,
}

impl Stamped for Data {
    fn said(&self) -> Said<'_> {
        Said {
            actor: &self.actor,
            target: self.target.as_ref(),
            mode: self.mode,
            strategy: self.strategy,
            grant: self.grant.as_ref(),
            groups: self.groups.as_ref(),
        }
    }
}

impl PartialEq for Stamp {
    fn eq(&self, other: &Self) -> bool {
        self.said() == other.said()
    }
}

impl Eq for Stamp {}

impl Stamp {
    /// The stamp of an impersonation; it allocates once. A role has no target, and the actor
    /// remains the principal.
    #[must_use]
    pub fn impersonation(
        actor: &IdentityKey,
        target: Option<&IdentityKey>,
        mode: Mode,
        strategy: Strategy,
        groups: Option<&Names>,
    ) -> Self {
        Self(Arc::new(Data {
            actor: actor.clone(),
            target: target.cloned(),
            mode,
            strategy,
            grant: None,
            groups: groups.cloned(),
        }))
    }

    /// That of whatever knows; it allocates nothing.
    pub(crate) fn of(stamped: Arc<impl Stamped + 'static>) -> Self {
        Self(stamped)
    }

    fn said(&self) -> Said<'_> {
        self.0.said()
    }

    /// What tells it from all others that are there at the same time, equal ones too.
    pub(super) fn address(&self) -> usize {
        Arc::as_ptr(&self.0).addr()
    }

    /// Adds the grant under which it happens.
    #[must_use]
    pub fn under(self, grant: &GrantId) -> Self {
        let said = self.said();
        Self(Arc::new(Data {
            actor: said.actor.clone(),
            target: said.target.cloned(),
            mode: said.mode,
            strategy: said.strategy,
            grant: Some(grant.to_string().into()),
            groups: said.groups.cloned(),
        }))
    }

    /// The principal's `sub`: the target's, or the actor's for a role.
    #[must_use]
    pub fn user(&self) -> &str {
        self.target().unwrap_or(self.actor()).subject()
    }

    /// Who is really there.
    #[must_use]
    pub fn actor(&self) -> &IdentityKey {
        self.said().actor
    }

    /// Whom they act as; `None` for a role.
    #[must_use]
    pub fn target(&self) -> Option<&IdentityKey> {
        self.said().target
    }

    /// How far.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.said().mode
    }

    /// How the request said so.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.said().strategy
    }

    /// The id of the grant under which it happens; `None` without one.
    #[must_use]
    pub fn grant(&self) -> Option<&str> {
        self.said().grant.map(|grant| &**grant)
    }

    #[cfg(feature = "otel")]
    pub(crate) fn shared_grant(&self) -> Option<Arc<str>> {
        self.said().grant.cloned()
    }

    /// The groups of a role, or those that the target was narrowed to.
    #[must_use]
    pub fn groups(&self) -> Option<&Names> {
        self.said().groups
    }

    /// What it says, by the names of [`fields`]; what there is none of is left out.
    ///
    /// For backends that take neither spans nor events of `tracing`.
    pub fn fields(&self) -> impl Iterator<Item = (&'static str, Cow<'_, str>)> {
        let values = self.values();
        let groups = values.groups.map(|groups| Joined(groups).to_string());
        let texts = values.texts().map(|text| text.map(Cow::Borrowed));
        let texts = texts.into_iter().chain([groups.map(Cow::Owned)]);
        let named = fields::ALL.iter().copied().zip(texts);
        named.filter_map(|(name, text)| Some((name, text?)))
    }

    /// Records all fields on an open span, whether or not it declared them.
    ///
    /// Meant for the span that is open around the request. Call it once per span: a backend that
    /// appends, as OpenTelemetry does, would show the fields twice. A disabled span takes nothing.
    pub fn record_on(&self, span: &Span) {
        record::on_span(span, &self.values());
    }

    /// Makes this the current stamp of the thread until the guard is dropped.
    ///
    /// Enter it around a poll, never across an `.await`.
    pub fn enter(&self) -> Entered {
        ambient::enter(self.clone())
    }

    pub(super) fn values(&self) -> Values<'_> {
        let Said {
            actor,
            target,
            mode,
            strategy,
            grant,
            groups,
        } = self.said();
        Values {
            user: Some(target.unwrap_or(actor).subject()),
            actor_sub: Some(actor.subject()),
            actor_iss: Some(actor.issuer()),
            target_sub: target.map(IdentityKey::subject),
            target_iss: target.map(IdentityKey::issuer),
            mode: Some(mode.as_str()),
            strategy: Some(strategy.as_str()),
            grant: grant.map(|grant| &**grant),
            groups,
        }
    }
}

// By hand: a field that is added later shows up here on purpose only.
impl fmt::Debug for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stamp")
            .field("actor", self.actor())
            .field("target", &self.target())
            .field("mode", &self.mode())
            .field("strategy", &self.strategy())
            .field("grant", &self.grant())
            .finish_non_exhaustive()
    }
}
