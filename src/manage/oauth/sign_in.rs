//! What the triggers of a user pool ask about a sign-in.

use std::str::FromStr;
use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::grant::StoreError;
use crate::lambda::{Confirm, Confirmed, PoolUser, Proof, Question, Redemption, Step};
use crate::manage::Manage;
use crate::manage::desk::Desk;
use crate::manage::grants::PersonView;
use crate::manage::http::{Answered, Call, json};
use crate::manage::oauth::authenticate::Asking;
use crate::manage::oauth::error::OAuthError;
use crate::policy::Right;

/// What is told of a sign-in; of one that is no good, only that.
#[derive(Serialize, ToSchema)]
#[schema(as = SignIn)]
pub(in crate::manage) struct SignInView {
    active: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    grant_id: Option<String>,
    /// Who really signs in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    act: Option<PersonView>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    target: Option<PersonView>,
    /// `full`, `read_only` or `scoped`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    mode: Option<&'static str>,
    /// The scopes of the grant, separated by spaces.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
}

/// `POST /oauth2/sign-in/redeem`: takes a code. Whatever is wrong with it, the answer is the same.
pub(in crate::manage) async fn redeem(desk: Arc<Desk>, call: Call) -> Answered {
    let asking = asking(&desk, call).await?;
    let (code, challenge) = (parsed(&asking, "code_hash")?, parsed(&asking, "challenge")?);
    let redemption = Redemption::new(code, challenge, user(&asking)?);
    let redeemed = desk.redeem(&redemption, &asking.parts).await;
    let active = redeemed.map_err(|error| unavailable(&error))?;
    json(StatusCode::OK, &SignInView::of(active, None))
}

/// `POST /oauth2/sign-in/confirm`: what the tokens of a sign-in may say now.
pub(in crate::manage) async fn confirm(desk: Arc<Desk>, call: Call) -> Answered {
    let asking = asking(&desk, call).await?;
    let proof = match (asking.form.get("receipt"), asking.form.get("grant_id")) {
        (Some(_), None) => Proof::Receipt(parsed(&asking, "receipt")?),
        (None, Some(_)) => Proof::Grant(parsed(&asking, "grant_id")?),
        _ => return Err(OAuthError::invalid_request("either a receipt or a grant_id").into()),
    };
    let step = match asking.form.get("step") {
        None | Some("sign_in") => Step::SignIn,
        Some("refresh") => Step::Refresh,
        Some(_) => return Err(OAuthError::invalid_request("a step that is not known").into()),
    };
    let question = Question::new(proof, user(&asking)?).at(step);
    let confirmed = Manage::new(Arc::clone(&desk)).confirm(&question).await;
    let confirmed = confirmed.map_err(|error| unavailable(&error))?;
    json(
        StatusCode::OK,
        &SignInView::of(confirmed.is_some(), confirmed.as_ref()),
    )
}

async fn asking(desk: &Desk, call: Call) -> Result<Asking<'_>, Box<Response>> {
    let asking = Asking::read(desk, call).await?;
    asking.demand(desk, Right::Introspect).await?;
    Ok(asking)
}

fn parsed<T: FromStr>(asking: &Asking<'_>, name: &str) -> Result<T, OAuthError> {
    let text = asking.form.require(name)?;
    text.parse()
        .map_err(|_| OAuthError::invalid_request("a parameter is malformed"))
}

fn user(asking: &Asking<'_>) -> Result<PoolUser, OAuthError> {
    let form = &asking.form;
    // Of somebody whom the pool does not know there may be neither.
    let maybe = |name| form.get(name).unwrap_or_default();
    let (issuer, client) = (form.require("issuer")?, form.require("client")?);
    Ok(PoolUser::new(
        issuer,
        maybe("subject"),
        maybe("username"),
        client,
    ))
}

fn unavailable(error: &StoreError) -> Box<Response> {
    let cause = std::error::Error::source(error).map(tracing::field::display);
    tracing::error!(target: "impersonation", %error, cause, "a sign-in could not be judged");
    OAuthError::unavailable().into()
}

impl SignInView {
    fn of(active: bool, confirmed: Option<&Confirmed>) -> Self {
        let scopes = confirmed.and_then(Confirmed::scopes);
        Self {
            active,
            grant_id: confirmed.map(|confirmed| confirmed.grant().to_string()),
            act: confirmed.map(|confirmed| confirmed.actor().into()),
            target: confirmed.map(|confirmed| confirmed.target().into()),
            mode: confirmed.map(|confirmed| confirmed.mode().as_str()),
            scope: scopes.map(|scopes| scopes.iter().collect::<Vec<_>>().join(" ")),
        }
    }
}
