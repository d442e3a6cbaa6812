use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Duration;

use crate::audit::{AuditSink, DenialLimit, Trail};
use crate::cognito::lease::leases::Shared;
use crate::cognito::lease::watch::Watches;
use crate::cognito::lease::{LeaseStore, Leases};
use crate::cognito::{ConfigError, Pool};
use crate::grant::GrantSource;
use crate::identity::Names;
use crate::time::{Clock, SystemClock};

/// Leases of groups of this pool, kept in this store.
pub fn leases(pool: Pool, store: impl LeaseStore + 'static) -> LeasesBuilder {
    LeasesBuilder {
        pool,
        store: Arc::new(store),
        groups: Names::default(),
        audit: None,
        clock: Arc::new(SystemClock::new()),
        lifetime: Duration::from_secs(15 * 60),
        longest: Duration::from_secs(2 * 3600),
        token_lifetime: Duration::from_secs(24 * 3600),
        patience: Duration::from_secs(10),
        per_actor: 20,
        grants: None,
    }
}

/// Configures [`Leases`]; made by [`leases`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct LeasesBuilder {
    pool: Pool,
    store: Arc<dyn LeaseStore>,
    groups: Names,
    audit: Option<Arc<dyn AuditSink>>,
    clock: Arc<dyn Clock>,
    lifetime: Duration,
    longest: Duration,
    token_lifetime: Duration,
    patience: Duration,
    per_actor: usize,
    grants: Option<GrantSource>,
}

impl LeasesBuilder {
    /// The groups that may be lent at all: organisations, and never a group that gives rights of its own
    /// such as an administrator's.
    pub fn groups(mut self, groups: impl Into<Names>) -> Self {
        self.groups = groups.into();
        self
    }

    /// Where the start, every renewal and the end of each lease are recorded, as those of a grant.
    pub fn audit(mut self, sink: impl AuditSink + 'static) -> Self {
        self.audit = Some(Arc::new(sink));
        self
    }

    /// How long a lease lasts, and how far a renewal goes; 15 min by default, 1 min to 12 h.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    /// How long it may last with all renewals; 2 h by default, its lifetime to 24 h.
    pub fn longest(mut self, longest: Duration) -> Self {
        self.longest = longest;
        self
    }

    /// How long the pool's access and ID tokens live at most, so that a group that was taken back is
    /// recognised in them; 24 h by default, which is Cognito's own limit, at least 5 min.
    pub fn token_lifetime(mut self, lifetime: Duration) -> Self {
        self.token_lifetime = lifetime;
        self
    }

    /// How long the pool may take for one lease, one release or one membership of a sweep; 10 s by default,
    /// 1 s to 25 s.
    pub fn patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self
    }

    /// How many leases one actor may have at once; 20 by default, 1 to 1,000.
    pub fn per_actor(mut self, leases: usize) -> Self {
        self.per_actor = leases;
        self
    }

    /// Where to ask for the grants that leases are taken under: give what the layer has. Without, nothing
    /// is lent under a grant.
    pub fn grants(mut self, grants: impl Into<GrantSource>) -> Self {
        self.grants = Some(grants.into());
        self
    }

    /// Where the time comes from. For tests.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks everything; the pool is not asked.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for whatever could not work.
    pub fn build(self) -> Result<Leases, ConfigError> {
        let (second, minute, hour) = (
            Duration::from_secs(1),
            Duration::from_secs(60),
            Duration::from_secs(3600),
        );
        for (value, least, most, setting, bounds) in [
            (
                self.lifetime,
                minute,
                12 * hour,
                "lifetime",
                "between 1 min and 12 h",
            ),
            (
                self.longest,
                self.lifetime,
                24 * hour,
                "longest",
                "between the lifetime and 24 h",
            ),
            (
                self.token_lifetime,
                5 * minute,
                24 * hour,
                "token_lifetime",
                "between 5 min and 24 h",
            ),
            (
                self.patience,
                second,
                25 * second,
                "patience",
                "between 1 s and 25 s",
            ),
        ] {
            if !(least..=most).contains(&value) {
                return Err(ConfigError::OutOfBounds { setting, bounds });
            }
        }
        if !(1..=1000).contains(&self.per_actor) {
            return Err(ConfigError::OutOfBounds {
                setting: "per_actor",
                bounds: "between 1 and 1,000",
            });
        }
        if let Some(Err(wrong)) = self.grants.as_ref().map(GrantSource::check) {
            return Err(ConfigError::Grants(wrong));
        }
        let issuer = self.pool.checked_issuer()?;
        if self.groups.is_empty() || self.groups.contains("") {
            return Err(ConfigError::NoGroups);
        }
        let sink = self.audit.ok_or(ConfigError::NoAudit)?;
        sink.check().map_err(ConfigError::Audit)?;
        self.store.check().map_err(ConfigError::Store)?;
        Ok(Leases(Arc::new(Shared {
            issuer,
            api: Arc::clone(self.pool.api()),
            store: self.store,
            groups: self.groups,
            trail: Trail::new(sink, Arc::clone(&self.clock), DenialLimit::default()),
            clock: self.clock,
            lifetime: self.lifetime,
            longest: self.longest,
            token_lifetime: self.token_lifetime,
            patience: self.patience,
            per_actor: self.per_actor,
            grants: self.grants,
            sweeping: AtomicBool::new(false),
            watches: Watches::default(),
        })))
    }
}

impl fmt::Debug for LeasesBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LeasesBuilder")
            .field("pool", &self.pool)
            .field("groups", &self.groups)
            .finish_non_exhaustive()
    }
}
