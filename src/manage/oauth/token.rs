use std::sync::Arc;

use axum::response::Response;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::manage::desk::Desk;
use crate::manage::http::{Answered, Call, json};
use crate::manage::issue::is_audience;
use crate::manage::oauth::authenticate::Asking;
use crate::manage::oauth::error::OAuthError;
use crate::manage::oauth::{client_credentials, exchange};
use crate::mint::Minted;

/// A token, by RFC 6749, section 5.1. There is never a refresh token.
#[derive(Serialize, ToSchema)]
#[schema(as = Token)]
pub(in crate::manage) struct TokenView {
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// In seconds.
    expires_in: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    scope: Option<String>,
    /// Of an exchange (RFC 8693, section 2.2.1).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    issued_token_type: Option<&'static str>,
}

/// `POST /oauth2/token`.
pub(in crate::manage) async fn token(desk: Arc<Desk>, call: Call) -> Answered {
    let asking = Asking::read(&desk, call).await?;
    match asking.form.require("grant_type")? {
        "client_credentials" => client_credentials::issue(&desk, &asking),
        exchange::GRANT_TYPE => exchange::exchange(&desk, asking).await,
        _ => Err(OAuthError::bad("unsupported_grant_type", "no tokens are issued for that").into()),
    }
}

/// The service that the form names, if tokens are made for it.
pub(super) fn audience(desk: &Desk, asking: &Asking<'_>) -> Result<Option<String>, OAuthError> {
    let asked = asking.form.audience()?;
    match asked {
        _ if is_audience(desk, asked) => Ok(asked.map(str::to_owned)),
        Some(_) => Err(OAuthError::bad(
            "invalid_target",
            "no tokens are made for this service",
        )),
        None => Err(OAuthError::invalid_request(
            "there are several services: name one by `audience`",
        )),
    }
}

pub(super) fn told(
    minted: Minted,
    issued_token_type: Option<&'static str>,
) -> Result<Response, Box<Response>> {
    let view = TokenView {
        access_token: minted.token.expose().to_owned(),
        token_type: "Bearer",
        expires_in: minted.expires_in.as_secs(),
        scope: minted.scope,
        issued_token_type,
    };
    json(StatusCode::OK, &view)
}
