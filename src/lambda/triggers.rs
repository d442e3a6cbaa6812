use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;

use crate::answer::Answer;
use crate::grant::StoreError;
use crate::lambda::event::Event;
use crate::lambda::{Confirm, TriggerError, TriggersError};

/// The triggers of a user pool; see the [module](super). Cheap to clone.
#[derive(Clone)]
pub struct Triggers(Arc<Shared>);

pub(super) struct Shared {
    pub(super) confirm: Arc<dyn Confirm>,
    clients: HashSet<String>,
    deadline: Duration,
}

/// Configures the triggers; see [`Triggers`].
#[must_use = "a builder does nothing until `build` is called"]
pub struct TriggersBuilder {
    confirm: Arc<dyn Confirm>,
    clients: Vec<String>,
    deadline: Duration,
}

impl Triggers {
    /// Starts the configuration, with whoever keeps codes and grants.
    pub fn builder(confirm: impl Confirm + 'static) -> TriggersBuilder {
        TriggersBuilder {
            confirm: Arc::new(confirm),
            clients: Vec::new(),
            deadline: Duration::from_secs(3),
        }
    }

    /// Answers an event of any of the triggers, by its `triggerSource`.
    ///
    /// # Errors
    ///
    /// [`TriggerError`], which must fail the sign-in; it is logged here.
    pub async fn handle(&self, event: Value) -> Result<Value, TriggerError> {
        let answered = self.answer(event).await;
        if let Err(error) = &answered {
            let cause = std::error::Error::source(error).map(tracing::field::display);
            tracing::error!(target: "impersonation", %error, cause, "a trigger failed a sign-in");
        }
        answered
    }

    async fn answer(&self, event: Value) -> Result<Value, TriggerError> {
        let event = Event::of(event)?;
        let answered = match event.source()? {
            "DefineAuthChallenge_Authentication" => self.0.define(event),
            "CreateAuthChallenge_Authentication" => Shared::create(event),
            "VerifyAuthChallengeResponse_Authentication" => self.0.verify(event).await,
            source if source.starts_with("TokenGeneration_") => self.0.pre_token(event).await,
            _ => Err(TriggerError::unsupported()),
        };
        answered.map(Event::into_value)
    }

    /// Define auth challenge: which step comes next. At an app client for codes it is one code and then the
    /// tokens; at any other one nobody signs in by a custom challenge.
    ///
    /// # Errors
    ///
    /// [`TriggerError`], as all of them.
    pub fn define(&self, event: Value) -> Result<Value, TriggerError> {
        self.0.define(Event::of(event)?).map(Event::into_value)
    }

    /// Create auth challenge: says that a code is wanted, whoever it is that signs in.
    ///
    /// # Errors
    ///
    /// [`TriggerError`], as all of them.
    pub fn create(&self, event: Value) -> Result<Value, TriggerError> {
        Shared::create(Event::of(event)?).map(Event::into_value)
    }

    /// Verify auth challenge response: takes the code.
    ///
    /// # Errors
    ///
    /// [`TriggerError`], as all of them.
    pub async fn verify(&self, event: Value) -> Result<Value, TriggerError> {
        let answered = self.0.verify(Event::of(event)?).await;
        answered.map(Event::into_value)
    }

    /// Pre-token generation, by the `version` of the event: 1 writes into the ID token alone, and texts alone;
    /// 2 and 3 write into both tokens.
    ///
    /// # Errors
    ///
    /// [`TriggerError`], as all of them. At an app client for codes, also where nobody confirms the actor.
    pub async fn pre_token(&self, event: Value) -> Result<Value, TriggerError> {
        let answered = self.0.pre_token(Event::of(event)?).await;
        answered.map(Event::into_value)
    }
}

impl TriggersBuilder {
    /// The app clients at which an actor signs in as the target, by a code. Each is for nothing else: whoever
    /// signs in there in another way gets no token. None by default, which leaves `impersonating` alone.
    pub fn sign_in_clients<C: Into<String>>(mut self, ids: impl IntoIterator<Item = C>) -> Self {
        self.clients.extend(ids.into_iter().map(Into::into));
        self
    }

    /// How long whoever confirms may take; 3 s by default, 100 ms to 4,500 ms. Cognito waits for 5 s, and then
    /// asks again, three times in all.
    pub fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// Checks everything. Does no I/O.
    ///
    /// # Errors
    ///
    /// [`TriggersError`] for whatever could not work once events come.
    pub fn build(self) -> Result<Triggers, TriggersError> {
        let bounds = Duration::from_millis(100)..=Duration::from_millis(4500);
        if !bounds.contains(&self.deadline) {
            return Err(TriggersError::OutOfBounds {
                setting: "deadline",
                bounds: "between 100 ms and 4,500 ms",
            });
        }
        if let Some(id) = { self.clients.iter() }.find(|id| !(1..=MAX_CLIENT).contains(&id.len())) {
            return Err(TriggersError::Client { id: id.clone() });
        }
        Ok(Triggers(Arc::new(Shared {
            confirm: self.confirm,
            clients: self.clients.into_iter().collect(),
            deadline: self.deadline,
        })))
    }
}

impl Shared {
    /// Whether the app client is there for codes alone.
    pub(super) fn is_for_codes(&self, event: &Event) -> Result<bool, TriggerError> {
        Ok(self.clients.contains(event.client()?))
    }

    /// Waits for whoever confirms.
    pub(super) async fn within<T>(
        &self,
        asked: Answer<Result<T, StoreError>>,
    ) -> Result<T, TriggerError> {
        match tokio::time::timeout(self.deadline, asked).await {
            Ok(Ok(answered)) => Ok(answered),
            Ok(Err(error)) => Err(TriggerError::unavailable(error)),
            Err(elapsed) => Err(TriggerError::unavailable(elapsed)),
        }
    }
}

impl fmt::Debug for Triggers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Triggers")
            .field("sign_in_clients", &self.0.clients)
            .field("deadline", &self.0.deadline)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for TriggersBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TriggersBuilder")
            .field("sign_in_clients", &self.clients)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}

/// As Cognito has it.
const MAX_CLIENT: usize = 128;
