use std::borrow::Cow;

use http::request::Parts;
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::resolve::values::{grant_id, person};
use crate::resolve::{Nature, Requested, Resolution, Resolve, ResolveError, Targets};
use crate::terms::{Ask, Strategy, TargetRef};
use crate::token::{Claims, NameSet, Verified, strict_object};

/// The token's own claim says it: `"impersonating": {"sub": "…"}`, with `sub` the actor.
///
/// This is what a Cognito pre-token trigger can write, because Cognito lets nobody change `sub`. The
/// claim is an object with a `sub` and optionally the `iss` of the target; other members say nothing.
/// It is believed only from an issuer with `Issuer::trust_claim(name)`; from any other it is refused,
/// and a layer without any such issuer is refused when it is built.
pub fn claim(name: impl Into<Box<str>>) -> Claim {
    let name = name.into();
    Claim {
        set: NameSet::of(&name),
        name,
        form: Form::Object,
    }
}

/// The strategy made by [`claim`].
#[derive(Debug, Clone)]
#[must_use = "a strategy does nothing until it is given to the builder"]
pub struct Claim {
    name: Box<str>,
    set: NameSet,
    form: Form,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Object,
    ObjectOrString,
}

impl Claim {
    /// Also takes the bare `sub`, or the object written as JSON inside a string: all that a version 1
    /// trigger of Cognito can write.
    pub fn or_string(mut self) -> Self {
        self.form = Form::ObjectOrString;
        self
    }

    fn read(&self, claims: &Verified<Claims>) -> Result<Option<Requested>, ResolveError> {
        let Some(value) = claims.find(&self.name, self.set) else {
            return Ok(None);
        };
        let malformed = || ResolveError::token("the impersonating claim is malformed");
        let value = self.parsed(value).ok_or_else(malformed)?;
        let (issuer, subject) = person(&value).ok_or_else(malformed)?;
        let issuer = match issuer {
            Some(issuer) => claims.canonical(issuer),
            None => claims.identity().key().shared_issuer(),
        };
        let ask = Ask::user(
            TargetRef::subject(issuer, claims.shared_name(subject)),
            Strategy::Claim,
        );
        let ask = match value.get("grant_id") {
            Some(id) => ask.under(grant_id(id).ok_or_else(malformed)?),
            None => ask,
        };
        if !claims.trusts_claim(&self.name) {
            return Err(ResolveError::forbidden("untrusted_claim").asking(ask));
        }
        Ok(Some(Requested::built_in(claims.caller(), ask)))
    }

    /// The object that the claim is, or that it says as text.
    fn parsed<'v>(&self, value: &'v Value) -> Option<Cow<'v, Value>> {
        match value {
            Value::String(text) if self.form == Form::ObjectOrString => {
                let object = match text.starts_with('{') {
                    true => Value::Object(strict_object(text)?),
                    false => json!({ "sub": text }),
                };
                Some(Cow::Owned(object))
            }
            value => Some(Cow::Borrowed(value)),
        }
    }
}

impl Resolve for Claim {
    fn resolve(&self, claims: &Verified<Claims>, _: &Parts) -> Answer<Resolution> {
        Answer::now(self.read(claims).into())
    }

    fn nature(&self) -> Nature<'_> {
        Nature::with_targets(Targets::Named)
            .reads_claim(&self.name)
            .reads_nothing_else()
    }
}
