use std::any::TypeId;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::request::Parts;

use crate::audit::{AuditSink, DenialLimit, Trail};
use crate::directory::Directory;
use crate::gate::Gate;
use crate::grant::GrantSource;
use crate::measure::{Measurement, Measures};
use crate::middleware::checks::{check_facts, check_grants, tenants, vary, within};
use crate::middleware::config::{Config, Decision, Install, Preflight, WithoutCredential};
use crate::middleware::minting::Minting;
use crate::middleware::reads::Reads;
use crate::middleware::{ConfigError, ImpersonationLayer, RecheckGroups, Upgrades};
use crate::policy::Policy;
use crate::principal::{Effect, Principal, SideEffects, Warden};
use crate::rejection::{Problem, RespondToRejection, Responder};
use crate::resolve::{Asked, GrantTokens, Listed, Resolve, Settlement};
use crate::stamp::OuterSpans;
use crate::time::Clock;
use crate::token::{
    Authenticator, AuthenticatorBuilder, BearerHeader, CacheLimits, ExtractToken, FetchKeys,
    Issuer, IssuerFacts,
};

/// Configures an [`ImpersonationLayer`].
///
/// Everything is checked in [`build`](Self::build). Only an issuer is needed for a layer that
/// authenticates; as soon as there is a strategy, a policy and an audit sink are needed, too. Issuers and strategies
/// add up; of policy, audit and minter there is one, and a second one is an error unless it is
/// [said](Self::replacing) that it replaces the first. What else is set again counts as it was set last.
#[must_use = "a builder does nothing until `build` is called"]
pub struct Builder {
    tokens: AuthenticatorBuilder,
    strategies: Vec<Arc<dyn Resolve>>,
    policy: Option<Arc<dyn Policy>>,
    directory: Option<Arc<dyn Directory>>,
    audit: Option<Arc<dyn AuditSink>>,
    grants: Option<GrantSource>,
    pub(super) minting: Minting,
    recheck: Option<Arc<dyn RecheckGroups>>,
    denials: DenialLimit,
    mapping: Option<(TypeId, Install)>,
    anonymous: Option<(TypeId, Install)>,
    extract: Arc<dyn ExtractToken>,
    respond: Option<Arc<dyn RespondToRejection>>,
    realm: String,
    resource_metadata: Option<String>,
    preflight: Preflight,
    reads: Reads,
    upgrades: Upgrades,
    effects: SideEffects,
    max_reason: usize,
    deadline: Duration,
    measures: Measures,
    /// What was set that counts once, and what of it was set again.
    set: Vec<&'static str>,
    set_again: Option<&'static str>,
}

impl Builder {
    pub(super) fn new() -> Self {
        Self {
            tokens: Authenticator::builder(),
            strategies: Vec::new(),
            policy: None,
            directory: None,
            audit: None,
            grants: None,
            minting: Minting::default(),
            recheck: None,
            denials: DenialLimit::default(),
            mapping: None,
            anonymous: None,
            extract: Arc::new(BearerHeader),
            respond: None,
            realm: "api".to_owned(),
            resource_metadata: None,
            preflight: Preflight::Authenticated,
            reads: Reads::default(),
            upgrades: Upgrades::default(),
            effects: SideEffects::NONE,
            max_reason: 500,
            deadline: Duration::from_secs(1),
            measures: Measures::default(),
            set: Vec::new(),
            set_again: None,
        }
    }

    /// Notes that something is set of which there can be only one: what came first must not get lost unheard.
    pub(super) fn once(mut self, setting: &'static str) -> Self {
        if self.set.contains(&setting) {
            self.set_again.get_or_insert(setting);
        }
        self.set.push(setting);
        self
    }

    /// Accepts tokens of this issuer. Call it once per issuer.
    pub fn issuer(mut self, issuer: Issuer) -> Self {
        self.tokens = self.tokens.issuer(issuer);
        self
    }

    /// Adds a strategy: a way in which a request can say that it impersonates.
    pub fn resolve(mut self, strategy: impl Resolve + 'static) -> Self {
        self.strategies.push(Arc::new(strategy));
        self
    }

    /// Whether a strategy reads `act` already.
    #[cfg(feature = "mint")]
    pub(super) fn reads_act(&self) -> bool {
        let mut natures = self.strategies.iter().map(|strategy| strategy.nature());
        natures.any(|nature| nature.claim == Some("act"))
    }

