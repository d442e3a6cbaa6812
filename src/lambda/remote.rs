use std::fmt;
use std::sync::Arc;

use serde_json::{Map, Value};

use crate::answer::Answer;
use crate::grant::{AppClient, StoreError};
use crate::identity::{IdentityKey, Names};
use crate::lambda::{
    Confirm, Confirmed, PoolUser, Proof, Question, Redemption, Step, TriggersError,
};
use crate::secret::Secret;
use crate::terms::Mode;
use crate::token::strict_object;

/// Asks the service that keeps codes and grants over HTTP, at its routes `/oauth2/sign-in/redeem` and
/// `/oauth2/sign-in/confirm` (features `manage` and `lambda`), as an app client with the right `introspect`.
///
/// `base` is where the service's routes are, `https` or `http` of this machine, without a slash at its end.
/// Redirects are not followed; connecting may take 2 s, an answer 64 KiB. Nothing is kept: what is answered
/// is true now.
///
/// # Errors
///
/// [`TriggersError::Confirm`] where that could not work.
///
/// ```
/// use tower_impersonate::lambda;
///
/// let desk = lambda::remote("https://desk.example.com", "cognito-triggers", "secret")?;
/// assert!(!format!("{desk:?}").contains("secret"));
/// assert!(lambda::remote("http://desk.example.com", "cognito-triggers", "secret").is_err());
/// # Ok::<(), lambda::TriggersError>(())
/// ```
pub fn remote(
    base: impl Into<String>,
    client_id: &str,
    client_secret: impl Into<Secret<'static>>,
) -> Result<Remote, TriggersError> {
    let base = base.into();
    let client = AppClient::new(client_id, &client_secret.into());
    let asked = client
        .check(&base)
        .and_then(|()| match base.ends_with('/') {
            true => Err("the URL ends with a slash"),
            false => Ok(()),
        });
    asked.map_err(|wrong| TriggersError::Confirm {
        source: StoreError::unavailable(wrong),
    })?;
    Ok(Remote(Arc::new(Shared { base, client })))
}

/// The service that is asked over HTTP; made by [`remote`]. Cheap to clone.
#[derive(Clone)]
pub struct Remote(Arc<Shared>);

struct Shared {
    base: String,
    client: AppClient,
}

impl Shared {
    async fn ask(
        &self,
        route: &str,
        user: &PoolUser,
        about: &[(&str, &str)],
    ) -> Result<Map<String, Value>, StoreError> {
        let mut form = vec![
            ("issuer", &*user.issuer),
            ("subject", &*user.subject),
            ("username", &*user.username),
            ("client", &*user.client),
        ];
        form.extend_from_slice(about);
        let url = format!("{}/oauth2/sign-in/{route}", self.base);
        let body = self.client.post(&url, &form).await?;
        { std::str::from_utf8(&body).ok() }
            .and_then(strict_object)
            .ok_or_else(no_sense)
    }
}

impl Confirm for Remote {
    fn redeem(&self, redemption: &Redemption) -> Answer<Result<bool, StoreError>> {
        let (shared, redemption) = (Arc::clone(&self.0), redemption.clone());
        Answer::later(async move {
            let (code, challenge) = (
                redemption.code.to_string(),
                redemption.challenge.to_string(),
            );
            let about = [("code_hash", &*code), ("challenge", &*challenge)];
            let said = shared.ask("redeem", &redemption.user, &about).await?;
            said.get("active")
                .and_then(Value::as_bool)
                .ok_or_else(no_sense)
        })
    }

    fn confirm(&self, question: &Question) -> Answer<Result<Option<Confirmed>, StoreError>> {
        let (shared, question) = (Arc::clone(&self.0), question.clone());
        Answer::later(async move {
            let about = match question.proof {
                Proof::Receipt(hash) => ("receipt", hash.to_string()),
                Proof::Grant(id) => ("grant_id", id.to_string()),
            };
            let step = match question.step {
                Step::SignIn => "sign_in",
                Step::Refresh => "refresh",
            };
            let about = [(about.0, &*about.1), ("step", step)];
            let said = shared.ask("confirm", &question.user, &about).await?;
            match said.get("active").and_then(Value::as_bool) {
                Some(true) => read(&said).map(Some).ok_or_else(no_sense),
                Some(false) => Ok(None),
                None => Err(no_sense()),
            }
        })
    }
}

/// What is confirmed; `None` where that makes no sense.
fn read(said: &Map<String, Value>) -> Option<Confirmed> {
    let text = |name: &str| said.get(name).and_then(Value::as_str);
    let person = |name: &str| {
        let member = |part: &str| said.get(name)?.get(part)?.as_str();
        Some(IdentityKey::new(member("iss")?, member("sub")?))
    };
    let mode: Mode = text("mode")?.parse().ok()?;
    let grant = text("grant_id")?.parse().ok()?;
    let confirmed = Confirmed::new(grant, person("act")?, person("target")?, mode);
    Some(match text("scope") {
        Some(scope) => confirmed.with_scopes(scope.split(' ').collect::<Names>()),
        None => confirmed,
    })
}

fn no_sense() -> StoreError {
    StoreError::unavailable("the answer about a sign-in made no sense")
}

impl fmt::Debug for Remote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Remote")
            .field("base", &self.0.base)
            .finish_non_exhaustive()
    }
}
