use std::time::Duration;

use crate::answer::Answer;
use crate::grant::{End, Grant, SessionKey, StoreError};
use crate::identity::IdentityKey;
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Keeps grants.
///
/// Every method is one transition: it happens as a whole or not at all, whoever else asks for one at
/// the same moment, and when it has answered it is not lost. A grant that ended stays ended, and its
/// first reason stays. `testing::assert_grant_store` holds a store to all of it.
///
/// A store does not decide: whether somebody may was decided before. It does not look at a clock
/// either; `now` is told.
pub trait GrantStore: Send + Sync {
    /// Keeps a new grant, unless the limits say otherwise. An id that is there already is an error.
    ///
    /// Where it starts, the store first forgets what makes room: of the same actor's that ended, those
    /// that started first, beyond [`keep_ended`](StartLimit::keep_ended), those counted that end for the new
    /// one; and of a store that is full, those that ended first. Only one that is full of grants which
    /// nobody ended refuses as [full], and has then forgotten nothing.
    ///
    /// [full]: crate::grant::StoreErrorKind::Full
    fn start(&self, grant: Grant, limit: StartLimit) -> Answer<Result<Started, StoreError>>;

    /// The grant of that id, alive or ended; `None` where there is none, or none any more.
    ///
    /// Asked on every request that is made under a grant.
    fn find(&self, id: &GrantId) -> Answer<Result<Option<Grant>, StoreError>>;

    /// Says that it was used. It moves [`last_used_at`](crate::grant::State) forward, never back, and
    /// does nothing to a grant that ended, or that is over at that moment.
    fn used(&self, id: &GrantId, at: Timestamp) -> Answer<Result<(), StoreError>>;

    /// Moves the deadline of a grant that is alive at `now`, forward only and never beyond
    /// [`Grant::latest`]. Answers with the grant as it is then, moved or not.
    fn extend(
        &self,
        id: &GrantId,
        deadline: Timestamp,
        now: Timestamp,
    ) -> Answer<Result<Option<Grant>, StoreError>>;

    /// Ends a grant, unless it has ended before.
    fn end(&self, id: &GrantId, end: End) -> Answer<Result<Option<Ended>, StoreError>>;

    /// The grants that the filter names, newest start first, at most [`Page::MAX`] of them.
    fn list(&self, filter: &Filter, page: &Page) -> Answer<Result<Vec<Grant>, StoreError>>;

    /// Grants that nobody ended and that are over at `now` by themselves; at most [`Page::MAX`] of them.
    fn lapsed(&self, now: Timestamp) -> Answer<Result<Vec<Grant>, StoreError>>;

    /// Forgets the grants that somebody ended, or that were ended as lapsed, before that; answers with how
    /// many they were.
    fn forget(&self, ended_before: Timestamp) -> Answer<Result<u64, StoreError>>;

    /// Whether it is ready; asked when the layer is built.
    ///
    /// # Errors
    ///
    /// Why it is not.
    fn check(&self) -> Result<(), StoreError> {
        Ok(())
    }

    /// How often it must be asked again while a response or a socket goes on, because somebody else can
    /// end a grant in it; `None` where all transitions pass through this very value.
    fn poll_interval(&self) -> Option<Duration> {
        Some(Duration::from_millis(500))
    }
}

/// How many grants may be alive at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StartLimit {
    /// Of one actor.
    pub per_actor: usize,
    /// What becomes of those that would be too many.
    pub others: Others,
    /// How many of the actor's grants that ended stay known.
    pub keep_ended: usize,
    /// The moment at which they are counted.
    pub now: Timestamp,
}

/// What becomes of an actor's other grants when a new one starts beyond the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Others {
    /// They stay, and the new one does not start.
    Stay,
    /// They end as replaced.
    Replaced,
}

impl StartLimit {
    /// Of these grants that are alive, oldest first, those that have to end for a new one: those on its
    /// own target, and then the oldest, as far as there would be too many.
    pub fn replaces<'g>(
        &self,
        alive: &'g [Grant],
        is_same: impl Fn(&Grant) -> bool,
    ) -> Vec<&'g Grant> {
        let (mut ending, rest): (Vec<_>, Vec<_>) = alive.iter().partition(|grant| is_same(grant));
        let too_many = (rest.len() + 1).saturating_sub(self.per_actor);
        ending.extend(rest.into_iter().take(too_many));
        ending
    }
}

/// What came of a start.
#[derive(Debug, Clone)]
pub enum Started {
    /// It started; these ended for it.
    New(Grant, Vec<Grant>),
    /// This one, of the same actor on the same target, is alive and stays as it is.
    Same(Grant),
    /// The actor has as many as it may; one of them.
    TooMany(Grant),
}

/// What came of an end.
#[derive(Debug, Clone)]
pub struct Ended {
    /// The grant, with the end that stays.
    pub grant: Grant,
    /// Whether it was this end that ended it.
    pub now: bool,
}

/// Which grants; those that fit everything that is said. By default, all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Filter {
    /// Of this actor.
    pub actor: Option<IdentityKey>,
    /// On this target.
    pub target: Option<IdentityKey>,
    /// Of this person, as actor or as target.
    pub person: Option<IdentityKey>,
    /// Begun in that session, by any of its names.
    pub session: Option<SessionKey>,
    /// Alive, or ended, at a moment.
    pub state: Option<(Standing, Timestamp)>,
}

/// Whether a grant is alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Standing {
    /// It is.
    Alive,
    /// It ended, by somebody or by itself.
    Ended,
}

impl Filter {
    /// Whether the grant fits.
    #[must_use]
    pub fn fits(&self, grant: &Grant) -> bool {
        let (actor, target) = (grant.actor().key(), grant.target().key());
        let is = |wanted: &Option<IdentityKey>, key: &IdentityKey| {
            wanted.as_ref().is_none_or(|wanted| wanted == key)
        };
        let of_person = |person: &IdentityKey| person == actor || person == target;
        let of_session = |session: &SessionKey| {
            actor.issuer() == &*session.issuer && grant.session().is_named(&session.name)
        };
        is(&self.actor, actor)
            && is(&self.target, target)
            && self.person.as_ref().is_none_or(of_person)
            && self.session.as_ref().is_none_or(of_session)
            && self.state.is_none_or(|(standing, now)| {
                grant.is_alive_at(now) == (standing == Standing::Alive)
            })
    }
}

/// A part of a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Behind this grant, in the order of the list; from the beginning without one.
    pub after: Option<Cursor>,
    /// At most so many.
    pub size: usize,
}

impl Page {
    /// The most grants of a page.
    pub const MAX: usize = 200;

    /// The first, of the largest size.
    #[must_use]
    pub const fn first() -> Self {
        Self {
            after: None,
            size: Self::MAX,
        }
    }
}

/// The place of a grant in lists: by its start, and among those of one moment by its id.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cursor {
    /// When it started.
    pub started_at: Timestamp,
    /// Which it is.
    pub id: GrantId,
}

impl From<&Grant> for Cursor {
    fn from(grant: &Grant) -> Self {
        Self {
            started_at: grant.started_at(),
            id: *grant.id(),
        }
    }
}
