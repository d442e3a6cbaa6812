//! The triggers of a Cognito user pool as a Lambda function: sign-in codes, and tokens that say who is really
//! there. `examples/cognito/` has the template that wires it to a pool, and how to deploy it.
//!
//! ```text
//! cargo build --release --example cognito_triggers     # then a zip of the binary, named `bootstrap`
//! ```
//!
//! One function serves all four triggers. It keeps nothing and knows no policy: it asks the service that
//! keeps the grants, as an app client with the right `introspect`. These variables say how:
//!
//! | variable | what |
//! |---|---|
//! | `DESK_URL` | where the routes of the service are, `https` |
//! | `DESK_CLIENT_ID`, `DESK_CLIENT_SECRET` | the app client of the service |
//! | `SIGN_IN_CLIENTS` | the app clients of the pool that are for codes alone, separated by commas; none without |
//! | `DEADLINE_MS` | how long the service may take to answer; 3,000 without |
//!
//! What is wrong with them ends the function at its start, and so fails every sign-in that needs it.

use std::env::{self, VarError};
use std::time::Duration;

use lambda_runtime::{Error, LambdaEvent, service_fn};
use serde_json::Value;
use tower_impersonate::lambda::{self, Triggers};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    tracing_subscriber::fmt().json().with_ansi(false).init();
    let triggers = triggers()?;
    lambda_runtime::run(service_fn(move |event: LambdaEvent<Value>| {
        let triggers = triggers.clone();
        // The error is logged already; its text is all that Cognito tells.
        async move { triggers.handle(event.payload).await.map_err(Error::from) }
    }))
    .await
}

fn triggers() -> Result<Triggers, Error> {
    let desk = lambda::remote(
        required("DESK_URL")?,
        &required("DESK_CLIENT_ID")?,
        required("DESK_CLIENT_SECRET")?,
    )?;
    let clients = optional("SIGN_IN_CLIENTS")?.unwrap_or_default();
    let clients = clients
        .split(',')
        .map(str::trim)
        .filter(|id| !id.is_empty());
    let mut triggers = Triggers::builder(desk).sign_in_clients(clients);
    if let Some(deadline) = optional("DEADLINE_MS")? {
        triggers = triggers.deadline(Duration::from_millis(deadline.parse()?));
    }
    Ok(triggers.build()?)
}

fn required(name: &str) -> Result<String, Error> {
    optional(name)?.ok_or_else(|| format!("{name} is not set").into())
}

fn optional(name: &str) -> Result<Option<String>, Error> {
    match env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(format!("{name} is not UTF-8").into()),
    }
}
