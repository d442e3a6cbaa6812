//! From what was written down to what can be used: every mistake is found here.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;

use crate::token::algorithm::Algorithm;
use crate::token::issuer::cognito;
use crate::token::issuer::{
    Accepts, Act, Issuer, IssuerError, IssuerErrorKind, IssuerFacts, Kind, Profile, Shape,
    SingleKey, Tenant, TenantSetting, Types,
};
use crate::token::keys::{Endpoint, Fallback, KeyRules, LiveKeys};

/// A checked issuer and every `iss` that its tokens may carry.
pub(crate) struct Accepted {
    pub(crate) profile: Arc<Profile>,
    pub(crate) names: Vec<String>,
    /// One for all names, or one for each.
    pub(crate) origins: Vec<Origin>,
}

/// Where keys come from.
pub(crate) enum Origin {
    Static(LiveKeys, Fallback),
    Remote(Endpoint, Fallback),
}

impl Issuer {
    /// The canonical name.
    pub(super) fn name(&self) -> String {
        match &self.kind {
            Kind::Cognito { region, pool } => cognito::names(region, pool).swap_remove(0),
            Kind::Oidc { url } => url.clone(),
            Kind::Jwks { issuer } | Kind::Static { issuer, .. } => issuer.clone(),
        }
    }

    pub(crate) fn build(self) -> Result<Accepted, IssuerError> {
        let name = self.name();
        let wrong = |kind, reason| IssuerError::new(&name, kind, reason);
        self.check(&wrong)?;
        let names = match &self.kind {
            Kind::Cognito { region, pool } => cognito::names(region, pool),
            _ => vec![name.clone()],
        };
        let rules = self.key_rules();
        let origins = self.origins(&names, &rules, &wrong)?;
        let profile = self.profile(&name, rules);
        Ok(Accepted {
            profile: Arc::new(profile),
            names,
            origins,
        })
    }

