use std::fmt;

use serde_json::Value;

/// A user as the pool tells of it.
#[derive(Clone, PartialEq, Eq)]
pub struct PoolUser {
    username: String,
    status: AccountStatus,
    enabled: bool,
    attributes: Vec<(String, String)>,
}

/// `UserStatus`: how far an account has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum AccountStatus {
    /// The user confirmed the account.
    Confirmed,
    /// The user signs in at another provider: SAML, OIDC or a social one.
    ExternalProvider,
    /// The user registered, and has not confirmed the account.
    Unconfirmed,
    /// An administrator made the account, and nobody has used it.
    ForceChangePassword,
    /// The user must reset the password before signing in again.
    ResetRequired,
    /// Disabled for its age.
    Archived,
    /// Disabled because somebody else may have used it.
    Compromised,
    /// Another one, or none.
    Unknown,
}

impl AccountStatus {
    /// The status of that name in the API.
    #[must_use]
    pub fn named(name: &str) -> Self {
        match name {
            "CONFIRMED" => Self::Confirmed,
            "EXTERNAL_PROVIDER" => Self::ExternalProvider,
            "UNCONFIRMED" => Self::Unconfirmed,
            "FORCE_CHANGE_PASSWORD" => Self::ForceChangePassword,
            "RESET_REQUIRED" => Self::ResetRequired,
            "ARCHIVED" => Self::Archived,
            "COMPROMISED" => Self::Compromised,
            _ => Self::Unknown,
        }
    }
}

impl PoolUser {
    /// A user that is enabled, without attributes.
    pub fn new(username: impl Into<String>, status: AccountStatus) -> Self {
        Self {
            username: username.into(),
            status,
            enabled: true,
            attributes: Vec::new(),
        }
    }

    /// Says that the account is disabled.
    #[must_use]
    pub fn disabled(mut self) -> Self {
        self.enabled = false;
        self
    }

    /// Adds an attribute, as `sub` and `email`.
    #[must_use]
    pub fn with_attribute(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.attributes.push((name.into(), value.into()));
        self
    }

    /// The username, which is nobody's for ever.
    #[must_use]
    pub fn username(&self) -> &str {
        &self.username
    }

    /// How far the account has come.
    #[must_use]
    pub fn status(&self) -> AccountStatus {
        self.status
    }

    /// Whether the account is enabled, whatever its status.
    #[must_use]
    pub fn is_enabled(&self) -> bool {
        self.enabled
    }

    /// The attributes, in the order of the pool.
    pub fn attributes(&self) -> impl Iterator<Item = (&str, &str)> {
        let pairs = self.attributes.iter();
        pairs.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One attribute.
    #[must_use]
    pub fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes()
            .find(|(known, _)| *known == name)
            .map(|(_, value)| value)
    }

    /// Who it is, at this pool.
    #[must_use]
    pub fn sub(&self) -> Option<&str> {
        self.attribute("sub").filter(|sub| !sub.is_empty())
    }

    /// Whether the e-mail address is this one, and the user was seen to own it.
    #[must_use]
    pub fn owns_email(&self, address: &str) -> bool {
        let same = |own: &str| own.eq_ignore_ascii_case(address);
        self.attribute("email").is_some_and(same)
            && self.attribute("email_verified") == Some("true")
    }

    /// Whether this identity of another provider is linked to it: `Provider_id`, as Cognito names a user
    /// that comes from there (attribute `identities`).
    #[must_use]
    pub fn is_linked_as(&self, name: &str) -> bool {
        let Some(text) = self.attribute("identities") else {
            return false;
        };
        let Ok(Value::Array(linked)) = serde_json::from_str(text) else {
            return false;
        };
        linked.iter().any(|identity| {
            let part = |name: &str| identity.get(name).and_then(Value::as_str);
            let (provider, id) = (part("providerName"), part("userId"));
            let rest = provider.and_then(|provider| name.strip_prefix(provider));
            let rest = rest.and_then(|rest| rest.strip_prefix('_'));
            id.is_some_and(|id| !id.is_empty()) && rest == id
        })
    }
}

impl fmt::Debug for PoolUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PoolUser")
            .field("sub", &self.sub())
            .field("status", &self.status)
            .field("enabled", &self.enabled)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_identity_is_linked_by_provider_and_id_and_by_nothing_less() {
        let with = |identities: &str| {
            PoolUser::new("alice", AccountStatus::Confirmed)
                .with_attribute("identities", identities)
        };
        let linked = with(r#"[{"userId":"104","providerName":"Google","providerType":"Google"}]"#);
        assert!(linked.is_linked_as("Google_104"));
        for other in [
            "Google_10",
            "google_104",
            "Google104",
            "_104",
            "Google_",
            "104",
            "",
        ] {
            assert!(!linked.is_linked_as(other), "{other}");
        }
        for damaged in [
            "",
            "null",
            r#"{"userId":"104","providerName":"Google"}"#,
            r#"[{"userId":104,"providerName":"Google"}]"#,
            r#"[{"userId":"","providerName":"Google"}]"#,
        ] {
            let damaged = with(damaged);
            assert!(!damaged.is_linked_as("Google_104") && !damaged.is_linked_as("Google_"));
        }
    }

    #[test]
    fn an_address_that_nobody_verified_is_not_owned() {
        let with = |verified: &str| {
            PoolUser::new("mallory", AccountStatus::Confirmed)
                .with_attribute("email", "Alice@example.com")
                .with_attribute("email_verified", verified)
        };
        assert!(with("true").owns_email("alice@example.com"));
        assert!(!with("true").owns_email("alice@example.co"));
        assert!(!with("false").owns_email("alice@example.com"));
        assert!(!format!("{:?}", with("true")).contains("example.com"));
    }
}
