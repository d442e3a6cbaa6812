//! What a pre-token trigger may write, by the version of its event.

use serde_json::{Map, Value, json};

use crate::lambda::TriggerError;
use crate::lambda::event::{Event, edit};

/// How far a pre-token trigger reaches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Version {
    /// 1: texts, into the ID token.
    IdTokenAlone,
    /// 2 and 3: any JSON, into both tokens.
    BothTokens,
}

impl Version {
    pub(super) fn of(event: &Event) -> Result<Self, TriggerError> {
        match event.version()? {
            "1" => Ok(Self::IdTokenAlone),
            "2" | "3" => Ok(Self::BothTokens),
            _ => Err(TriggerError::malformed("a version that is not known")),
        }
    }
}

/// What is added to what a response says already.
pub(super) struct Addition {
    pub(super) claims: Map<String, Value>,
    pub(super) scopes_to_add: Vec<String>,
    pub(super) scopes_to_suppress: Vec<&'static str>,
}

impl Addition {
    /// Leaves groups alone: to name them in any form would change them.
    pub(super) fn write(&self, version: Version, response: &mut Map<String, Value>) {
        match version {
            Version::IdTokenAlone => {
                edit(response, "claimsOverrideDetails", |details| {
                    self.write_claims(details, |value| Value::String(value.to_string()));
                    leave_groups(details);
                });
            }
            Version::BothTokens => {
                edit(response, "claimsAndScopeOverrideDetails", |details| {
                    self.write_both(details);
                    leave_groups(details);
                });
            }
        }
    }

    fn write_both(&self, details: &mut Map<String, Value>) {
        edit(details, "idTokenGeneration", |id| {
            self.write_claims(id, Value::clone);
        });
        edit(details, "accessTokenGeneration", |access| {
            self.write_claims(access, Value::clone);
            extend(access, "scopesToAdd", &self.scopes_to_add);
            extend(access, "scopesToSuppress", &self.scopes_to_suppress);
        });
    }

    fn write_claims(&self, section: &mut Map<String, Value>, form: impl Fn(&Value) -> Value) {
        let claims = { self.claims.iter() }.map(|(name, value)| (name.clone(), form(value)));
        edit(section, "claimsToAddOrOverride", |there| {
            there.extend(claims);
        });
        // What is suppressed is not added.
        if let Some(Value::Array(suppressed)) = section.get_mut("claimsToSuppress") {
            let ours = |name: &Value| {
                name.as_str()
                    .is_some_and(|name| self.claims.contains_key(name))
            };
            suppressed.retain(|name| !ours(name));
        }
    }
}

/// Nothing there at all would take all groups away.
fn leave_groups(details: &mut Map<String, Value>) {
    if details
        .get("groupOverrideDetails")
        .is_some_and(Value::is_null)
    {
        details.remove("groupOverrideDetails");
    }
}

fn extend(section: &mut Map<String, Value>, name: &str, with: &[impl AsRef<str>]) {
    if with.is_empty() {
        return;
    }
    let list = section.entry(name).or_insert(Value::Null);
    if !list.is_array() {
        *list = json!([]);
    }
    if let Value::Array(list) = list {
        for text in with.iter().map(AsRef::as_ref) {
            if !list.iter().any(|there| there == text) {
                list.push(json!(text));
            }
        }
    }
}
