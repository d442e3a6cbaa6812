//! All configured issuers, found by the exact `iss` of a token.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::quality::RandomState;

use crate::token::issuer::Profile;
use crate::token::keys::Source;

/// Immutable after it was built; shared by every set of claims.
#[derive(Debug, Default)]
pub(crate) struct Issuers {
    routes: HashMap<Box<str>, Route, RandomState>,
    /// In the order of the configuration.
    profiles: Vec<Arc<Profile>>,
}

/// Where one accepted `iss` leads.
#[derive(Debug, Clone)]
pub(crate) struct Route {
    pub(crate) profile: Arc<Profile>,
    pub(crate) source: Arc<Source>,
}

impl Issuers {
    /// Adds an issuer under its names; `false` when one of them is taken.
    pub(crate) fn add(
        &mut self,
        profile: &Arc<Profile>,
        names: impl IntoIterator<Item = (String, Arc<Source>)>,
    ) -> bool {
        self.profiles.push(Arc::clone(profile));
        names.into_iter().all(|(name, source)| {
            let route = Route {
                profile: Arc::clone(profile),
                source,
            };
            self.routes.insert(name.into(), route).is_none()
        })
    }

    /// Byte for byte: no trailing slash, no other case, no prefix.
    pub(crate) fn route(&self, iss: &str) -> Option<&Route> {
        self.routes.get(iss)
    }

    pub(crate) fn profile(&self, iss: &str) -> Option<&Arc<Profile>> {
        self.route(iss).map(|route| &route.profile)
    }

    pub(crate) fn profiles(&self) -> &[Arc<Profile>] {
        &self.profiles
    }

    /// The sources of one issuer; a Cognito pool has one for each form of its name.
    pub(crate) fn sources<'a>(
        &'a self,
        profile: &'a Arc<Profile>,
    ) -> impl Iterator<Item = &'a Arc<Source>> {
        self.routes
            .values()
            .filter(move |route| Arc::ptr_eq(&route.profile, profile))
            .map(|route| &route.source)
    }
}
