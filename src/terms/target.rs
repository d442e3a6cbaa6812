use std::fmt;
use std::sync::Arc;

use crate::identity::IdentityKey;

/// Whom an actor wants to be: what a directory is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TargetRef {
    issuer: Arc<str>,
    who: Who,
}

/// What a [`TargetRef`] names somebody by.
#[derive(Clone, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Who {
    /// The `sub` at the issuer: always the same person.
    Subject(Arc<str>),
    /// A name for look-up, such as a username or an e-mail address: whoever bears it today.
    Name(Arc<str>),
}

// By hand: a name may be an e-mail address.
impl fmt::Debug for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Subject(subject) => f.debug_tuple("Subject").field(subject).finish(),
            Self::Name(_) => f.write_str("Name(..)"),
        }
    }
}

impl TargetRef {
    /// Somebody by `sub`.
    pub fn subject(issuer: impl Into<Arc<str>>, subject: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            who: Who::Subject(subject.into()),
        }
    }

    /// Somebody by a name that the directory knows.
    pub fn name(issuer: impl Into<Arc<str>>, name: impl Into<Arc<str>>) -> Self {
        Self {
            issuer: issuer.into(),
            who: Who::Name(name.into()),
        }
    }

    /// The issuer at which the target is looked for.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The `sub` or the name.
    #[must_use]
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// The `sub`, where it is one.
    #[must_use]
    pub fn as_subject(&self) -> Option<&str> {
        match &self.who {
            Who::Subject(subject) => Some(subject),
            Who::Name(_) => None,
        }
    }

    /// The name, where it is one.
    #[must_use]
    pub fn as_name(&self) -> Option<&str> {
        match &self.who {
            Who::Name(name) => Some(name),
            Who::Subject(_) => None,
        }
    }

    /// Whether this names the person with that key for certain; a name never does.
    #[must_use]
    pub fn is(&self, key: &IdentityKey) -> bool {
        matches!(&self.who, Who::Subject(subject) if key.is(&self.issuer, subject))
    }
}

impl From<&IdentityKey> for TargetRef {
    fn from(key: &IdentityKey) -> Self {
        Self::subject(key.shared_issuer(), key.shared_subject())
    }
}
