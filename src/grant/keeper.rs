use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use tokio::runtime::Handle;

use crate::answer::Answer;
use crate::audit::{AuditError, EndInfo, Recorded, Trail};
use crate::grant::followers::Followers;
use crate::grant::hub::{Hub, Listener};
use crate::grant::pending::{Pending, Sight};
use crate::grant::{
    ActorSession, End, Ended, Filter, Grant, GrantLimits, GrantStore, Others, Page, SessionKey,
    Standing, Start, StartLimit, Started, State, StoreError,
};
use crate::identity::{IdentityKey, Kind};
use crate::terms::{EndReason, GrantId, GrantSecret};
use crate::time::{Clock, Timestamp};

/// The grants of a service: whoever may act as whom, until when.
///
/// Give one to the layer, and keep a clone for what the application itself ends. Cheap to clone.
#[derive(Clone)]
pub struct Grants(pub(super) Arc<Shared>);

pub(super) struct Shared {
    pub(super) store: Arc<dyn GrantStore>,
    pub(super) limits: GrantLimits,
    hub: Hub,
    pub(super) pending: Pending,
    followers: Followers,
    bound: OnceLock<Bound>,
    pub(super) sweeping: AtomicBool,
}

/// What the layer brings.
struct Bound {
    trail: Arc<Trail>,
    clock: Arc<dyn Clock>,
}

/// What a grant begins with, beside the proof that it may.
#[derive(Debug)]
#[cfg_attr(
    not(feature = "manage"),
    allow(dead_code, reason = "only its routes start grants")
)]
pub(crate) struct Beginning {
    pub(crate) secret: GrantSecret,
    pub(crate) deadline: Timestamp,
    pub(crate) actor_was_found: bool,
    pub(crate) others: Others,
    pub(crate) now: Timestamp,
}

impl Grants {
    /// Grants in that store, with the limits of [`GrantLimits::default`].
    #[must_use]
    pub fn new(store: impl GrantStore + 'static) -> Self {
        Self::with_limits(store, GrantLimits::default())
    }

    /// Grants in that store, within these limits. What is wrong with them the layer says when it is built.
    #[must_use]
    pub fn with_limits(store: impl GrantStore + 'static, limits: GrantLimits) -> Self {
        Self(Arc::new(Shared {
            store: Arc::new(store),
            limits,
            hub: Hub::default(),
            pending: Pending::default(),
            followers: Followers::default(),
            bound: OnceLock::new(),
            sweeping: AtomicBool::new(false),
        }))
    }

    /// Takes clock and audit of the first layer that is built with them.
    pub(crate) fn bind(&self, trail: &Arc<Trail>, clock: &Arc<dyn Clock>) {
        let bound = || Bound {
            trail: Arc::clone(trail),
            clock: Arc::clone(clock),
        };
        self.0.bound.get_or_init(bound);
        self.keep_sweeping();
    }

    /// What is wrong with the limits: the setting and its bounds.
    pub(crate) fn check_limits(&self) -> Result<(), (&'static str, &'static str)> {
        self.0.limits.check()
    }

    pub(crate) fn check_store(&self) -> Result<(), StoreError> {
        self.0.store.check()
    }

    /// The limits.
    pub fn limits(&self) -> GrantLimits {
        self.0.limits
    }

