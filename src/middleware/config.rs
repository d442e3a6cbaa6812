use std::sync::Arc;
use std::time::Duration;

use http::{Extensions, HeaderValue};

use crate::audit::Trail;
use crate::gate::Gate;
use crate::measure::Measures;
use crate::middleware::minting::Minting;
use crate::middleware::reads::Reads;
use crate::middleware::recheck::RecheckGroups;
use crate::middleware::upgrades::Upgrades;
use crate::principal::{Principal, Warden};
use crate::rejection::Responder;
use crate::resolve::{Listed, Settlement};
use crate::stamp::OuterSpans;
use crate::time::Clock;
use crate::token::{Authenticator, ExtractToken};

/// Puts the application's own type into the extensions.
pub(super) type Install = Arc<dyn Fn(&Principal, &mut Extensions) + Send + Sync>;

/// Everything that the layer and its services share. Built once, never changed.
pub(super) struct Config {
    pub(super) authenticator: Authenticator,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) extract: Arc<dyn ExtractToken>,
    pub(super) recheck: Option<Arc<dyn RecheckGroups>>,
    pub(super) strategies: Vec<Listed>,
    pub(super) settlement: Settlement,
    pub(super) decision: Option<Decision>,
    #[cfg_attr(
        not(feature = "manage"),
        allow(dead_code, reason = "the routes ask for it")
    )]
    pub(super) minting: Minting,
    pub(super) responder: Responder,
    pub(super) install: Option<Install>,
    pub(super) without_credential: WithoutCredential,
    pub(super) preflight: Preflight,
    pub(super) reads: Reads,
    pub(super) upgrades: Upgrades,
    pub(super) deadline: Duration,
    /// The spans that are open around requests.
    pub(super) outer: OuterSpans,
    pub(super) measures: Measures,
    /// The request headers that decide about the answer, for `Vary`.
    pub(super) vary: Option<HeaderValue>,
}

/// What there is only where somebody can impersonate.
pub(super) struct Decision {
    pub(super) gate: Arc<Gate>,
    pub(super) trail: Arc<Trail>,
    pub(super) warden: Arc<Warden>,
}

/// What becomes of a request without a credential.
#[derive(Clone)]
pub(super) enum WithoutCredential {
    Rejected,
    Anonymous(Install),
}

/// What becomes of a CORS preflight without a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Preflight {
    Authenticated,
    Skipped,
}
