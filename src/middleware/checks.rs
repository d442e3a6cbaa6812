//! What a builder refuses, because it could not work once requests come.

use std::sync::Arc;

use http::HeaderValue;

use crate::gate::Tenants;
use crate::grant::GrantSource;
use crate::middleware::ConfigError;
use crate::policy::Policy;
use crate::resolve::{Resolve, Settlement, Targets};
use crate::token::Authenticator;

pub(super) fn check_grants(grants: &GrantSource) -> Result<(), ConfigError> {
    grants
        .check()
        .map_err(|detail| ConfigError::Grants { detail })?;
    let Some(kept) = grants.kept() else {
        return Ok(());
    };
    let bounds = kept.check_limits();
    bounds.map_err(|(setting, bounds)| ConfigError::OutOfBounds { setting, bounds })?;
    kept.check_store().map_err(ConfigError::GrantStore)
}

pub(super) fn within<T: PartialOrd>(
    value: &T,
    least: &T,
    most: &T,
    setting: &'static str,
    bounds: &'static str,
) -> Result<(), ConfigError> {
    if value >= least && value <= most {
        return Ok(());
    }
    Err(ConfigError::OutOfBounds { setting, bounds })
}

/// Refuses what could only ever deny, and what would allow everybody unsaid.
pub(super) fn check_facts(
    policy: &dyn Policy,
    strategies: &[Arc<dyn Resolve>],
    authenticator: &Authenticator,
    has_directory: bool,
) -> Result<(), ConfigError> {
    if !policy.asks_of_actor().to_allow {
        return Err(ConfigError::PolicyForEverybody);
    }
    if let Some(issuer) = policy
        .issuers()
        .iter()
        .find(|n| authenticator.issuer_facts(n).is_none())
    {
        return Err(ConfigError::UnknownIssuer {
            issuer: (*issuer).to_owned(),
        });
    }
    let untrusted = |name: &str| match name {
        "act" => !authenticator.issuers().any(|issuer| issuer.trusts_act()),
        name => !authenticator
            .issuers()
            .any(|issuer| issuer.trusts_claim(name)),
    };
    if let Some(name) = strategies
        .iter()
        .filter_map(|s| s.nature().claim)
        .find(|n| untrusted(n))
    {
        let detail = format!(
            "no issuer is trusted for the claim `{name}`: call `{}`",
            if name == "act" {
                "trust_act"
            } else {
                "trust_claim"
            },
        );
        return Err(ConfigError::Strategy { detail });
    }
    if has_directory {
        return Ok(());
    }
    if strategies
        .iter()
        .any(|strategy| strategy.nature().targets == Targets::LookedUp)
    {
        return Err(ConfigError::NoDirectory);
    }
    let needs = policy.needs();
    let tokens_tell_groups = authenticator.issuers().any(|issuer| issuer.gives_groups());
    if needs.actor_groups && !tokens_tell_groups {
        return Err(ConfigError::UnknownFact {
            fact: "the actor's groups",
        });
    }
    let named = strategies
        .iter()
        .any(|strategy| strategy.nature().targets == Targets::Named);
    if needs.target_groups && (named || !tokens_tell_groups) {
        return Err(ConfigError::UnknownFact {
            fact: "the target's groups",
        });
    }
    Ok(())
}

pub(super) fn tenants(authenticator: &Authenticator) -> Tenants {
    authenticator
        .issuers()
        .map(|issuer| (issuer.issuer().into(), issuer.tenant().map(Into::into)))
        .collect()
}

pub(super) fn vary(settlement: &Settlement) -> Option<HeaderValue> {
    let read = settlement.own_headers().read();
    let cookie = (!settlement.cookies().is_empty()).then_some("cookie");
    if read.is_empty() && cookie.is_none() {
        return None;
    }
    let own = read.iter().map(|name| name.as_str());
    let names = std::iter::once("authorization").chain(own).chain(cookie);
    HeaderValue::from_str(&names.collect::<Vec<_>>().join(", ")).ok()
}