    /// How many an app client may have at once.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn per_machine(&self) -> usize {
        self.0.limits.per_machine
    }

    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn lifetime(&self) -> Duration {
        self.0.limits.lifetime
    }

    pub(crate) fn now(&self) -> Timestamp {
        match self.0.bound.get() {
            Some(bound) => bound.clock.now(),
            // Without a layer there are no grants either.
            None => crate::time::SystemClock::new().now(),
        }
    }

    /// The grant of that id; `None` where there is none, or none any more.
    ///
    /// # Errors
    ///
    /// When the store cannot say.
    pub fn find(&self, id: &GrantId) -> Answer<Result<Option<Grant>, StoreError>> {
        // After a restart nobody may start one for a long time.
        self.keep_sweeping();
        let (grants, id) = (self.clone(), *id);
        self.0.store.find(&id).map(move |found| match found? {
            Some(grant) if *grant.id() != id => Err(StoreError::unavailable(
                "the store answered with another grant",
            )),
            found => Ok(found.map(|grant| grants.0.pending.apply(grant))),
        })
    }

    /// Keeps what was permitted and recorded.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) fn start(
        &self,
        recorded: &Recorded,
        beginning: &Beginning,
    ) -> Answer<Result<Started, StoreError>> {
        self.keep_sweeping();
        let permit = recorded.permit();
        let (actor, now) = (permit.actor(), beginning.now);
        let ask = permit.ask().clone().with_mode(permit.mode());
        let start = Start {
            id: beginning.secret.id(),
            session: ActorSession::of(actor),
            client_id: actor
                .text("client_id")
                .or_else(|| actor.text("azp"))
                .map(Into::into),
            actor: (**actor).clone().kept_for_long(),
            voucher: actor.voucher().into(),
            spoke_for_itself: actor.speaks_for_itself(),
            actor_was_found: beginning.actor_was_found,
            target: permit.principal().clone().kept_for_long(),
            ask,
            started_at: now,
            latest: now.saturating_add(self.0.limits.longest),
            idle_limit: self.0.limits.idle,
        };
        let state = State {
            deadline: beginning.deadline,
            last_used_at: now,
            end: None,
        };
        let limit = StartLimit {
            per_actor: match actor.kind() {
                Kind::Machine => self.0.limits.per_machine,
                Kind::Person => 1,
            },
            others: beginning.others,
            keep_ended: self.0.limits.ended_per_actor,
            now,
        };
        let grants = self.clone();
        {
            self.0
                .store
                .start(Grant::new(Arc::new(start), state), limit)
        }
        .map(move |started| {
            let started = started?;
            if let Started::New(_, replaced) = &started {
                for grant in replaced {
                    grants.tell_end(grant);
                }
            }
            Ok(started)
        })
    }

    /// Says that it was used, where that counts.
    pub(crate) fn used(&self, grant: &Grant, now: Timestamp) {
        let Some(idle) = grant.idle_limit() else {
            return;
        };
        let since = now.saturating_since(grant.state().last_used_at);
        if since < idle / 10 {
            return;
        }
        let mut used = self.0.store.used(grant.id(), now);
        if used.take_now().is_some() {
            return;
        }
        if let Ok(runtime) = Handle::try_current() {
            runtime.spawn(async move {
                if let Err(error) = used.await {
                    log(&error, "the use of a grant was not kept");
                }
            });
        }
    }

    /// Moves the deadline of a grant that is alive, within its limits; `None` where there is none.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes start grants")
    )]
    pub(crate) async fn extend(
        &self,
        id: &GrantId,
        deadline: Timestamp,
    ) -> Result<Option<Grant>, StoreError> {
        let extended = self.0.store.extend(id, deadline, self.now()).await?;
        self.0.hub.tell(id);
        Ok(extended.map(|grant| self.0.pending.apply(grant)))
    }

    /// Ends one grant, for that reason; `by` is who ended it. Answers with the grant, and whether it was
    /// this that ended it; `None` where there is none.
    ///
    /// # Errors
    ///
    /// When the store could not keep it. In this process the grant is over all the same, and it is tried
    /// again until the store takes it.
    pub async fn end(
        &self,
        id: &GrantId,
        reason: EndReason,
        by: Option<&IdentityKey>,
    ) -> Result<Option<Ended>, StoreError> {
        let end = End {
            reason,
            at: self.now(),
            by: by.cloned(),
        };
        self.end_as(id, end, Sight::Seen).await
    }

    /// The same, of what may be no grant at all: the store was silent when it was asked for it. Of such
    /// ends only so many wait for the store, in all and of one person.
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "only its routes are asked for it")
    )]
    pub(crate) async fn end_unseen(
        &self,
        id: &GrantId,
        reason: EndReason,
        by: &IdentityKey,
    ) -> Result<Option<Ended>, StoreError> {
        let end = End {
            reason,
            at: self.now(),
            by: Some(by.clone()),
        };
        self.end_as(id, end, Sight::Unseen).await
    }

    pub(super) async fn end_as(
        &self,
        id: &GrantId,
        end: End,
        sight: Sight,
    ) -> Result<Option<Ended>, StoreError> {
        // It is over here before the store is asked, which may never answer.
        let Some(asking) = self.0.pending.add(*id, end.clone(), sight) else {
            return Err(StoreError::unavailable("too many ends wait for the store"));
        };
        self.0.hub.tell(id);
        self.keep_sweeping();
        let ended = self.0.store.end(id, end).await;
        match &ended {
            Ok(kept) => {
                self.0.pending.remove(id);
                if let Some(kept) = kept.as_ref().filter(|kept| kept.now) {
                    self.tell_end(&kept.grant);
                }
            }
            Err(error) => log(error, "the end of a grant was not kept, and is tried again"),
        }
        drop(asking);
        ended
    }

    /// Whether it is over here, though the store does not know it yet.
    pub(crate) fn is_ending(&self, id: &GrantId) -> bool {
        self.0.pending.contains(id)
    }

    /// Ends all grants of a person, as actor or as target.
    ///
    /// For what only the application knows: somebody was demoted, disabled or deleted.
    ///
    /// # Errors
    ///
    /// When the store could not say which there are, or not end one of them; the others are ended.
    pub async fn end_grants(
        &self,
        person: &IdentityKey,
        reason: EndReason,
    ) -> Result<usize, StoreError> {
        let filter = Filter {
            person: Some(person.clone()),
            ..Filter::default()
        };
        self.end_all(filter, reason).await
    }

    /// Ends all grants that were begun in a session of that name at that issuer: the `jti` or `origin_jti` of
    /// the actor's token, or its `sid`. Of an issuer with several names it is the canonical one, as identities
    /// carry it; what another issuer calls the same goes on.
    ///
    /// # Errors
    ///
    /// As [`end_grants`](Self::end_grants).
    pub async fn end_session(&self, issuer: &str, name: &str) -> Result<usize, StoreError> {
        let filter = Filter {
            session: Some(SessionKey::new(issuer, name)),
            ..Filter::default()
        };
        self.end_all(filter, EndReason::ActorSessionEnded).await
    }

    async fn end_all(&self, mut filter: Filter, reason: EndReason) -> Result<usize, StoreError> {
        let (mut ended, mut page, mut failed) = (0, Page::first(), None);
        loop {
            filter.state = Some((Standing::Alive, self.now()));
            let found = self.0.store.list(&filter, &page).await?;
            for grant in &found {
                match self.end(grant.id(), reason, None).await {
                    Ok(Some(end)) if end.now => ended += 1,
                    Ok(_) => {}
                    Err(error) => failed = Some(error),
                }
            }
            match found.last() {
                Some(last) if found.len() >= page.size => page.after = Some(last.into()),
                _ => break,
            }
        }
        failed.map_or(Ok(ended), Err)
    }

    /// Keeps and records what ended by itself.
    pub(crate) fn ended_by_itself(&self, grant: &Grant, end: End) {
        if grant.state().end.is_some() {
            return;
        }
        let (grants, id) = (self.clone(), *grant.id());
        let mut ending =
            Box::pin(async move { grants.end_as(&id, end, Sight::Seen).await.map(drop) });
        // What is known at once is done at once.
        let waker = std::task::Waker::noop();
        let polled = ending
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker));
        if polled.is_pending() {
            if let Ok(runtime) = Handle::try_current() {
                runtime.spawn(ending);
            }
        }
    }

    /// Told whenever something becomes of the grant in this process.
    pub(crate) fn listen(&self, id: &GrantId) -> Listener {
        self.0.hub.listen(id)
    }

    pub(super) fn followers(&self) -> &Followers {
        &self.0.followers
    }

    /// It is over: whatever goes on hears it, whatever follows does, and the audit. Nobody waits for them.
    pub(super) fn tell_end(&self, grant: &Grant) {
        self.0.hub.tell(grant.id());
        self.0.followers.tell(grant);
        let (Some(bound), Some(end)) = (self.0.bound.get(), &grant.state().end) else {
            return;
        };
        let told = EndInfo::new(end.reason, end.by.as_ref());
        let ask = grant.ask().clone().under(*grant.id());
        let people = [grant.actor(), grant.target()];
        let tell = || {
            let written = bound.trail.ended(&ask, people, told, bound.clock.now());
            written.try_now()
        };
        // A sink that panics keeps no other grant alive, and nobody from sweeping.
        match catch_unwind(AssertUnwindSafe(tell)) {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => unrecorded(&error),
            Ok(Err(later)) => {
                if let Ok(runtime) = Handle::try_current() {
                    runtime.spawn(async move {
                        if let Err(error) = later.await {
                            unrecorded(&error);
                        }
                    });
                }
            }
            Err(_) => unrecorded(&AuditError::new("the sink panicked")),
        }
    }
}

pub(super) fn log(error: &StoreError, what: &'static str) {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::error!(target: "impersonation", %error, cause, "{what}");
}

/// An end that cannot be recorded is an end all the same.
fn unrecorded(error: &dyn std::error::Error) {
    tracing::error!(target: "impersonation::audit", %error, "the end of a grant could not be recorded");
}

impl fmt::Debug for Grants {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grants")
            .field("limits", &self.0.limits)
            .finish_non_exhaustive()
    }
}
