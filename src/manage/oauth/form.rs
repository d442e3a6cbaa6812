use axum::response::Response;
use http::request::Parts;

use crate::manage::http::form;
use crate::manage::oauth::error::OAuthError;

/// The parameters of a request (RFC 6749, section 3.2): each at most once, and an empty one is none.
pub(super) struct Form(Vec<(String, String)>);

impl Form {
    pub(super) async fn read(parts: &Parts, body: axum::body::Body) -> Result<Self, Box<Response>> {
        if parts.uri.query().is_some() {
            return Err(OAuthError::invalid_request("parameters stand in the body alone").into());
        }
        let Some(pairs) = form(parts, body).await? else {
            let description = "the body must be application/x-www-form-urlencoded";
            return Err(OAuthError::invalid_request(description).into());
        };
        let mut names: Vec<&str> = pairs.iter().map(|(name, _)| &**name).collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(OAuthError::invalid_request("a parameter stands twice").into());
        }
        // What is not known is passed over, but for what asks to be somebody.
        if pairs.iter().any(|(name, _)| UNSUPPORTED.contains(&&**name)) {
            let description = "an actor comes from its own credential alone";
            return Err(OAuthError::invalid_request(description).into());
        }
        Ok(Self(pairs))
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let (_, value) = self.0.iter().find(|(other, _)| other == name)?;
        Some(&**value).filter(|value| !value.is_empty())
    }

    pub(super) fn require(&self, name: &str) -> Result<&str, OAuthError> {
        self.get(name)
            .ok_or_else(|| OAuthError::invalid_request("a required parameter is missing"))
    }

    /// The service that a token is asked for, by `audience` (RFC 8693) or `resource` (RFC 8707).
    pub(super) fn audience(&self) -> Result<Option<&str>, OAuthError> {
        match (self.get("audience"), self.get("resource")) {
            (Some(audience), Some(resource)) if audience != resource => Err(OAuthError::bad(
                "invalid_target",
                "a token is made for one service",
            )),
            (audience, resource) => Ok(audience.or(resource)),
        }
    }

    /// The scopes that are asked for; `None` where there is no such parameter.
    pub(super) fn scopes(&self) -> Option<Vec<&str>> {
        let scope = self.get("scope")?;
        Some(scope.split(' ').filter(|scope| !scope.is_empty()).collect())
    }
}

const UNSUPPORTED: [&str; 3] = ["actor", "actor_token", "actor_token_type"];
