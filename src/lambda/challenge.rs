//! The custom challenge: define, create, verify.

use serde_json::{Map, Value, json};

use crate::grant::codes::{ChallengeId, CodeHash, SignInCode};
use crate::lambda::event::Event;
use crate::lambda::triggers::Shared;
use crate::lambda::{Redemption, TriggerError};

impl Shared {
    pub(super) fn define(&self, mut event: Event) -> Result<Event, TriggerError> {
        let is_unknown = event.is_unknown_user()?;
        let next = match (self.is_for_codes(&event)?, session(&event)?) {
            (true, Session::Begins) => Next::Challenge,
            (true, Session::Answered) if !is_unknown => Next::Tokens,
            _ => Next::Failure,
        };
        event.say([
            ("challengeName", json!(next.challenge())),
            ("issueTokens", json!(next == Next::Tokens)),
            ("failAuthentication", json!(next == Next::Failure)),
        ]);
        Ok(event)
    }

    pub(super) fn create(mut event: Event) -> Result<Event, TriggerError> {
        let named = event
            .request()?
            .get("challengeName")
            .and_then(Value::as_str);
        if named != Some(CUSTOM) {
            return Err(TriggerError::malformed("no custom challenge is asked for"));
        }
        let id = ChallengeId::random().map_err(TriggerError::unavailable)?;
        event.say([
            ("publicChallengeParameters", json!({ "challenge": KIND })),
            (
                "privateChallengeParameters",
                json!({ "challenge": id.to_string() }),
            ),
            ("challengeMetadata", json!(KIND)),
        ]);
        Ok(event)
    }

    pub(super) async fn verify(&self, mut event: Event) -> Result<Event, TriggerError> {
        let correct = match self.is_for_codes(&event)? {
            true => self.is_correct(&event).await?,
            false => false,
        };
        event.say([("answerCorrect", json!(correct))]);
        Ok(event)
    }

    /// Whatever is wrong with the answer, the same is asked and the same is answered.
    async fn is_correct(&self, event: &Event) -> Result<bool, TriggerError> {
        let (request, is_unknown) = (event.request()?, event.is_unknown_user()?);
        let private = { request.get("privateChallengeParameters") }
            .and_then(|parameters| parameters.get("challenge"))
            .and_then(Value::as_str);
        let challenge: ChallengeId = { private.and_then(|id| id.parse().ok()) }
            .ok_or_else(|| TriggerError::malformed("it is no challenge that was created here"))?;
        let answer = request.get("challengeAnswer").and_then(Value::as_str);
        let code = match answer.and_then(SignInCode::parse) {
            Some(code) if !is_unknown => code,
            // One that nobody was ever given.
            _ => SignInCode::random().map_err(TriggerError::unavailable)?,
        };
        let subject = match event.subject()? {
            Some(subject) => subject,
            None if is_unknown => "",
            None => return Err(TriggerError::malformed("the user has no sub")),
        };
        self.take(code.hash(), challenge, event, subject).await
    }

    async fn take(
        &self,
        code: CodeHash,
        challenge: ChallengeId,
        event: &Event,
        subject: &str,
    ) -> Result<bool, TriggerError> {
        let redemption = Redemption::new(code, challenge, event.user(subject)?);
        self.within(self.confirm.redeem(&redemption)).await
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    Challenge,
    Tokens,
    Failure,
}

impl Next {
    fn challenge(self) -> Option<&'static str> {
        (self == Self::Challenge).then_some(CUSTOM)
    }
}

/// What was done in this sign-in.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Session {
    Begins,
    /// One challenge of our kind, answered correctly, and nothing beside it.
    Answered,
    Other,
}

fn session(event: &Event) -> Result<Session, TriggerError> {
    let steps = match event.request()?.get("session") {
        None | Some(Value::Null) => return Ok(Session::Begins),
        Some(Value::Array(steps)) => steps,
        Some(_) => return Err(TriggerError::malformed("session is no list")),
    };
    let steps: Option<Vec<&Map<String, Value>>> = steps.iter().map(Value::as_object).collect();
    let steps =
        steps.ok_or_else(|| TriggerError::malformed("a step of the session is no object"))?;
    let text = |step: &Map<String, Value>, name: &str| {
        step.get(name).and_then(Value::as_str).map(str::to_owned)
    };
    Ok(match &*steps {
        [] => Session::Begins,
        [step]
            if text(step, "challengeName").as_deref() == Some(CUSTOM)
                && text(step, "challengeMetadata").as_deref() == Some(KIND)
                && step.get("challengeResult") == Some(&Value::Bool(true)) =>
        {
            Session::Answered
        }
        _ => Session::Other,
    })
}

const CUSTOM: &str = "CUSTOM_CHALLENGE";
/// What tells this challenge from others, and the client what it is asked for.
const KIND: &str = "IMPERSONATION_CODE";
