use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{Moment, Nonsense, present};
use crate::identity::{Affiliation, Identity, Kind, Login, Names};

/// Somebody with all facts, known and unknown.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PersonText<'a> {
    iss: Cow<'a, str>,
    sub: Cow<'a, str>,
    #[serde(deserialize_with = "present")]
    username: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    groups: Option<NamesText<'a>>,
    #[serde(deserialize_with = "present")]
    scopes: Option<NamesText<'a>>,
    #[serde(deserialize_with = "present")]
    tenant: Option<Cow<'a, str>>,
    #[serde(deserialize_with = "present")]
    rank: Option<i64>,
    #[serde(deserialize_with = "present")]
    enabled: Option<bool>,
    #[serde(deserialize_with = "present")]
    login: Option<LoginText<'a>>,
    kind: KindText,
    affiliation: AffiliationText,
    attributes: Cow<'a, Map<String, Value>>,
    #[serde(deserialize_with = "present")]
    groups_claim: Option<Cow<'a, str>>,
}

#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct NamesText<'a>(Vec<Cow<'a, str>>);

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LoginText<'a> {
    #[serde(deserialize_with = "present")]
    at: Option<Moment>,
    #[serde(deserialize_with = "present")]
    context_class: Option<Cow<'a, str>>,
    methods: NamesText<'a>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindText {
    Person,
    Machine,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum AffiliationText {
    Tenant,
    Staff,
}

impl<'a> PersonText<'a> {
    pub(super) fn of(who: &'a Identity) -> Self {
        Self {
            iss: who.issuer().into(),
            sub: who.subject().into(),
            username: who.username().map(Cow::Borrowed),
            groups: who.groups().map(NamesText::of),
            scopes: who.scopes().map(NamesText::of),
            tenant: who.tenant().map(Cow::Borrowed),
            rank: who.rank(),
            enabled: who.enabled(),
            login: who.login().map(|login| LoginText {
                at: login.at.map(Into::into),
                context_class: login.context_class.as_deref().map(Cow::Borrowed),
                methods: NamesText::of(&login.methods),
            }),
            kind: match who.kind() {
                Kind::Person => KindText::Person,
                Kind::Machine => KindText::Machine,
            },
            affiliation: match who.affiliation() {
                Affiliation::Tenant => AffiliationText::Tenant,
                Affiliation::Staff => AffiliationText::Staff,
            },
            attributes: Cow::Borrowed(who.attributes()),
            groups_claim: who.groups_claim().map(Cow::Borrowed),
        }
    }

    pub(super) fn identity(self) -> Result<Identity, Nonsense> {
        let mut who = Identity::new(self.iss, self.sub)
            .with_kind(match self.kind {
                KindText::Person => Kind::Person,
                KindText::Machine => Kind::Machine,
            })
            .with_affiliation(match self.affiliation {
                AffiliationText::Tenant => Affiliation::Tenant,
                AffiliationText::Staff => Affiliation::Staff,
            })
            .with_attributes(self.attributes.into_owned(), self.groups_claim.as_deref());
        if let Some(username) = self.username {
            who = who.with_username(username);
        }
        if let Some(groups) = self.groups {
            who = who.with_groups(groups.names());
        }
        if let Some(scopes) = self.scopes {
            who = who.with_scopes(scopes.names());
        }
        if let Some(tenant) = self.tenant {
            who = who.with_tenant(tenant);
        }
        if let Some(rank) = self.rank {
            who = who.with_rank(rank);
        }
        who = match self.enabled {
            None => who,
            Some(true) => who.enabled_account(),
            Some(false) => who.disabled_account(),
        };
        if let Some(login) = self.login {
            who = who.with_login(Login {
                at: login.at.map(|at| at.timestamp()).transpose()?,
                context_class: login.context_class.map(Into::into),
                methods: login.methods.names(),
            });
        }
        Ok(who)
    }
}

impl<'a> NamesText<'a> {
    pub(super) fn of(names: &'a Names) -> Self {
        Self(names.iter().map(Cow::Borrowed).collect())
    }

    pub(super) fn names(self) -> Names {
        self.0.into_iter().collect()
    }
}
