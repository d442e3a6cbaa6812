//! Pre-token generation: the tokens of a sign-in by a code name their actor, those of an actor its target.

use serde_json::{Map, Value, json};

use crate::grant::codes::CodeHash;
use crate::lambda::claims::{Addition, Version};
use crate::lambda::client::{GRANT, RECEIPT};
use crate::lambda::event::Event;
use crate::lambda::triggers::Shared;
use crate::lambda::{Confirmed, PoolUser, Proof, Question, Step, TriggerError};
use crate::terms::GrantId;

impl Shared {
    pub(super) async fn pre_token(&self, event: Event) -> Result<Event, TriggerError> {
        let version = Version::of(&event)?;
        if self.is_for_codes(&event)? {
            self.as_target(event, version).await
        } else {
            self.as_actor(event, version).await
        }
    }

    /// At an app client for codes: no token without its actor, by whatever step it is made.
    async fn as_target(&self, mut event: Event, version: Version) -> Result<Event, TriggerError> {
        if version == Version::IdTokenAlone {
            tracing::error!(
                target: "impersonation",
                "the trigger must be of version 2 or 3: version 1 makes access tokens that name no actor"
            );
            return Err(TriggerError::refused());
        }
        let receipt: Option<CodeHash> = event.metadata(RECEIPT)?.and_then(|text| text.parse().ok());
        let (Some(receipt), Some(subject)) = (receipt, event.subject()?) else {
            return Err(TriggerError::refused());
        };
        let user = event.user(subject)?;
        let confirmed = self
            .confirmed(Proof::Receipt(receipt), &user, step(&event)?)
            .await?;
        let confirmed = { confirmed.filter(|confirmed| user.is(&confirmed.target)) }
            .ok_or_else(TriggerError::refused)?;
        event.respond(|response| names_actor(&confirmed).write(version, response));
        Ok(event)
    }

    /// At any other one: who asks for nothing is not asked about, and who is not confirmed gets the token
    /// that it would have got.
    async fn as_actor(&self, mut event: Event, version: Version) -> Result<Event, TriggerError> {
        let grant: Option<GrantId> = event.metadata(GRANT)?.and_then(|text| text.parse().ok());
        let Some(grant) = grant else {
            return Ok(event);
        };
        // A machine is known by its app client.
        let subject = match event.source()? {
            MACHINE => Some(event.client()?),
            _ => event.subject()?,
        };
        let Some(subject) = subject else {
            return Err(TriggerError::malformed("the user has no sub"));
        };
        let user = event.user(subject)?;
        let confirmed = self
            .confirmed(Proof::Grant(grant), &user, step(&event)?)
            .await?;
        let own = |confirmed: &Confirmed| confirmed.grant == grant && user.is(&confirmed.actor);
        if let Some(confirmed) = confirmed.filter(own) {
            let named = names_target(&confirmed, &user);
            event.respond(|response| named.write(version, response));
            return Ok(event);
        }
        tracing::warn!(
            target: "impersonation",
            sub = %user.subject,
            iss = %user.issuer,
            "a sign-in named a grant that nobody confirms, and got a plain token"
        );
        Ok(event)
    }

    async fn confirmed(
        &self,
        proof: Proof,
        user: &PoolUser,
        step: Step,
    ) -> Result<Option<Confirmed>, TriggerError> {
        let question = Question::new(proof, user.clone()).at(step);
        self.within(self.confirm.confirm(&question)).await
    }
}

fn step(event: &Event) -> Result<Step, TriggerError> {
    Ok(match event.source()? {
        REFRESH => Step::Refresh,
        _ => Step::SignIn,
    })
}

/// RFC 8693, section 4.1: `sub` is the target, `act` the actor.
fn names_actor(confirmed: &Confirmed) -> Addition {
    let actor = &confirmed.actor;
    let mut claims = Map::new();
    let act = json!({ "sub": actor.subject(), "iss": actor.issuer() });
    claims.insert("act".to_owned(), act);
    claims.insert("grant_id".to_owned(), json!(confirmed.grant.to_string()));
    claims.insert("mode".to_owned(), json!(confirmed.mode.as_str()));
    let scopes = { confirmed.scopes.iter() }.flat_map(|scopes| scopes.iter().map(str::to_owned));
    Addition {
        claims,
        scopes_to_add: scopes.collect(),
        // With it, a token changes and deletes the user at Cognito itself, where nobody stamps or records.
        scopes_to_suppress: vec![USER_ADMIN],
    }
}

/// `sub` is the actor: Cognito lets nobody change it.
fn names_target(confirmed: &Confirmed, user: &PoolUser) -> Addition {
    let target = &confirmed.target;
    let mut named = json!({ "sub": target.subject(), "grant_id": confirmed.grant.to_string() });
    if target.issuer() != user.issuer {
        named["iss"] = json!(target.issuer());
    }
    let claims = [("impersonating".to_owned(), named)];
    Addition {
        claims: claims.into_iter().collect::<Map<String, Value>>(),
        scopes_to_add: Vec::new(),
        scopes_to_suppress: Vec::new(),
    }
}

const REFRESH: &str = "TokenGeneration_RefreshTokens";
const MACHINE: &str = "TokenGeneration_ClientCredentials";
const USER_ADMIN: &str = "aws.cognito.signin.user.admin";
