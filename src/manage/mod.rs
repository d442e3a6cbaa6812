//! wip

mod builder;
mod caller;
mod client;
mod desk;
mod error;
mod grants;
mod http;
mod issue;
mod known;
mod oauth;
mod openapi;
mod rate;
mod router;
mod routes;
mod schemas;
mod start;
mod wanted;

pub use self::builder::ManageBuilder;
pub use self::client::Client;
pub use self::error::ManageError;
pub use self::routes::{Credential, Endpoint};

use std::fmt;
use std::sync::Arc;

use axum::Router;

use self::desk::Desk;
use self::routes::{ROUTES, WELL_KNOWN};
use crate::middleware::ImpersonationLayer;

/// The routes by which impersonations start, are seen and end; see the [module](self). Cheap to clone.
#[derive(Clone)]
pub struct Manage(Arc<Desk>);

impl Manage {
    /// Starts the configuration, with the layer whose policy, directory, audit and grants decide.
    pub fn builder(layer: &ImpersonationLayer) -> ManageBuilder {
        ManageBuilder::new(layer.clone())
    }

    fn new(desk: Arc<Desk>) -> Self {
        Self(desk)
    }

    /// The routes, to be merged outside of what the layer wraps: they authenticate by themselves.
    pub fn routes(&self) -> Router {
        router::routes(&self.0)
    }

    /// What belongs to the root of the issuer: keys (RFC 7517), metadata (RFC 8414) and the
    /// [document](Self::openapi).
    pub fn well_known(&self) -> Router {
        router::well_known(&self.0)
    }

    /// All routes with everything that they take and answer, as OpenAPI 3.1 in JSON.
    #[must_use]
    pub fn openapi(&self) -> serde_json::Value {
        serde_json::to_value(openapi::document(&self.0)).unwrap_or_default()
    }

    /// All routes, those of [`routes`](Self::routes) first.
    pub fn endpoints(&self) -> impl Iterator<Item = Endpoint> {
        ROUTES.iter().chain(WELL_KNOWN).map(|route| Endpoint {
            method: route.method.clone(),
            path: router::path(&self.0, route),
            credential: route.credential,
        })
    }
}

impl fmt::Debug for Manage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Manage").finish_non_exhaustive()
    }
}
