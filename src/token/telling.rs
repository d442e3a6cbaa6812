//! The claims that say who is acting as whom, read once and kept beside the others.

use serde_json::Value;

use crate::token::issuer::IssuerFacts;
use crate::token::json::{Document, Item};

/// Of a plain token there are none. Those of another are asked for on each request, and the map of all its claims
/// need not be made for them.
#[derive(Debug, Clone, Default)]
pub(super) struct Telling(Option<Box<[Claim]>>);

#[derive(Debug, Clone)]
struct Claim {
    name: Box<str>,
    value: Value,
}

impl Telling {
    pub(super) fn read(claims: &Document<'_>, facts: &IssuerFacts) -> Self {
        let own = |(name, item): (&str, Item<'_, '_>)| Claim {
            name: name.into(),
            value: item.to_value(),
        };
        let members: Vec<_> = among(claims, facts).map(own).collect();
        Self((!members.is_empty()).then(|| members.into()))
    }

    /// How much memory they take besides the place where this stands, in bytes.
    pub(super) fn bytes(claims: &Document<'_>, facts: &IssuerFacts) -> usize {
        let member = |(name, item): (&str, Item<'_, '_>)| {
            size_of::<Claim>() + name.len() + item.bytes_as_value()
        };
        among(claims, facts).map(member).sum()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        let members = self.0.as_deref().unwrap_or_default();
        let found = members.iter().find(|claim| *claim.name == *name);
        found.map(|claim| &claim.value)
    }
}

/// Whether a claim of that name would be one of these. What is a fact of the identity is none.
pub(super) fn is_telling(name: &str, facts: &IssuerFacts) -> bool {
    let telling = NAMES.contains(&name) || facts.trusts_claim(name);
    telling && facts.groups_claim() != Some(name) && name != "scope"
}

fn among<'c, 'd: 'c>(
    claims: &'c Document<'d>,
    facts: &'c IssuerFacts,
) -> impl Iterator<Item = (&'c str, Item<'c, 'd>)> {
    claims.members().filter(|(name, _)| is_telling(name, facts))
}

const NAMES: [&str; 5] = ["act", "grant_id", "impersonating", "may_act", "mode"];
