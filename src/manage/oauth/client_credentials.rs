//! RFC 6749, section 4.4: a token with which an app client comes as itself.

use crate::manage::desk::Desk;
use crate::manage::http::Answered;
use crate::manage::oauth::authenticate::Asking;
use crate::manage::oauth::error::OAuthError;
use crate::manage::oauth::token::{audience, told};

pub(super) fn issue(desk: &Desk, asking: &Asking<'_>) -> Answered {
    let audience = audience(desk, asking)?;
    let own = &asking.client.scopes;
    let scopes = match asking.form.scopes() {
        None => own.iter().map(|scope| &**scope).collect(),
        Some(asked) => asked,
    };
    if !scopes
        .iter()
        .all(|scope| own.iter().any(|own| own == scope))
    {
        return Err(OAuthError::bad("invalid_scope", "the client has not all of these").into());
    }
    let scope = Some(scopes.join(" ")).filter(|scope| !scope.is_empty());
    let id = &asking.client.id;
    let minted = desk
        .minter
        .mint_client(id, scope.as_deref(), audience.as_deref(), asking.now);
    match minted {
        Ok(minted) => told(minted, None),
        Err(error) => {
            tracing::error!(target: "impersonation", %error, "no token for an app client");
            Err(OAuthError::unavailable().into())
        }
    }
}
