use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use crate::answer::Answer;
use crate::directory::index::Index;
use crate::directory::{Directory, LookupError};
use crate::identity::{Identity, IdentityKey};
use crate::terms::{TargetRef, Who};

/// A directory of these people, in memory.
pub fn memory(people: impl IntoIterator<Item = Identity>) -> MemoryDirectory {
    let directory = MemoryDirectory::default();
    for identity in people {
        directory.insert(identity);
    }
    directory
}

/// People in memory, found by `sub` and by username, byte for byte.
///
/// Two people with one username at one issuer are found by `sub` only; by name they are ambiguous.
/// Clones share their people. A look-up answers at once and allocates nothing.
#[derive(Clone, Default)]
pub struct MemoryDirectory(Arc<People>);

#[derive(Default)]
struct People {
    by_subject: Index,
    by_username: Index,
    // Keeps two writers from interleaving between the two; readers do not take it.
    writing: Mutex<()>,
}

impl MemoryDirectory {
    /// Adds somebody, or replaces who has the same key; gives back who was there.
    pub fn insert(&self, identity: Identity) -> Option<Identity> {
        let People {
            by_subject,
            by_username,
            writing,
        } = &*self.0;
        let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        let added = identity.clone();
        let previous = by_subject.put(added.subject(), identity);
        if let Some(old_name) = previous.as_ref().and_then(Identity::username) {
            if added.username() != Some(old_name) {
                by_username.remove(old_name, added.key());
            }
        }
        if let Some(name) = added.username() {
            by_username.put(name, added.clone());
        }
        previous
    }

    /// Removes somebody; gives back who was there.
    pub fn remove(&self, key: &IdentityKey) -> Option<Identity> {
        let People {
            by_subject,
            by_username,
            writing,
        } = &*self.0;
        let _writing = writing.lock().unwrap_or_else(PoisonError::into_inner);
        let removed = by_subject.remove(key.subject(), key)?;
        if let Some(name) = removed.username() {
            by_username.remove(name, key);
        }
        Some(removed)
    }
}

impl Directory for MemoryDirectory {
    fn find(&self, target: &TargetRef) -> Answer<Result<Identity, LookupError>> {
        let (index, text) = match target.who() {
            Who::Subject(subject) => (&self.0.by_subject, subject),
            Who::Name(name) => (&self.0.by_username, name),
        };
        Answer::now(index.find(target.issuer(), text))
    }

    fn find_person(&self, key: &IdentityKey) -> Answer<Result<Identity, LookupError>> {
        Answer::now(self.0.by_subject.find(key.issuer(), key.subject()))
    }
}

impl fmt::Debug for MemoryDirectory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryDirectory").finish_non_exhaustive()
    }
}
