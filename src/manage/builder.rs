use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, OnceLock};

use crate::identity::Affiliation;
use crate::manage::client::{Client, Clients};
use crate::manage::desk::Desk;
use crate::manage::oauth;
use crate::manage::rate::RateLimit;
use crate::manage::sign_in::Wanted;
use crate::manage::{Manage, ManageError};
use crate::middleware::ImpersonationLayer;
use crate::policy::{Entitlement, Policy, Right, Rule};

/// Configures the routes; see [`Manage`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct ManageBuilder {
    layer: ImpersonationLayer,
    rights: Vec<Entitlement>,
    clients: Vec<Client>,
    users_at: Option<Arc<str>>,
    path: String,
    starts_per_minute: u32,
    pub(super) sign_in: Wanted,
}

impl ManageBuilder {
    pub(super) fn new(layer: ImpersonationLayer) -> Self {
        Self {
            layer,
            rights: Vec::new(),
            clients: Vec::new(),
            users_at: None,
            path: String::new(),
            starts_per_minute: 30,
            sign_in: Wanted::default(),
        }
    }

    /// Who has which right; nobody has one without a rule.
    pub fn rights(mut self, rights: impl IntoIterator<Item = Entitlement>) -> Self {
        self.rights.extend(rights);
        self
    }

    /// An app client. Call it once per client.
    pub fn client(mut self, client: Client) -> Self {
        self.clients.push(client);
        self
    }

    /// At which issuer the username of a path is looked for, unless a staff actor names another one in the
    /// header `impersonate-issuer`. By default the one configured issuer that is neither staff nor the minter.
    pub fn users_at(mut self, issuer: impl Into<Arc<str>>) -> Self {
        self.users_at = Some(issuer.into());
        self
    }

    /// Under which path of the issuer [`Manage::routes`] are mounted, as with `nest("/desk", ..)`: for what the
    /// metadata and the document say. None by default.
    pub fn mounted_at(mut self, path: impl Into<String>) -> Self {
        self.path = path.into();
        self
    }

    /// How many impersonations one actor may start per minute; 30 by default, 1 to 10,000.
    pub fn starts_per_minute(mut self, starts: u32) -> Self {
        self.starts_per_minute = starts;
        self
    }

    /// Checks everything. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`ManageError`] for whatever could not work once requests come.
    pub fn build(self) -> Result<Manage, ManageError> {
        let layer = self.layer;
        let minter = layer.minter().cloned().ok_or(ManageError::NoMinter)?;
        let (gate, trail) = layer.decision().ok_or(ManageError::NoMinter)?;
        let grants = gate.kept().cloned().ok_or(ManageError::NoMinter)?;
        if !gate.has_directory() {
            return Err(ManageError::NoDirectory);
        }
        if !(1..=10_000).contains(&self.starts_per_minute) {
            return Err(ManageError::OutOfBounds {
                setting: "starts_per_minute",
                bounds: "between 1 and 10,000",
            });
        }
        let plain = |path: &str| !path.contains(['{', '}', '?', '#', '*', ':', '"', '\\', ' ']);
        let mounted = self.path.is_empty()
            || (self.path.starts_with('/') && !self.path.ends_with('/') && plain(&self.path));
        if !mounted || !plain(&oauth::metadata_path(minter.issuer_name())) {
            return Err(ManageError::Path);
        }
        let users_at = users_at(&layer, self.users_at, minter.issuer_name())?;
        let desk = Desk {
            gate: Arc::clone(gate),
            trail: Arc::clone(trail),
            grants,
            users_at,
            rights: rights(&layer, self.rights)?,
            clients: Clients::check(self.clients, &minter.audiences().collect::<Vec<_>>())?,
            starts: RateLimit::new(self.starts_per_minute),
            failures: RateLimit::new(FAILURES_PER_MINUTE),
            sign_in: self.sign_in.check()?,
            path: self.path,
            document: OnceLock::new(),
            minter,
            layer,
        };
        Ok(Manage::new(Arc::new(desk)))
    }
}

fn users_at(
    layer: &ImpersonationLayer,
    named: Option<Arc<str>>,
    minter: &str,
) -> Result<Arc<str>, ManageError> {
    if let Some(named) = named {
        check_issuer(layer, &named)?;
        return Ok(named);
    }
    let mut issuers = layer
        .issuers()
        .filter(|facts| facts.issuer() != minter && facts.affiliation() != Affiliation::Staff);
    match (issuers.next(), issuers.next()) {
        (Some(only), None) => Ok(only.issuer().into()),
        _ => Err(ManageError::NoUsers),
    }
}

fn rights(
    layer: &ImpersonationLayer,
    entitlements: Vec<Entitlement>,
) -> Result<HashMap<Right, Rule>, ManageError> {
    let mut rights = HashMap::new();
    for entitlement in entitlements {
        let right = entitlement.right();
        // The policy decides about who impersonates in any case.
        if right != Right::Impersonate && !entitlement.rule().asks_of_actor().to_allow {
            return Err(ManageError::RightForEverybody { right });
        }
        for issuer in entitlement.rule().issuers() {
            check_issuer(layer, issuer)?;
        }
        if rights.insert(right, entitlement.rule().clone()).is_some() {
            return Err(ManageError::DuplicateRight { right });
        }
    }
    Ok(rights)
}

fn check_issuer(layer: &ImpersonationLayer, issuer: &str) -> Result<(), ManageError> {
    if layer.issuers().any(|facts| facts.issuer() == issuer) {
        return Ok(());
    }
    Err(ManageError::UnknownIssuer {
        issuer: issuer.to_owned(),
    })
}

impl fmt::Debug for ManageBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ManageBuilder")
            .field("rights", &self.rights)
            .field("clients", &self.clients)
            .field("users_at", &self.users_at)
            .finish_non_exhaustive()
    }
}

/// Of one client; those of names that nobody has are counted as one.
const FAILURES_PER_MINUTE: u32 = 30;
