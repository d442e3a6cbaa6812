use std::collections::BTreeSet;
use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::ops::Bound;

use crate::grant::{Cursor, Filter, Grant, SessionKey};
use crate::identity::IdentityKey;
use crate::terms::GrantId;
use crate::time::Timestamp;

/// Where the grants are, by what is asked for. All steps take the logarithm of their number.
#[derive(Default)]
pub(super) struct Index {
    all: BTreeSet<Cursor>,
    /// By the hash of a [`Name`]. What is found by it may be somebody else's and has to be looked at.
    named: BTreeSet<(u64, Cursor)>,
    /// Those that nobody ended, by a moment before which they are not over.
    over: BTreeSet<(Timestamp, GrantId)>,
    ended: BTreeSet<(Timestamp, GrantId)>,
    hasher: RandomState,
}

#[derive(Hash)]
enum Name<'a> {
    Actor(&'a IdentityKey),
    /// The same, as long as nobody ended the grant.
    Unended(&'a IdentityKey),
    /// The same, once somebody did.
    Ended(&'a IdentityKey),
    Target(&'a IdentityKey),
    /// Of that issuer.
    Session(&'a str, &'a str),
}

impl Index {
    pub(super) fn len(&self) -> usize {
        self.all.len()
    }

    fn hash(&self, name: Name<'_>) -> u64 {
        self.hasher.hash_one(name)
    }

    /// The names under which it is found as long as it is kept.
    fn names(&self, grant: &Grant) -> Vec<u64> {
        let people = [
            Name::Actor(grant.actor().key()),
            Name::Target(grant.target().key()),
        ];
        let issuer = grant.actor().issuer();
        let sessions = { grant.session().names() }.map(|name| Name::Session(issuer, name));
        people
            .into_iter()
            .chain(sessions)
            .map(|name| self.hash(name))
            .collect()
    }

    pub(super) fn insert(&mut self, grant: &Grant) {
        let cursor = Cursor::from(grant);
        self.all.insert(cursor);
        for name in self.names(grant) {
            self.named.insert((name, cursor));
        }
        if let Some(end) = &grant.state().end {
            let name = self.hash(Name::Ended(grant.actor().key()));
            self.named.insert((name, cursor));
            self.ended.insert((end.at, cursor.id));
        } else {
            let name = self.hash(Name::Unended(grant.actor().key()));
            self.named.insert((name, cursor));
            self.over.insert((over_at(grant), cursor.id));
        }
    }

    /// Of a grant that nobody had ended so far.
    pub(super) fn ended(&mut self, grant: &Grant, at: Timestamp) {
        let cursor = Cursor::from(grant);
        let name = self.hash(Name::Unended(grant.actor().key()));
        self.named.remove(&(name, cursor));
        // Where it was used or extended it stands elsewhere, and is left out when its moment comes.
        self.over.remove(&(over_at(grant), cursor.id));
        let name = self.hash(Name::Ended(grant.actor().key()));
        self.named.insert((name, cursor));
        self.ended.insert((at, cursor.id));
    }

    /// The grant that ended at that moment, and was taken out.
    pub(super) fn remove(&mut self, at: Timestamp, id: &GrantId, grant: Option<&Grant>) {
        self.ended.remove(&(at, *id));
        if let Some(grant) = grant {
            let cursor = Cursor::from(grant);
            self.all.remove(&cursor);
            for name in self.names(grant) {
                self.named.remove(&(name, cursor));
            }
            let name = self.hash(Name::Ended(grant.actor().key()));
            self.named.remove(&(name, cursor));
        }
    }

    /// Oldest first; those of others may be among them.
    pub(super) fn unended_of(&self, actor: &IdentityKey) -> impl Iterator<Item = &Cursor> {
        self.under(self.hash(Name::Unended(actor)))
    }

    /// The same of those that ended, by their start.
    pub(super) fn ended_of(&self, actor: &IdentityKey) -> impl Iterator<Item = &Cursor> {
        self.under(self.hash(Name::Ended(actor)))
    }

    fn under(&self, name: u64) -> impl Iterator<Item = &Cursor> {
        let named = self.named.range((name, FIRST)..=(name, LAST));
        named.map(|(_, cursor)| cursor)
    }

    /// The one that ended first.
    pub(super) fn first_ended(&self) -> Option<(Timestamp, GrantId)> {
        self.ended.first().copied()
    }

    /// Grants of which the moment has come, unless they moved it.
    pub(super) fn over(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, GrantId)>,
        most: usize,
    ) -> Vec<(Timestamp, GrantId)> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let over = self.over.range((from, Bound::Unbounded));
        over.take_while(|(at, _)| *at <= now)
            .take(most)
            .copied()
            .collect()
    }

    /// Moves it to its new moment; takes it out where it ended.
    pub(super) fn over_later(&mut self, at: Timestamp, id: &GrantId, grant: Option<&Grant>) {
        self.over.remove(&(at, *id));
        if let Some(grant) = grant {
            self.over.insert((over_at(grant), *id));
        }
    }

    pub(super) fn ended_before(&self, end: Timestamp, most: usize) -> Vec<(Timestamp, GrantId)> {
        let ended = self.ended.iter();
        ended
            .take_while(|(at, _)| *at < end)
            .take(most)
            .copied()
            .collect()
    }
}

/// A list that is read in portions, newest start first.
pub(super) struct List {
    /// Under one of these names; all there are without one.
    names: Option<Vec<u64>>,
    before: Option<Cursor>,
}

impl List {
    pub(super) fn new(index: &Index, filter: &Filter, after: Option<Cursor>) -> Self {
        let names = match filter {
            Filter {
                session: Some(SessionKey { issuer, name }),
                ..
            } => Some(vec![Name::Session(issuer, name)]),
            Filter {
                actor: Some(actor), ..
            } => Some(vec![Name::Actor(actor)]),
            Filter {
                target: Some(target),
                ..
            } => Some(vec![Name::Target(target)]),
            Filter {
                person: Some(person),
                ..
            } => Some(vec![Name::Actor(person), Name::Target(person)]),
            _ => None,
        };
        let hashes =
            |names: Vec<Name<'_>>| names.into_iter().map(|name| index.hash(name)).collect();
        Self {
            names: names.map(hashes),
            before: after,
        }
    }

    /// The next ones, each once; none at the end. Not all of them have to fit.
    pub(super) fn portion(&mut self, index: &Index, most: usize) -> Vec<Cursor> {
        let mut portion: Vec<Cursor> = match &self.names {
            None => {
                let end = self.before.map_or(Bound::Unbounded, Bound::Excluded);
                let all = index.all.range((Bound::Unbounded, end));
                all.rev().take(most).copied().collect()
            }
            Some(names) => { names.iter() }
                .flat_map(|name| {
                    let end = self
                        .before
                        .map_or(Bound::Included((*name, LAST)), |before| {
                            Bound::Excluded((*name, before))
                        });
                    let own = index.named.range((Bound::Included((*name, FIRST)), end));
                    own.rev().take(most).map(|(_, cursor)| *cursor)
                })
                .collect(),
        };
        portion.sort_unstable_by(|one, other| other.cmp(one));
        portion.dedup();
        portion.truncate(most);
        if let Some(last) = portion.last() {
            self.before = Some(*last);
        }
        portion
    }
}

/// When it is over by itself.
fn over_at(grant: &Grant) -> Timestamp {
    let deadline = grant.deadline();
    let used = grant.state().last_used_at;
    let idle = grant.idle_limit().map(|idle| used.saturating_add(idle));
    idle.map_or(deadline, |idle| idle.min(deadline))
}

const FIRST: Cursor = Cursor {
    started_at: Timestamp::from_unix_seconds(i64::MIN),
    id: GrantId::from_bytes([0; 32]),
};

/// No start is later: what is beyond it was agreed in no year that a calendar has.
const LAST: Cursor = Cursor {
    started_at: Timestamp::from_unix_seconds(i64::MAX),
    id: GrantId::from_bytes([0xff; 32]),
};
