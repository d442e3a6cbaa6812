use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::{Arc, OnceLock};

use crate::identity::text::Text;

/// What people are compared by: issuer and subject, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey {
    issuer: Arc<str>,
    subject: Subject,
}

impl IdentityKey {
    /// The key of `subject` at `issuer`.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self::piece(issuer.into(), subject.into().into())
    }

    /// The same, of a subject that may be a piece of a longer text.
    pub(crate) fn piece(issuer: Arc<str>, subject: Text) -> Self {
        Self {
            issuer,
            subject: Subject {
                text: subject,
                own: OnceLock::new(),
            },
        }
    }

    /// The issuer, as its configuration spells it.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `sub` at that issuer.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject.text
    }

    pub(crate) fn shared_issuer(&self) -> Arc<str> {
        Arc::clone(&self.issuer)
    }

    pub(crate) fn shared_subject(&self) -> Arc<str> {
        self.subject.shared()
    }
}

struct Subject {
    text: Text,
    /// Made once, when somebody keeps it without the text of which it is a piece.
    own: OnceLock<Arc<str>>,
}

impl Subject {
    fn shared(&self) -> Arc<str> {
        Arc::clone(self.own.get_or_init(|| self.text.shared()))
    }
}

/// A key is kept for longer than the token from which it comes: a clone keeps no more of it alive than itself.
impl Clone for Subject {
    fn clone(&self) -> Self {
        Self {
            text: self.shared().into(),
            own: OnceLock::new(),
        }
    }
}

impl PartialEq for Subject {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl Eq for Subject {}

impl PartialOrd for Subject {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Subject {
    fn cmp(&self, other: &Self) -> Ordering {
        self.text.cmp(&other.text)
    }
}

impl Hash for Subject {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.text.hash(state);
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.text.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::text::Pieces;

    #[test]
    fn a_clone_keeps_nothing_alive_but_itself() {
        let token = String::from("a long token of alice");
        let pieces = Pieces::of(&token);
        let whole = pieces.whole();
        let key = IdentityKey::piece("iss".into(), pieces.text(&token[16..]));
        drop(pieces);
        assert_eq!(Arc::strong_count(&whole), 2);
        let kept = key.clone();
        assert_eq!(kept, IdentityKey::new("iss", "alice"));
        assert!(Arc::ptr_eq(&key.shared_subject(), &kept.shared_subject()));
        drop(key);
        assert_eq!(Arc::strong_count(&whole), 1);
        assert_eq!(
            format!("{kept:?}"),
            "IdentityKey { issuer: \"iss\", subject: \"alice\" }"
        );
    }
}
