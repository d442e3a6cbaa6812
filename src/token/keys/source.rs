use std::sync::Arc;

use crate::token::error::{TokenError, TokenErrorKind};
use crate::token::keys::{Fallback, Key, LiveKeys, RefreshError, Remote};

/// Where the keys of one accepted `iss` come from.
#[derive(Debug)]
pub(crate) enum Source {
    Static { keys: LiveKeys, fallback: Fallback },
    Remote(Arc<Remote>),
}

/// Whether a key is at hand.
pub(crate) enum Lookup {
    Known(Arc<Key>),
    Refused(TokenError),
    Later(Waiting),
}

/// A place among those who wait for a refresh.
pub(crate) struct Waiting {
    pub(super) remote: Arc<Remote>,
    pub(super) landed: tokio::sync::watch::Receiver<()>,
}

/// A fetch that somebody asked for by name.
pub(crate) struct Connecting {
    pub(super) remote: Arc<Remote>,
    /// `None` outside of a tokio runtime.
    pub(super) landed: Option<tokio::sync::watch::Receiver<()>>,
}

impl Source {
    pub(crate) fn find(&self, kid: Option<&str>) -> Lookup {
        if kid.is_none() && self.fallback() == Fallback::None {
            return Lookup::Refused(TokenErrorKind::KeyId.into());
        }
        match self {
            Self::Remote(remote) => remote.find(kid),
            Self::Static { keys, fallback } => keys.find(kid, *fallback).map_or_else(
                || Lookup::Refused(TokenErrorKind::UnknownKey.into()),
                Lookup::Known,
            ),
        }
    }

    fn fallback(&self) -> Fallback {
        match self {
            Self::Static { fallback, .. } => *fallback,
            Self::Remote(remote) => remote.fallback(),
        }
    }

    /// Whether keys found earlier still count; starts a renewal in the background when one is due.
    pub(crate) fn still_serves(&self) -> bool {
        match self {
            Self::Static { .. } => true,
            Self::Remote(remote) => remote.still_serves(),
        }
    }

    /// Starts a fetch now; `None` where there is nothing to fetch.
    pub(crate) fn connect(&self) -> Option<Connecting> {
        match self {
            Self::Static { .. } => None,
            Self::Remote(remote) => Some(remote.connect()),
        }
    }
}

impl Connecting {
    pub(crate) async fn done(self) -> Result<(), Arc<RefreshError>> {
        let Some(mut landed) = self.landed else {
            return Err(Arc::new(RefreshError::Died));
        };
        while landed.changed().await.is_ok() {}
        self.remote.last_failure().map_or(Ok(()), Err)
    }
}

impl Waiting {
    /// The key, once the refresh has ended.
    pub(crate) async fn key(mut self, kid: Option<&str>) -> Result<Arc<Key>, TokenError> {
        // An error says that the sender is gone, which is how a refresh ends.
        while self.landed.changed().await.is_ok() {}
        self.remote.after_refresh(kid)
    }
}