    /// Lets a policy and an audit that are set from here on replace those that were set before. For tests that begin
    /// with an application's own builder. A minter stays: its issuer is trusted by then.
    pub fn replacing(mut self) -> Self {
        self.set.retain(|setting| *setting == "mint");
        self
    }

    /// Who may act as whom. Without one nobody may, and strategies are refused at build time. There is one:
    /// combine rules by [`and`](crate::policy::Rule::and), [`or`](crate::policy::Rule::or) and
    /// [`except`](crate::policy::Rule::except).
    pub fn policy(self, policy: impl Policy + 'static) -> Self {
        let mut this = self.once("policy");
        this.policy = Some(Arc::new(policy));
        this
    }

    /// Who actor and target are: groups, profile, and whether they are enabled. Asked for both on every
    /// impersonated request.
    pub fn directory(mut self, directory: impl Directory + 'static) -> Self {
        self.directory = Some(Arc::new(directory));
        self
    }

    /// Where every impersonated request and every refused attempt is recorded. There is one:
    /// [`audit::all`](crate::audit::all) passes events on to several.
    pub fn audit(self, sink: impl AuditSink + 'static) -> Self {
        let mut this = self.once("audit");
        this.audit = Some(Arc::new(sink));
        this
    }

    /// Where to ask whether a grant is alive, for tokens and cookies behind which one stands: the
    /// [`Grants`](crate::grant::Grants) that are kept here, or the service that keeps them. Without it such
    /// a token is refused.
    pub fn grants(mut self, grants: impl Into<GrantSource>) -> Self {
        self.grants = Some(grants.into());
        self
    }

    /// Takes groups off that a token still names and its bearer does not have any more.
    pub fn recheck_groups(mut self, recheck: impl RecheckGroups + 'static) -> Self {
        self.recheck = Some(Arc::new(recheck));
        self
    }

    /// How many refused attempts of one actor are recorded; 60 per minute by default, 1 to 10,000 in
    /// 1 s to 1 h.
    pub fn denial_limit(mut self, limit: DenialLimit) -> Self {
        self.denials = limit;
        self
    }