    fn check(
        &self,
        wrong: &impl Fn(IssuerErrorKind, &'static str) -> IssuerError,
    ) -> Result<(), IssuerError> {
        let cognito = matches!(self.kind, Kind::Cognito { .. });
        if let Kind::Cognito { region, pool } = &self.kind {
            if !cognito::is_pool(region, pool) {
                let reason = "not a region and the ID of a pool there, as `eu-west-1` and `eu-west-1_Ab12Cd34E`";
                return Err(wrong(IssuerErrorKind::Name, reason));
            }
        }
        if !acceptable_name(&self.name()) {
            return Err(wrong(
                IssuerErrorKind::Name,
                "blank, too long or not printable",
            ));
        }
        if cognito && self.client_ids.is_empty() {
            return Err(wrong(
                IssuerErrorKind::MissingClientIds,
                "client ids are missing: call `client_ids`",
            ));
        }
        if !cognito && self.audiences.is_empty() {
            return Err(wrong(
                IssuerErrorKind::MissingAudiences,
                "audiences are missing: call `audiences`",
            ));
        }
        self.check_acting_clients(wrong)?;
        let settings = [&self.client_ids, &self.audiences, &self.trusted]
            .into_iter()
            .flatten();
        let settings = settings.chain(&self.groups_claim).chain(self.tenant.text());
        if settings.into_iter().any(|text| text.trim().is_empty()) {
            return Err(wrong(IssuerErrorKind::Value, "a blank value"));
        }
        let groups = self.groups_claim.as_deref();
        let spoken_for =
            |name: &str| ["act", "may_act", "impersonating", "grant_id", "sub_id"].contains(&name);
        let read_twice = groups.is_some_and(|name| {
            spoken_for(name) || self.trusted.iter().any(|trusted| **trusted == *name)
        });
        if read_twice || self.trusted.iter().any(|trusted| **trusted == *"scope") {
            let reason = "a claim that is trusted and also holds the groups or the scopes";
            return Err(wrong(IssuerErrorKind::Contradiction, reason));
        }
        if self.leeway > MAX_LEEWAY {
            return Err(wrong(IssuerErrorKind::Value, "a leeway of more than 300 s"));
        }
        if self.max_lifetime > MAX_LIFETIME {
            return Err(wrong(
                IssuerErrorKind::Value,
                "a lifetime of more than 366 days",
            ));
        }
        if self.max_lifetime.is_zero() || self.max_age.is_some_and(|age| age.is_zero()) {
            return Err(wrong(IssuerErrorKind::Value, "no token could be accepted"));
        }
        if self.algorithms.as_ref().is_some_and(Vec::is_empty) {
            return Err(wrong(IssuerErrorKind::Value, "no algorithm is allowed"));
        }
        match self.types {
            Types::WithIdTokens if !cognito => Err(wrong(
                IssuerErrorKind::Contradiction,
                "id_tokens() is for Cognito",
            )),
            Types::AtJwt if cognito => Err(wrong(
                IssuerErrorKind::Contradiction,
                "Cognito makes no at+jwt tokens",
            )),
            _ => Ok(()),
        }
    }

    fn check_acting_clients(
        &self,
        wrong: &impl Fn(IssuerErrorKind, &'static str) -> IssuerError,
    ) -> Result<(), IssuerError> {
        let acting = &self.acting_clients;
        let reason = if acting.is_empty() {
            return Ok(());
        } else if !matches!(self.kind, Kind::Cognito { .. }) {
            "acting_clients() is for Cognito"
        } else if !acting.iter().all(|id| self.client_ids.contains(id)) {
            "an app client for acting that is none of the client ids"
        } else if self.act == Act::Ignored {
            "app clients for acting, and no actor is believed: call `trust_act`"
        } else {
            return Ok(());
        };
        Err(wrong(IssuerErrorKind::Contradiction, reason))
    }

    fn key_rules(&self) -> KeyRules {
        match (&self.algorithms, &self.kind) {
            (Some(listed), _) => KeyRules::listed(listed.clone()),
            (None, Kind::Cognito { .. }) => KeyRules::listed(vec![Algorithm::RS256]),
            (None, _) => KeyRules::any(),
        }
    }

    fn origins(
        &self,
        names: &[String],
        rules: &KeyRules,
        wrong: &impl Fn(IssuerErrorKind, &'static str) -> IssuerError,
    ) -> Result<Vec<Origin>, IssuerError> {
        let checked = |text: &str| -> Result<Uri, IssuerError> {
            let url = self.url_rule.check(text);
            url.map_err(|reason| wrong(IssuerErrorKind::Url, reason))
        };
        let fallback = match self.single_key {
            SingleKey::NeedsKid => Fallback::None,
            SingleKey::Fallback => Fallback::OnlyKeyWithoutKid,
        };
        match (&self.kind, &self.jwks_url) {
            (Kind::Static { .. }, Some(_)) => Err(wrong(
                IssuerErrorKind::Contradiction,
                "static keys and a URL for keys",
            )),
            (Kind::Static { issuer, keys }, None) => {
                let (keys, own) = keys
                    .load(rules, issuer)
                    .map_err(|reason| wrong(IssuerErrorKind::Keys, reason))?;
                let fallback = if own == Fallback::None { fallback } else { own };
                Ok(vec![Origin::Static(keys, fallback)])
            }
            (_, Some(url)) => Ok(vec![Origin::Remote(
                Endpoint::Keys(checked(url)?),
                fallback,
            )]),
            (Kind::Cognito { .. }, None) => names
                .iter()
                .map(|name| checked(&format!("{name}/.well-known/jwks.json")))
                .map(|url| Ok(Origin::Remote(Endpoint::Keys(url?), fallback)))
                .collect(),
            (Kind::Oidc { url } | Kind::Jwks { issuer: url }, None) => {
                let base = url.strip_suffix('/').unwrap_or(url);
                let document = checked(&format!("{base}/.well-known/openid-configuration"))?;
                let endpoint = Endpoint::Discovery {
                    document,
                    issuer: url.as_str().into(),
                    rule: self.url_rule,
                };
                Ok(vec![Origin::Remote(endpoint, fallback)])
            }
        }
    }

    fn profile(self, name: &str, rules: KeyRules) -> Profile {
        let (shape, default_groups) = match (&self.kind, self.types) {
            (Kind::Cognito { .. }, Types::WithIdTokens) => (
                Shape::Cognito(Accepts::AccessAndIdTokens),
                Some(cognito::GROUPS_CLAIM),
            ),
            (Kind::Cognito { .. }, _) => (
                Shape::Cognito(Accepts::AccessTokens),
                Some(cognito::GROUPS_CLAIM),
            ),
            (_, Types::AtJwt) => (Shape::AtJwt, None),
            _ => (Shape::Generic, None),
        };
        let issuer: Arc<str> = name.into();
        let groups_claim = self.groups_claim.as_deref().or(default_groups);
        Profile {
            facts: IssuerFacts {
                tenant: match self.tenant {
                    TenantSetting::Own => Tenant::Fixed(Arc::clone(&issuer)),
                    TenantSetting::Fixed(name) => Tenant::Fixed(name.into()),
                    TenantSetting::Claim(name) => Tenant::Claim(name.into()),
                },
                issuer,
                affiliation: self.affiliation,
                groups_claim: groups_claim.map(Into::into),
                trusted: boxed(self.trusted),
                act: self.act,
                sub_id: self.sub_id,
                grant_id: self.grant_id,
            },
            shape,
            client_ids: boxed(self.client_ids),
            acting_clients: boxed(self.acting_clients),
            audiences: boxed(self.audiences),
            rules,
            leeway: self.leeway,
            max_lifetime: self.max_lifetime,
            max_age: self.max_age,
        }
    }
}

impl TenantSetting {
    fn text(&self) -> Option<&String> {
        match self {
            Self::Own => None,
            Self::Fixed(text) | Self::Claim(text) => Some(text),
        }
    }
}

fn boxed(texts: Vec<String>) -> Vec<Box<str>> {
    texts.into_iter().map(Into::into).collect()
}

fn acceptable_name(name: &str) -> bool {
    (1..=MAX_NAME).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic())
}

const MAX_LIFETIME: Duration = Duration::from_secs(366 * 24 * 3600);
const MAX_LEEWAY: Duration = Duration::from_secs(300);
const MAX_NAME: usize = 512;
