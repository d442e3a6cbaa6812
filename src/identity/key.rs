use std::sync::{Arc, OnceLock};

use crate::identity::text::Text;

/// What people are compared by: issuer and subject, byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IdentityKey {
    issuer: Arc<str>,
    subject: Arc<str>,
}

impl IdentityKey {
    /// The key of `subject` at `issuer`.
    pub fn new(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            subject: subject.into(),
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
        &self.subject
    }

    /// Whether it is these two, which costs next to nothing where they are the very same.
    pub(crate) fn is(&self, issuer: &Arc<str>, subject: &Arc<str>) -> bool {
        self.subject == *subject && self.issuer == *issuer
    }

    pub(crate) fn shared_issuer(&self) -> Arc<str> {
        Arc::clone(&self.issuer)
    }

    pub(crate) fn shared_subject(&self) -> Arc<str> {
        Arc::clone(&self.subject)
    }
}

/// Issuer and subject as a token has them. The key is made once, when somebody asks: it is kept for longer than
/// the token, so it must not keep the token's text alive.
#[derive(Clone)]
pub(super) struct Who {
    issuer: Arc<str>,
    subject: Text,
    key: OnceLock<IdentityKey>,
}

impl Who {
    pub(super) fn new(issuer: Arc<str>, subject: Text) -> Self {
        Self {
            issuer,
            subject,
            key: OnceLock::new(),
        }
    }

    pub(super) fn issuer(&self) -> &str {
        &self.issuer
    }

    pub(super) fn subject(&self) -> &str {
        &self.subject
    }

    pub(super) fn key(&self) -> &IdentityKey {
        let key = || IdentityKey::new(Arc::clone(&self.issuer), self.subject.shared());
        self.key.get_or_init(key)
    }
}

impl From<IdentityKey> for Who {
    fn from(key: IdentityKey) -> Self {
        Self {
            issuer: key.shared_issuer(),
            subject: key.shared_subject().into(),
            key: key.into(),
        }
    }
}

impl PartialEq for Who {
    fn eq(&self, other: &Self) -> bool {
        (self.issuer(), self.subject()) == (other.issuer(), other.subject())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::identity::text::Pieces;

    #[test]
    fn a_key_keeps_nothing_alive_but_itself() {
        let token = String::from("a long token of alice");
        let pieces = Pieces::of(&token);
        let whole = pieces.whole();
        let who = Who::new("iss".into(), pieces.text(&token[16..]));
        drop(pieces);
        assert_eq!((who.issuer(), who.subject()), ("iss", "alice"));
        assert!(who == Who::from(IdentityKey::new("iss", "alice")));
        assert!(who != Who::from(IdentityKey::new("iss", "carol")));
        let key = who.key().clone();
        assert!(Arc::ptr_eq(&key.subject, &who.key().subject), "made once");
        assert_eq!(key, IdentityKey::new("iss", "alice"));
        assert_eq!(Arc::strong_count(&whole), 2);
        drop(who);
        assert_eq!(Arc::strong_count(&whole), 1);
    }
}
