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
#[derive(Clone, PartialEq, Eq)]
pub struct Stamp(Arc<Data>);

#[derive(Clone, PartialEq, Eq)]
struct Data {
    actor: IdentityKey,
    target: Option<IdentityKey>,
    mode: Mode,
    strategy: Strategy,
    /// As it is written, once for all that say it.
    grant: Option<Arc<str>>,
    groups: Option<Names>,
}

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

    /// Adds the grant under which it happens.
    #[must_use]
    pub fn under(mut self, grant: &GrantId) -> Self {
        Arc::make_mut(&mut self.0).grant = Some(grant.to_string().into());
        self
    }

    /// The principal's `sub`: the target's, or the actor's for a role.
    #[must_use]
    pub fn user(&self) -> &str {
        self.target().unwrap_or(self.actor()).subject()
    }

    /// Who is really there.
    #[must_use]
    pub fn actor(&self) -> &IdentityKey {
        &self.0.actor
    }

    /// Whom they act as; `None` for a role.
    #[must_use]
    pub fn target(&self) -> Option<&IdentityKey> {
        self.0.target.as_ref()
    }

    /// How far.
    #[must_use]
    pub fn mode(&self) -> Mode {
        self.0.mode
    }

    /// How the request said so.
    #[must_use]
    pub fn strategy(&self) -> Strategy {
        self.0.strategy
    }

    /// The id of the grant under which it happens; `None` without one.
    #[must_use]
    pub fn grant(&self) -> Option<&str> {
        self.0.grant.as_deref()
    }

    #[cfg(feature = "otel")]
    pub(crate) fn shared_grant(&self) -> Option<Arc<str>> {
        self.0.grant.clone()
    }

    /// The groups of a role, or those that the target was narrowed to.
    #[must_use]
    pub fn groups(&self) -> Option<&Names> {
        self.0.groups.as_ref()
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
        let Data {
            actor,
            target,
            mode,
            strategy,
            grant,
            groups,
        } = &*self.0;
        Values {
            user: Some(self.user()),
            actor_sub: Some(actor.subject()),
            actor_iss: Some(actor.issuer()),
            target_sub: target.as_ref().map(IdentityKey::subject),
            target_iss: target.as_ref().map(IdentityKey::issuer),
            mode: Some(mode.as_str()),
            strategy: Some(strategy.as_str()),
            grant: grant.as_deref(),
            groups: groups.as_ref(),
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
