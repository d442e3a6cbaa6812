use serde_json::{Map, Value};

use crate::lambda::{PoolUser, TriggerError};

/// An event, of which only `response` is edited.
pub(super) struct Event(Map<String, Value>);

impl Event {
    pub(super) fn of(event: Value) -> Result<Self, TriggerError> {
        let Value::Object(members) = event else {
            return Err(TriggerError::malformed("the event is no object"));
        };
        let event = Self(members);
        event.text("version")?;
        event.text("triggerSource")?;
        event.client()?;
        event.request()?;
        match event.0.get("response") {
            None | Some(Value::Null | Value::Object(_)) => Ok(event),
            Some(_) => Err(TriggerError::malformed("response is no object")),
        }
    }

    pub(super) fn source(&self) -> Result<&str, TriggerError> {
        self.text("triggerSource")
    }

    pub(super) fn version(&self) -> Result<&str, TriggerError> {
        self.text("version")
    }

    pub(super) fn client(&self) -> Result<&str, TriggerError> {
        let client = self
            .0
            .get("callerContext")
            .and_then(|at| at.get("clientId"));
        { client.and_then(Value::as_str) }
            .filter(|client| !client.is_empty())
            .ok_or_else(|| TriggerError::malformed("callerContext.clientId is missing"))
    }

    pub(super) fn request(&self) -> Result<&Map<String, Value>, TriggerError> {
        { self.0.get("request").and_then(Value::as_object) }
            .ok_or_else(|| TriggerError::malformed("request is missing"))
    }

    /// Whether Cognito plays the sign-in of somebody whom it does not know.
    pub(super) fn is_unknown_user(&self) -> Result<bool, TriggerError> {
        match self.request()?.get("userNotFound") {
            None | Some(Value::Null) => Ok(false),
            Some(Value::Bool(not_found)) => Ok(*not_found),
            Some(_) => Err(TriggerError::malformed(
                "userNotFound is neither true nor false",
            )),
        }
    }

    /// The `sub` of the user; `None` where there is none.
    pub(super) fn subject(&self) -> Result<Option<&str>, TriggerError> {
        let subject = { self.request()?.get("userAttributes") }.and_then(|at| at.get("sub"));
        Ok(subject.and_then(Value::as_str))
    }

    /// The user of the pool of that `sub`.
    pub(super) fn user(&self, subject: &str) -> Result<PoolUser, TriggerError> {
        let (region, pool) = (self.text("region")?, self.text("userPoolId")?);
        // As the pool's tokens say it; the other form of the name means the same issuer.
        let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
        let issuer = format!("https://cognito-idp.{region}.amazonaws.com{suffix}/{pool}");
        let username = self.text("userName")?;
        Ok(PoolUser::new(issuer, subject, username, self.client()?))
    }

    /// What the caller sent with its last step; anybody can send anything.
    pub(super) fn metadata(&self, name: &str) -> Result<Option<&str>, TriggerError> {
        let metadata = self.request()?.get("clientMetadata");
        Ok(metadata.and_then(|at| at.get(name)).and_then(Value::as_str))
    }

    pub(super) fn respond(&mut self, with: impl FnOnce(&mut Map<String, Value>)) {
        edit(&mut self.0, "response", with);
    }

    /// Sets these members of the response.
    pub(super) fn say<const N: usize>(&mut self, members: [(&str, Value); N]) {
        let members = members.map(|(name, value)| (name.to_owned(), value));
        self.respond(|response| response.extend(members));
    }

    pub(super) fn into_value(self) -> Value {
        Value::Object(self.0)
    }

    fn text(&self, name: &'static str) -> Result<&str, TriggerError> {
        { self.0.get(name).and_then(Value::as_str) }
            .ok_or_else(|| TriggerError::malformed("a member of the event is missing"))
    }
}

/// Edits the object of that name; what is none becomes one.
pub(super) fn edit(
    members: &mut Map<String, Value>,
    name: &str,
    edit: impl FnOnce(&mut Map<String, Value>),
) {
    let mut object = match members.remove(name) {
        Some(Value::Object(object)) => object,
        _ => Map::new(),
    };
    edit(&mut object);
    members.insert(name.to_owned(), Value::Object(object));
}