    /// Also puts the application's own user type into the extensions, made from the principal, so that
    /// handlers that extract it stay as they are.
    pub fn map_principal<T>(mut self, map: impl Fn(&Principal) -> T + Send + Sync + 'static) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        let install: Install = Arc::new(move |principal, extensions| {
            extensions.insert(map(principal));
        });
        self.mapping = Some((TypeId::of::<T>(), install));
        self
    }

    /// Lets requests without any credential through, as an anonymous principal; the value is what the
    /// mapped type is then. A bad credential, or an impersonation header without one, is still
    /// refused.
    pub fn anonymous<T>(mut self, guest: impl Fn() -> T + Send + Sync + 'static) -> Self
    where
        T: Clone + Send + Sync + 'static,
    {
        let install: Install = Arc::new(move |_, extensions| {
            extensions.insert(guest());
        });
        self.anonymous = Some((TypeId::of::<T>(), install));
        self
    }

    /// Where the token stands, in place of the `Authorization` header.
    ///
    /// While somebody impersonates by its own token, the layer takes `Authorization` off the request; a
    /// token that stands elsewhere it does not know, and handlers can still read it.
    pub fn extract_token(mut self, extract: impl ExtractToken + 'static) -> Self {
        self.extract = Arc::new(extract);
        self
    }

    /// How rejections look, in place of [`Problem`].
    pub fn respond(mut self, respond: impl RespondToRejection + 'static) -> Self {
        self.respond = Some(Arc::new(respond));
        self
    }

    /// The realm in challenges; `api` by default. A responder of one's own builds its challenges itself.
    pub fn realm(mut self, realm: impl Into<String>) -> Self {
        self.realm = realm.into();
        self
    }

    /// Names in every `Bearer` challenge where the metadata of this protected resource are, as
    /// `resource_metadata` (RFC 9728, section 5.1), so that a client finds the authorization servers.
    ///
    /// An `https` URL, or `http` to this machine. The document behind it is the application's to serve,
    /// outside of this layer: a client that has no token yet asks for it. A responder of one's own names
    /// it by [`Problem::with_resource_metadata`].
    pub fn resource_metadata(mut self, url: impl Into<String>) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// Lets CORS preflight requests without a credential through, without a principal. Only for a
    /// stack whose CORS layer stands inside this one.
    pub fn skip_preflight(mut self) -> Self {
        self.preflight = Preflight::Skipped;
        self
    }

    /// Which requests only read, for impersonations that may do no more.
    ///
    /// By default those with a safe method (RFC 9110, section 9.2.1), which gRPC and GraphQL do not
    /// use; one that asks for an upgrade does not only read. What a request reads is the application's
    /// word: a write that passes here passes. Not asked about a request that names another method than
    /// it has (`x-http-method-override`, `x-http-method`, `x-method-override`, `_method` in the query)
    /// unless that one is safe, too: it writes.
    pub fn reads(mut self, reads: impl Fn(&Parts) -> bool + Send + Sync + 'static) -> Self {
        self.reads = Reads::or(reads);
        self
    }

    /// What becomes of upgrades and CONNECT while somebody impersonates; refused by default.
    pub fn upgrades(mut self, upgrades: Upgrades) -> Self {
        self.upgrades = upgrades;
        self
    }

    /// Which side effects the application goes on to have while somebody impersonates; none by
    /// default. The layer has none of them itself: it is told by
    /// [`Principal::side_effects`](crate::Principal::side_effects).
    pub fn allow_effects(mut self, effects: impl IntoIterator<Item = Effect>) -> Self {
        self.effects = effects.into_iter().collect();
        self
    }

    /// The most characters of a reason; 500 by default, at most 2,000.
    pub fn max_reason_chars(mut self, characters: usize) -> Self {
        self.max_reason = characters;
        self
    }

    /// How long a strategy, the directory or the audit may take; 1 s by default, at most 30 s.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How much the cache of verified tokens holds.
    pub fn token_cache(mut self, limits: CacheLimits) -> Self {
        self.tokens = self.tokens.cache(limits);
        self
    }

    /// The longest token that is looked at, in bytes; 8 KiB by default, 256 bytes to 64 KiB.
    pub fn max_token_bytes(mut self, bytes: usize) -> Self {
        self.tokens = self.tokens.max_token_bytes(bytes);
        self
    }

    /// Fetches key sets and discovery documents, in place of the built-in HTTP client.
    pub fn fetch_keys(mut self, fetch: impl FetchKeys + 'static) -> Self {
        self.tokens = self.tokens.fetch(Arc::new(fetch));
        self
    }

    /// Tells this closure what can be counted and timed: decisions, denials, fetches of keys and so
    /// on. It must neither block nor panic; see [`measure`](crate::measure).
    pub fn measure(mut self, measure: impl Fn(&Measurement<'_>) + Send + Sync + 'static) -> Self {
        self.measures = Measures::by(measure);
        self
    }

    /// Where the time comes from. For tests.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.tokens = self.tokens.clock(Arc::new(clock));
        self
    }

    /// Checks everything and builds the layer. Does no I/O but to open the audit sink.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] for whatever could not work once requests come.
    pub fn build(self) -> Result<ImpersonationLayer, ConfigError> {
        let Self {
            mut strategies,
            mapping,
            anonymous,
            set_again,
            ..
        } = self;
        if let Some(setting) = set_again {
            return Err(ConfigError::SetTwice { setting });
        }
        within(
            &self.max_reason,
            &1,
            &2000,
            "max_reason_chars",
            "between 1 and 2,000",
        )?;
        let (least, most) = (Duration::from_millis(1), Duration::from_secs(30));
        within(
            &self.deadline,
            &least,
            &most,
            "deadline",
            "between 1 ms and 30 s",
        )?;

        let DenialLimit { events, window } = self.denials;
        within(
            &events,
            &1,
            &10_000,
            "denial_limit.events",
            "between 1 and 10,000",
        )?;
        let (least, most) = (Duration::from_secs(1), Duration::from_secs(3600));
        within(
            &window,
            &least,
            &most,
            "denial_limit.window",
            "between 1 s and 1 h",
        )?;

        let mut problem = Problem::in_realm(&self.realm).ok_or(ConfigError::Realm)?;
        if let Some(url) = &self.resource_metadata {
            let naming = problem.with_resource_metadata(url);
            problem = naming.ok_or(ConfigError::ResourceMetadata)?;
        }
        let responder = Responder::new(self.respond, problem);

        let kept = self.grants.as_ref().and_then(GrantSource::kept);
        if self.minting.needs_grants() && kept.is_none() {
            let detail =
                "tokens are minted, and grants are not kept here: call `grants` with `Grants`";
            return Err(ConfigError::Grants {
                detail: detail.to_owned(),
            });
        }
        let authenticator = self.tokens.measures(self.measures.clone()).build()?;
        let clock = Arc::clone(authenticator.clock());
        for strategy in &strategies {
            strategy
                .check()
                .map_err(|detail| ConfigError::Strategy { detail })?;
        }
        strategies.sort_by_key(|strategy| strategy.nature().asked != Asked::Always);
        let decision = if strategies.is_empty() {
            if self.policy.is_some() {
                return Err(ConfigError::NoStrategy);
            }
            None
        } else {
            let policy = self.policy.ok_or(ConfigError::NoPolicy)?;
            let sink = self.audit.ok_or(ConfigError::NoAudit)?;
            let has_directory = self.directory.is_some();
            check_facts(&*policy, &strategies, &authenticator, has_directory)?;
            sink.check().map_err(ConfigError::Audit)?;
            let by_cookie = |strategy: &Arc<dyn Resolve>| strategy.nature().cookie.is_some();
            let kept = { self.grants.as_ref() }.is_some_and(|grants| grants.kept().is_some());
            if !kept && strategies.iter().any(by_cookie) {
                let detail = "a cookie names a grant, and no grants are kept here".to_owned();
                return Err(ConfigError::Grants { detail });
            }
            let mut gate = Gate::new(policy, self.directory, tenants(&authenticator));
            let trail = Arc::new(Trail::new(sink, Arc::clone(&clock), self.denials));
            if let Some(grants) = &self.grants {
                check_grants(grants)?;
                if let Some(kept) = grants.kept() {
                    kept.bind(&trail, &clock);
                }
                let believed = { authenticator.issuers() }
                    .filter(|issuer| issuer.trusts_grant_id())
                    .map(IssuerFacts::shared_issuer);
                gate = gate
                    .with_grants(grants.clone())
                    .with_grant_issuers(believed);
            }
            let warden = Warden {
                trail: Arc::clone(&trail),
                responder: responder.clone(),
                measures: self.measures.clone(),
                deadline: self.deadline,
                effects: self.effects,
            };
            Some(Decision {
                gate: Arc::new(gate),
                trail,
                warden: Arc::new(warden),
            })
        };

        let types = (
            mapping.as_ref().map(|(id, _)| id),
            anonymous.as_ref().map(|(id, _)| id),
        );
        if matches!(types, (Some(mapped), Some(guest)) if mapped != guest) {
            return Err(ConfigError::AnonymousType);
        }
        let grant_tokens = match self.grants {
            Some(_) => GrantTokens::Taken,
            None => GrantTokens::Refused,
        };
        let trusted = { authenticator.issuers() }.flat_map(IssuerFacts::trusted_claims);
        let settlement = Settlement::new(&strategies, trusted, grant_tokens, self.max_reason);
        Ok(ImpersonationLayer::new(Config {
            authenticator,
            clock,
            extract: self.extract,
            vary: vary(&settlement),
            recheck: self.recheck,
            strategies: strategies.into_iter().map(Listed::new).collect(),
            settlement,
            decision,
            minting: self.minting,
            responder,
            install: mapping.map(|(_, install)| install),
            without_credential: match anonymous {
                Some((_, install)) => WithoutCredential::Anonymous(install),
                None => WithoutCredential::Rejected,
            },
            preflight: self.preflight,
            reads: self.reads,
            upgrades: self.upgrades,
            deadline: self.deadline,
            outer: OuterSpans::new(),
            measures: self.measures,
        }))
    }
}

impl fmt::Debug for Builder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Builder")
            .field("tokens", &self.tokens)
            .field("strategies", &self.strategies.len())
            .field("policy", &self.policy.is_some())
            .field("directory", &self.directory.is_some())
            .field("audit", &self.audit.is_some())
            .finish_non_exhaustive()
    }
}
