use std::sync::{Arc, Mutex, PoisonError};

use http::request::Parts;

use crate::resolve::Requested;

/// In a request's extensions: a route of this crate, which judges by itself what a read-only
/// impersonation may do. Nobody else can make it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnRoute;

/// In a request's extensions: a route that ends impersonations. Who asks is told, and nobody decides about it:
/// neither policy nor directory nor audit can keep an impersonation alive.
#[derive(Debug, Clone, Default)]
pub(crate) struct Asking(Arc<Mutex<Option<Requested>>>);

impl Asking {
    /// Who impersonates, and how; `None` where the request does not impersonate.
    pub(crate) fn take(&self) -> Option<Requested> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

pub(in crate::middleware) fn is_judged_by_itself(parts: &Parts) -> bool {
    parts.extensions.get::<OwnRoute>().is_some()
}

/// Whether the route can do nothing but end grants.
pub(in crate::middleware) fn only_ends(parts: &Parts) -> bool {
    parts.extensions.get::<Asking>().is_some()
}

/// Gives who asks to the route that wants to know it.
pub(in crate::middleware) fn keep(parts: &Parts, requested: Requested) {
    if let Some(asking) = parts.extensions.get::<Asking>() {
        *asking.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(requested);
    }
}
